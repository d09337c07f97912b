//! Removing a session with all that is its own, and the sweep over what has come to its end.

use redis::{Cmd, Pipeline, Value};

use super::Inner;
use super::commit::seconds;
use super::value::{Parts, millis};
use crate::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use crate::domain::time::Timestamp;
use crate::redis::keys::{ALERTS, CREDENTIALS, HISTORY, IDEMS, META, PINNED, STATE};
use crate::store::alerts::LOOK_AGAIN;
use crate::store::{Heard, Receipt, Remaining, Snapshot, StoreError, Swept};

/// Entries of each kind that one sweep of an organisation looks at.
const SWEEP_MAX: usize = 1_000;
/// A minute's counter stands 120 s, and this server's clock may be a little ahead or behind.
const MINUTES_BACK: i64 = 3;
const MINUTES_AHEAD: i64 = 1;

/// Who removes a session has no place in its queue.
const NOBODY: u128 = 0;

/// Which sessions a removal is for.
#[derive(Clone, Copy)]
enum Which {
    Any,
    /// Those whose last turn lies before a time, that nobody works on and nothing holds.
    Idle(Timestamp),
}

/// What a look found, or a removal.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    There,
    /// One that it is not for.
    Used,
}

/// What there was to remove.
struct Look {
    found: Found,
    receipt: Receipt,
    replies: Vec<String>,
}

impl Look {
    fn of(answer: Value) -> Result<Self, StoreError> {
        let mut parts = Parts::of(answer)?;
        let found = match parts.number::<u8>()? {
            0 => Found::Nothing,
            1 => Found::There,
            _ => Found::Used,
        };
        let receipt = Receipt {
            exchanges: parts.number()?,
            stored_replies: parts.number()?,
            notes: parts.number()?,
            credentials: parts.number()?,
            messages: parts.number()?,
            safety_memory_kept: parts.number::<u8>()? == 1,
            verified: false,
        };
        Ok(Self { found, receipt, replies: std::iter::from_fn(|| parts.text().ok()).collect() })
    }
}

impl Inner {
    pub(super) async fn delete(&self, key: &SessionKey) -> Result<Option<Receipt>, StoreError> {
        self.remove(key, &self.client_by_id(key), Which::Any).await
    }

    /// Reads it first: of a session that another program made only this side can tell whose it is.
    pub(super) async fn delete_idle(
        &self,
        key: &SessionKey,
        before: Timestamp,
    ) -> Result<Option<Receipt>, StoreError> {
        match self.snapshot(key).await? {
            Some(Snapshot { session, remaining: Remaining::For(_), .. }) => {
                self.remove(key, &session.client, Which::Idle(before)).await
            }
            Some(Snapshot { remaining: Remaining::Held, .. }) | None => Ok(None),
        }
    }

    /// Looks first, so that a removal whose answer was lost still has its receipt.
    async fn remove(
        &self,
        key: &SessionKey,
        client: &ClientKey,
        which: Which,
    ) -> Result<Option<Receipt>, StoreError> {
        let call = |what| self.delete_call(key, client, what, which);
        let look = Look::of(self.run(&self.scripts.delete, call("look")).await?)?;
        if look.found == Found::Nothing {
            return Ok(None);
        }
        let mut calls = Pipeline::with_capacity(3);
        calls.add_command(call("remove"));
        calls.cmd("EXISTS").arg(self.own_keys(key)).arg(self.minutes(key)).arg(&look.replies);
        calls.cmd("ZMSCORE").arg(self.keys.active(&key.org)).arg(key.id.as_str());
        let mut answers = Parts::of(Value::Array(self.ask(&calls, &[&self.scripts.delete]).await?))?;
        let removed = Look::of(answers.value()?)?;
        let left: u64 = answers.number()?;
        let is_listed = Parts::of(answers.value()?)?.maybe()?.is_some();
        let receipt = match removed.found {
            Found::Used => return Ok(None),
            Found::There => removed.receipt,
            Found::Nothing => look.receipt,
        };
        self.held.drop_warm(key);
        // Who does not hear it finds the session gone.
        let _unheard = self.tell(key, Heard::Removed).await;
        Ok(Some(Receipt { verified: left == 0 && !is_listed, ..receipt }))
    }

    fn delete_call(&self, key: &SessionKey, client: &ClientKey, what: &str, which: Which) -> Cmd {
        let mut keys = self.seat_keys(key).to_vec();
        keys.extend([STATE, HISTORY, META, PINNED, IDEMS].map(|name| self.keys.session(key, name)));
        keys.extend([self.keys.active(&key.org), self.keys.session(key, ALERTS)]);
        keys.extend([self.keys.chat_messages(key), self.keys.chats(&key.org)]);
        keys.extend(self.chat_keys(key));
        keys.extend(self.minutes(key));
        let mut call = self.seat_call(&self.scripts.delete, &keys, key, NOBODY);
        call.arg(what)
            .arg(key.id.as_str())
            .arg(self.keys.sessions_prefix(&key.org))
            .arg(self.keys.index_prefix(&key.org))
            .arg(self.keys.clients_prefix(&key.org))
            .arg(self.keys.creates_prefix(&key.org))
            .arg(self.keys.wake_all())
            .arg(format!("forget {}:{}", key.org.as_str(), key.id))
            .arg(self.keys.alerts_prefix(&key.org))
            .arg(self.keys.safety_prefix(&key.org))
            .arg(self.keys.credentials_prefix())
            .arg(client.as_str());
        match which {
            Which::Any => call.arg("-"),
            Which::Idle(before) => call.arg(seconds(before)),
        };
        call
    }

