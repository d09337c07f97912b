//! The store without a server: the same answers as over HTTP, for when none is running.

mod audit;
mod credentials;
mod rights;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::access::{Caller, Operation, Secret};
use crate::app::{self, Opened, Purpose};
use crate::audit::Auditor;
use crate::clock::{Clock, Entropy, SystemClock};
use crate::config::Config;
use crate::domain::alert::{AlertId, AlertNote, AlertState};
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::safety::Level;
use crate::domain::session::Status;
use crate::http::wire::alerts::{AlertBody, BY_MAX_CHARS};
use crate::http::wire::{SessionBody, SessionRow};
use crate::store::{Acknowledge, Acknowledged, AlertOrder, AlertQuery, ListQuery, Store};
use crate::turn::{Knowledge, Storage};

use super::Failure;

pub(super) struct Offline {
    store: Arc<dyn Store>,
    knowledge: Knowledge,
    secret: Secret,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
}

impl Offline {
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        if config.redis.is_none() && !app::store_directory(config).exists() {
            return Err(Failure::Said(format!(
                "no server answers at {}, and there is no data at {}",
                config.url,
                config.data.display()
            )));
        }
        Self::make(config).await
    }

    /// The same, and a new store where there is none.
    pub async fn make(config: &Config) -> Result<Self, Failure> {
        let entropy = Arc::new(Entropy::system());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let knowledge = Knowledge::embedded().map_err(Failure::of)?;
        let opened =
            app::open_store(config, Purpose::Command, &knowledge.protocols, (&clock, &entropy)).await;
        let Opened { store, secret, .. } = opened.map_err(Failure::of)?;
        app::take_up_protocols(&knowledge, &*store).await.map_err(Failure::of)?;
        Ok(Self { store, knowledge, secret, clock, entropy })
    }

    pub async fn list(
        &self,
        status: Option<&str>,
        level: Option<&str>,
        limit: usize,
    ) -> Result<Value, Failure> {
        let query = ListQuery {
            status: named("status", status, Status::parse)?,
            level: named("level", level, Level::parse)?,
            ..ListQuery::of(Caller::open().org, limit)
        };
        self.enter(&query.org, Operation::ListSessions, (None, None)).await?;
        let page = self.store.list(query).await.map_err(Failure::of)?;
        let row = |session: &Arc<_>| SessionRow::of(session, &self.knowledge, self.storage());
        let sessions: Vec<SessionRow> = page.rows.iter().map(row).collect();
        Ok(json!({ "total_sessions": page.total, "sessions": sessions }))
    }

    pub async fn show(&self, id: &str) -> Result<Option<Value>, Failure> {
        let key = key(id)?;
        self.enter(&key.org, Operation::ReadSession, (Some(&key), None)).await?;
        let snapshot = self.store.read(&key).await.map_err(Failure::of)?;
        let body = snapshot.map(|snapshot| SessionBody::of(&snapshot, &self.knowledge, self.storage()));
        body.map(|body| serde_json::to_value(body).map_err(Failure::of)).transpose()
    }

    pub async fn alerts(
        &self,
        state: Option<&str>,
        level: Option<&str>,
        limit: usize,
    ) -> Result<Value, Failure> {
        let query = AlertQuery {
            org: Caller::open().org,
            state: named("state", state, AlertState::parse)?,
            level: named("level", level, Level::parse)?,
            order: AlertOrder::Danger,
            limit,
            cursor: None,
        };
        self.enter(&query.org, Operation::ListAlerts, (None, None)).await?;
        let page = self.store.alerts(query).await.map_err(Failure::of)?;
        let alerts: Vec<AlertBody> = page.rows.iter().map(AlertBody::of).collect();
        Ok(json!({ "alerts": alerts, "open_alerts": page.open }))
    }

    pub async fn acknowledge(
        &self,
        id: &str,
        by: Option<&str>,
        note: Option<&str>,
    ) -> Result<Option<Value>, Failure> {
        let Some(id) = AlertId::parse(id) else { return Ok(None) };
        let note = named("note", note, AlertNote::parse)?;
        if by.is_some_and(|by| by.chars().count() > BY_MAX_CHARS) {
            return Err(Failure::Said(format!("--by has at most {BY_MAX_CHARS} characters")));
        }
        let org = Caller::open().org;
        self.enter(&org, Operation::AcknowledgeAlert, (None, Some(id.as_str()))).await?;
        let acknowledge = Acknowledge { org, id, by: by.map(str::to_owned), note };
        let (already, alert) = match self.store.acknowledge(acknowledge).await.map_err(Failure::of)? {
            Acknowledged::Done(alert) => (false, alert),
            Acknowledged::Already(alert) => (true, alert),
            Acknowledged::Absent => return Ok(None),
        };
        Ok(Some(json!({ "alert": AlertBody::of(&alert), "already": already })))
    }

    pub async fn close(self) -> Result<(), Failure> {
        // What was entered here is sealed here, where no server does it.
        let auditor = Auditor { store: Arc::clone(&self.store), secret: self.secret };
        auditor.seal_all().await.map_err(Failure::of)?;
        self.store.close().await.map_err(Failure::of)
    }

    fn storage(&self) -> Storage {
        Storage::of_store(self.store.name())
    }
}

fn key(id: &str) -> Result<SessionKey, Failure> {
    let id = SessionId::parse(id).map_err(|error| Failure::Said(format!("a session id {error}")))?;
    Ok(SessionKey::new(Caller::open().org, id))
}

fn named<T>(what: &str, text: Option<&str>, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Failure> {
    match text {
        None => Ok(None),
        Some(text) => {
            parse(text).map(Some).ok_or_else(|| Failure::Said(format!("there is no {what} called {text}")))
        }
    }
}
