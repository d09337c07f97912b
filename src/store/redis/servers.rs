//! What a server has to know of its Redis before that goes away: which other servers there are, and which sessions. And
//! whether a commit of which nobody heard stands.

use std::time::Duration;

use redis::Pipeline;

use super::value::{self, Parts, list, millis};
use super::{Inner, RedisStore};
use crate::domain::id::{OrgId, SessionId, SessionKey};
use crate::redis::{LinkState, keys};
use crate::store::{Lease, StoreError};

/// Sessions that one look at a list is told, about.
const PAGE: usize = 1_000;

/// Where a walk over the sessions of an organisation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// Cursors of Redis; `None` where the end was reached.
    clients: Option<String>,
    active: Option<String>,
    chats: Option<String>,
}

impl Walk {
    #[must_use]
    pub fn start() -> Self {
        let zero = || Some("0".to_owned());
        Self { clients: zero(), active: zero(), chats: zero() }
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.clients.is_none() && self.active.is_none() && self.chats.is_none()
    }
}

impl RedisStore {
    /// Says that this server is there, and tells how many others are. One that was silent for `silence` is gone.
    pub async fn beat(&self, silence: Duration) -> Result<u64, StoreError> {
        self.0.say_hello(silence, false).await
    }

    /// Takes leave of the others.
    pub async fn leave(&self, silence: Duration) -> Result<(), StoreError> {
        self.0.say_hello(silence, true).await.map(drop)
    }

    /// Waits until another server has come. One may come unheard.
    pub async fn newcomer(&self) {
        self.0.newcomers.notified().await;
    }

    /// Whether Redis can be reached, as far as the link knows. Asks nobody.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.0.link.state(), LinkState::Up)
    }

    /// Waits until Redis can be reached.
    pub async fn until_up(&self) {
        self.0.link.until_up().await;
    }

    /// Whether the commit of this lease stands, as far as its session still knows: it remembers the latest few.
    pub async fn stands(&self, key: &SessionKey, lease: Lease) -> Result<bool, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HGET").arg(self.0.keys.session(key, keys::STATE)).arg("last_commit");
        let mut answers = Parts::of(redis::Value::Array(self.0.ask(&calls, &[]).await?))?;
        let commits = answers.maybe()?.unwrap_or_default();
        Ok(commits.contains(&format!("{}@", super::gate::hex(lease.0))))
    }

    /// The organisations that may have sessions or chats.
    pub async fn organisations(&self) -> Result<Vec<OrgId>, StoreError> {
        self.0.orgs().await
    }

    /// Some of an organisation's sessions, those too that have gone while their client is in danger, and of its plain chats;
    /// the walk goes on from there. Told more than once, some of them.
    pub async fn walk(&self, org: &OrgId, walk: &mut Walk) -> Result<Vec<SessionKey>, StoreError> {
        let mut ids = Vec::new();
        if let Some(cursor) = walk.clients.take() {
            let mut calls = Pipeline::with_capacity(1);
            calls.cmd("HSCAN").arg(self.0.keys.clients(org)).arg(cursor).arg("COUNT").arg(PAGE);
            let (next, found) = self.0.scanned(&calls).await?;
            walk.clients = next;
            ids.extend(found);
        }
        let sets = [(&mut walk.active, self.0.keys.active(org)), (&mut walk.chats, self.0.keys.chats(org))];
        for (place, set) in sets {
            let Some(cursor) = place.take() else { continue };
            let mut calls = Pipeline::with_capacity(1);
            calls.cmd("ZSCAN").arg(set).arg(cursor).arg("COUNT").arg(PAGE);
            let (next, found) = self.0.scanned(&calls).await?;
            *place = next;
            ids.extend(found);
        }
        Ok(keys_of(org, ids))
    }

    /// Sessions of an organisation that had a turn since `since`, in seconds since 1970, and up to when that was looked.
    pub async fn active_since(&self, org: &OrgId, since: f64) -> Result<(Vec<SessionKey>, f64), StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        let active = self.0.keys.active(org);
        calls.cmd("ZRANGE").arg(active).arg(since).arg("+inf").arg("BYSCORE");
        calls.arg("LIMIT").arg(0).arg(PAGE).arg("WITHSCORES");
        let mut answers = Parts::of(redis::Value::Array(self.0.ask(&calls, &[]).await?))?;
        let pairs = answers.texts()?;
        let last = pairs.chunks_exact(2).filter_map(|pair| pair[1].parse().ok()).fold(since, f64::max);
        let ids = pairs.into_iter().step_by(2).collect();
        Ok((keys_of(org, ids), last))
    }
}

impl Inner {
    async fn say_hello(&self, silence: Duration, is_last: bool) -> Result<u64, StoreError> {
        let mut call = self.scripts.beat.call(&[self.keys.servers()]);
        call.arg(&self.server).arg(millis(silence)).arg(u8::from(is_last)).arg(self.keys.wake_all());
        let others = value::number(&self.run(&self.scripts.beat, call).await?)?;
        Ok(u64::try_from(others).unwrap_or(0))
    }

    /// One step of a walk: the names of the pairs, and the next cursor where there is one.
    async fn scanned(&self, calls: &Pipeline) -> Result<(Option<String>, Vec<String>), StoreError> {
        let mut answers = Parts::of(redis::Value::Array(self.ask(calls, &[]).await?))?;
        let mut parts = list(answers.value()?)?.into_iter();
        let (Some(next), Some(pairs)) = (parts.next(), parts.next()) else {
            return Err(StoreError::Corrupt("a walk over sessions has an unknown answer".to_owned()));
        };
        let next = Some(value::text(next)?).filter(|next| next != "0");
        Ok((next, value::texts(pairs)?.into_iter().step_by(2).collect()))
    }
}

fn keys_of(org: &OrgId, ids: Vec<String>) -> Vec<SessionKey> {
    let ids = ids.into_iter().filter_map(|id| SessionId::parse(id).ok());
    ids.map(|id| SessionKey::new(org.clone(), id)).collect()
}