    /// What must not be there any more. The lock and the queue may be: those in danger keep their places.
    fn own_keys(&self, key: &SessionKey) -> Vec<String> {
        let mut keys = [STATE, HISTORY, META, PINNED, IDEMS, ALERTS, CREDENTIALS]
            .map(|name| self.keys.session(key, name))
            .to_vec();
        keys.extend([self.keys.recent(key), self.keys.danger(key)]);
        keys.extend(self.chat_keys(key));
        keys
    }

    fn minutes(&self, key: &SessionKey) -> Vec<String> {
        let now = self.clock.now().millis().div_euclid(60_000);
        (now - MINUTES_BACK..=now + MINUTES_AHEAD).map(|minute| self.keys.minute(key, minute)).collect()
    }

    pub(super) async fn sweep(&self) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        self.recent_events.forget_before(self.clock.now().minus(self.limits.events_ttl));
        for org in self.orgs().await? {
            match self.sweep_org(&org, &mut swept).await {
                // Who was expired is told now or never.
                Err(error) if !swept.expired.is_empty() => {
                    tracing::warn!(%error, "a sweep was cut off");
                    return Ok(swept);
                }
                done => done?,
            }
        }
        Ok(swept)
    }

    /// The organisations that have sessions. Other programs make theirs in the default one without a word.
    pub(super) async fn orgs(&self) -> Result<Vec<OrgId>, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("SMEMBERS").arg(self.keys.orgs());
        let mut answers = Parts::of(Value::Array(self.ask(&calls, &[]).await?))?;
        let named = answers.texts()?.into_iter().filter_map(|org| OrgId::parse(org).ok());
        let mut orgs = vec![OrgId::default()];
        orgs.extend(named.filter(|org| *org != OrgId::default()));
        Ok(orgs)
    }

    async fn sweep_org(&self, org: &OrgId, swept: &mut Swept) -> Result<(), StoreError> {
        let mut parts = Parts::of(self.run(&self.scripts.sweep, self.sweep_call(org)).await?)?;
        swept.removed += parts.number::<u64>()?;
        swept.has_more |= parts.number::<u8>()? == 1;
        let idle = std::iter::from_fn(|| parts.text().ok()).filter_map(|id| SessionId::parse(id).ok());
        let first = swept.expired.len();
        for key in idle.map(|id| SessionKey::new(org.clone(), id)) {
            match self.expire(&key).await {
                Ok(true) => swept.expired.push(key),
                // Told again in a minute. What cannot be read must not keep the rest from being swept.
                Ok(false) | Err(StoreError::Corrupt(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.forget_chats(org).await?;
        self.forget_idle(org, &swept.expired[first..]).await
    }

    fn sweep_call(&self, org: &OrgId) -> Cmd {
        let keys =
            [self.keys.active(org), self.keys.expires(org), self.keys.idle(org), self.keys.forgettable(org)];
        let idle_ms = self.limits.session_idle.map_or("-".to_owned(), |idle| millis(idle).to_string());
        let mut call = self.scripts.sweep.call(&keys);
        call.arg(self.keys.sessions_prefix(org))
            .arg(self.keys.index_prefix(org))
            .arg(self.keys.safety_prefix(org))
            .arg(self.keys.clients_prefix(org))
            .arg(millis(self.limits.session_ttl))
            .arg(idle_ms)
            .arg(millis(self.limits.memory_ttl))
            .arg(self.entropy.u64() >> 32)
            .arg(SWEEP_MAX)
            .arg(self.keys.alerts_prefix(org))
            .arg(millis(self.limits.alert_ttl))
            .arg(millis(LOOK_AGAIN))
            .arg(millis(self.limits.events_ttl));
        call
    }

    /// Chats go by themselves; what lists them does not.
    async fn forget_chats(&self, org: &OrgId) -> Result<(), StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("ZREMRANGEBYSCORE").arg(self.keys.chats(org)).arg("-inf").arg(self.clock.now().millis());
        self.ask(&calls, &[]).await.map(drop)
    }

    async fn forget_idle(&self, org: &OrgId, expired: &[SessionKey]) -> Result<(), StoreError> {
        if expired.is_empty() {
            return Ok(());
        }
        let mut calls = Pipeline::with_capacity(1);
        let forget = calls.cmd("ZREM").arg(self.keys.idle(org));
        for key in expired {
            forget.arg(key.id.as_str());
        }
        self.ask(&calls, &[]).await.map(drop)
    }
}
