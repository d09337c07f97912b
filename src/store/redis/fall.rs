//! The two ways by which a client's level falls: a clinician clears it, or negative re-screens do. Nothing else in this
//! adapter lowers one.

use redis::Cmd;

use super::Inner;
use super::lifecycle::{ALIGNED_AT_ONCE, ALIGNED_MAX};
use super::value::{self, Parts, millis};
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::safety::Basis;
use crate::redis::Script;
use crate::store::{Lower, Lowered, StoreError, Transitioned};

/// As `clear.lua` says it.
const OVERTAKEN: i64 = -2;

impl Inner {
    pub(super) async fn clear(
        &self,
        key: &SessionKey,
        client: &ClientKey,
        name: &str,
        seen: Option<Basis>,
    ) -> Result<Transitioned, StoreError> {
        let script = &self.scripts.clear;
        let mut next = Some(0);
        while let Some(from) = next.filter(|from| *from < ALIGNED_MAX) {
            let mut call = self.fall_call(script, (key, client), name, from);
            if let Some(seen) = seen {
                call.arg(seen.level.as_str()).arg(seen.epoch).arg(seen.signs);
            }
            let place = value::number(&self.run(script, call).await?)?;
            if place == OVERTAKEN {
                return Ok(Transitioned::Overtaken);
            }
            next = u64::try_from(place).ok();
        }
        let snapshot = self.snapshot(key).await?;
        Ok(snapshot.map_or(Transitioned::Absent, |snapshot| Transitioned::Done(snapshot.session.status)))
    }

    pub(super) async fn lower(&self, lower: &Lower) -> Result<Lowered, StoreError> {
        let key = &lower.session;
        let ground = self.reload(key, &self.client_by_id(key)).await?;
        let Some(session) = ground.session else { return Ok(Lowered::Absent) };
        self.lower_client(lower, &session.client).await
    }

    async fn lower_client(&self, lower: &Lower, client: &ClientKey) -> Result<Lowered, StoreError> {
        let (key, script) = (&lower.session, &self.scripts.lower);
        let (id, basis) = (format!("{:016x}", lower.negative.id), lower.negative.basis);
        let mut next = Some(0);
        while let Some(from) = next.filter(|from| *from < ALIGNED_MAX) {
            let mut call = self.fall_call(script, (key, client), &id, from);
            call.arg(basis.level.as_str())
                .arg(basis.epoch)
                .arg(basis.signs)
                .arg(lower.apart.map_or_else(|| "-".to_owned(), |apart| apart.as_micros().to_string()))
                .arg(lower.reason);
            let mut parts = Parts::of(self.run(script, call).await?)?;
            match parts.text()?.as_str() {
                "noted" => return Ok(Lowered::Noted),
                // Danger showed between two pages: the level counts again, and nothing more is aligned to none.
                "refused" if from == 0 => return Ok(Lowered::Refused),
                "refused" => break,
                _ => next = u64::try_from(parts.number::<i64>()?).ok(),
            }
        }
        let snapshot = self.snapshot(key).await?;
        Ok(snapshot.map_or(Lowered::Absent, |snapshot| Lowered::Cleared(snapshot.session.status)))
    }

    /// What both scripts are given.
    fn fall_call(
        &self,
        script: &Script,
        (key, client): (&SessionKey, &ClientKey),
        name: &str,
        from: u64,
    ) -> Cmd {
        let org = &key.org;
        let names = [
            self.keys.safety(org, client),
            self.keys.client(org, client),
            self.keys.active(org),
            self.keys.expires(org),
            self.keys.idle(org),
            self.keys.forgettable(org),
        ];
        let mut call = script.call(&names);
        call.arg(client.as_str())
            .arg(name)
            .arg(self.keys.sessions_prefix(org))
            .arg(self.keys.index_prefix(org))
            .arg(from)
            .arg(ALIGNED_AT_ONCE)
            .arg(millis(self.limits.session_ttl))
            .arg(millis(self.limits.memory_ttl))
            .arg(self.keys.creates_prefix(org))
            .arg(self.keys.alerts_prefix(org))
            .arg(millis(self.limits.alert_ttl))
            .arg(key.id.as_str());
        call
    }
}
