//! Notes in Redis, a field of the session's hash; and whose an alert is.

use async_trait::async_trait;
use redis::{Pipeline, Value};

use super::RedisStore;
use super::alerts::alert_of;
use super::record::json;
use super::value::{self, Fields, Parts};
use crate::domain::alert::{Alert, AlertId};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::note::Note;
use crate::redis::keys;
use crate::store::{Care, Noted, StoreError};

#[async_trait]
impl Care for RedisStore {
    async fn note(&self, session: &SessionKey, note: Note) -> Result<Noted, StoreError> {
        let inner = &self.0;
        let mut call = inner.scripts.note.call(&[inner.keys.session(session, keys::STATE)]);
        call.arg(json(&note)?).arg(&note.id).arg(note.kind.most());
        let told = value::text(inner.run(&inner.scripts.note, call).await?)?;
        Ok(match told.as_str() {
            "kept" => Noted::Kept,
            "full" => Noted::TooMany,
            _ => Noted::Absent,
        })
    }

    async fn notes(&self, session: &SessionKey) -> Result<Option<Vec<Note>>, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        let state = self.0.keys.session(session, keys::STATE);
        calls.cmd("HMGET").arg(state).arg(&["session_id", "notes"]);
        let mut answers = Parts::of(Value::Array(self.0.ask(&calls, &[]).await?))?;
        let mut known = Parts::of(answers.value()?)?;
        if known.maybe()?.is_none() {
            return Ok(None);
        }
        let notes = known.maybe()?.unwrap_or_default();
        let read = |line: &str| {
            serde_json::from_str(line).map_err(|_| StoreError::Corrupt("a note cannot be read".to_owned()))
        };
        notes.lines().map(read).collect::<Result<_, _>>().map(Some)
    }

    async fn own(
        &self,
        org: &OrgId,
        alert: &AlertId,
        owner: Option<String>,
    ) -> Result<Option<Alert>, StoreError> {
        let inner = &self.0;
        let mut call = inner.scripts.own.call(&[inner.keys.alert(org, alert)]);
        call.arg(owner.unwrap_or_default());
        let fields = Fields::of(inner.run(&inner.scripts.own, call).await?)?;
        if fields.is_empty() { Ok(None) } else { alert_of(alert.clone(), &fields).map(Some) }
    }
}
