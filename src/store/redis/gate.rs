//! The gate: begin, renew, abandon. Whether a turn may work, and who is next, is decided in Redis.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;

use super::Inner;
use super::ground::{Facts, Reads, kept};
use super::held::Warm;
use super::orphan::{Orphan, Pending};
use super::value::{self, Parts, millis};
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::quota::Quota;
use crate::domain::session::Session;
use crate::redis::{Script, keys};
use crate::store::{Abandon, Begin, Gate, Idempotency, Lane, Lease, StoreError, Ticket};

/// No queue grows beyond this, danger or not.
const WAITERS_MAX: usize = 10_000;
/// A ticket outlives its longest wait by this.
const TICKET_SLACK: Duration = Duration::from_secs(5);
/// The window of the lane of danger is a minute.
const DANGER_WINDOW: Duration = Duration::from_mins(1);
/// How often a begin finds that its line has just ended.
const TRIES_MAX: usize = 3;

impl Inner {
    pub(super) async fn begin(this: &Arc<Self>, request: Begin) -> Result<Gate, StoreError> {
        let mut pending = Pending::of(this, &request);
        let was_up = this.link.is_up();
        let gate = this.begin_in_line(&request).await;
        match gate {
            Ok(_) => pending.settle(),
            // While Redis is away nothing is sent.
            Err(_) => pending.lose(was_up || this.link.is_up()),
        }
        gate
    }

    async fn begin_in_line(&self, request: &Begin) -> Result<Gate, StoreError> {
        let mut request = request.clone();
        // A successor is its predecessor's client's.
        if let Some(before) = self.predecessor(&request).await? {
            request.client = before.client.clone();
        }
        for _ in 0..TRIES_MAX {
            if let Some(gate) = self.gate(&request).await? {
                return Ok(gate);
            }
            if let Some(successor) = self.successor(&request.session).await? {
                return Ok(Gate::Gone { successor });
            }
        }
        Err(StoreError::Away("the session's line changes all the time".to_owned()))
    }

    pub(super) async fn predecessor(&self, request: &Begin) -> Result<Option<Arc<Session>>, StoreError> {
        match &request.predecessor {
            Some(predecessor) => Ok(self.snapshot(predecessor).await?.map(|snapshot| snapshot.session)),
            None => Ok(None),
        }
    }

    /// `None` where the session is gone.
    pub(super) async fn gate(&self, request: &Begin) -> Result<Option<Gate>, StoreError> {
        let mut request = Cow::Borrowed(request);
        for _ in 0..TRIES_MAX {
            match self.gate_as(&request).await? {
                Passing::As(client) => request.to_mut().client = client,
                Passing::Through(gate) => return Ok(Some(gate)),
                Passing::Gone => return Ok(None),
            }
        }
        Err(StoreError::Away("the session's client changes all the time".to_owned()))
    }

    async fn gate_as(&self, request: &Begin) -> Result<Passing, StoreError> {
        let warm = self.held.warm(&request.session);
        let call = self.gate_call(request, warm.as_deref());
        let (answer, reads) =
            self.with_reads(&self.scripts.gate, call, &request.session, warm.is_none()).await?;
        let mut parts = Parts::of(answer)?;
        let verdict = parts.text()?;
        let retry_after = |parts: &mut Parts| Ok::<_, StoreError>(Duration::from_millis(parts.number()?));
        Ok(Passing::Through(match verdict.as_str() {
            "begun" => {
                let quota = self.quota(&mut parts)?;
                let facts = Facts::of(&mut parts)?;
                let reads = reads.or(Reads::of(&mut parts)?);
                Gate::Begun(self.begun(request, quota, facts, warm, reads).await?)
            }
            "queued" => Gate::Queued(ticket(request, self.quota(&mut parts)?)),
            "running" => Gate::Running(ticket(request, self.quota(&mut parts)?)),
            "limited" => Gate::Limited(self.quota(&mut parts)?),
            "busy" => Gate::Busy { retry_after: retry_after(&mut parts)? },
            "full" => Gate::QueueFull { retry_after: retry_after(&mut parts)? },
            "replay" => Gate::Replay(parts.bytes()?.into()),
            "reused" => Gate::KeyReused,
            "gone" => return Ok(Passing::Gone),
            "client" => return parts.client().map(Passing::As),
            _ => return Err(StoreError::Corrupt("the gate gave an unknown answer".to_owned())),
        }))
    }

    fn gate_call(&self, request: &Begin, warm: Option<&Warm>) -> Cmd {
        let (key, org, limits) = (&request.session, &request.session.org, &self.limits);
        let client = &request.client;
        let minute = self.clock.now().millis().div_euclid(60_000);
        let mut names = self.seat_keys(key).to_vec();
        names.extend([
            self.keys.session(key, keys::STATE),
            self.keys.minute(key, minute),
            self.keys.minute(key, minute + 1),
            self.keys.session(key, keys::NEWEST),
            self.keys.safety(org, client),
            self.keys.session(key, keys::META),
            self.keys.session(key, keys::HISTORY),
            self.keys.clients(org),
        ]);
        names.extend(self.idem_key(key, request.idempotency.as_ref()));
        let (idem, body) = idem_args(request.idempotency.as_ref());
        let mut call = self.seat_call(&self.scripts.gate, &names, key, request.id.0);
        call.arg(&self.server)
            .arg(letter(request.lane))
            .arg(millis(limits.lease_ttl))
            .arg(u8::from(!limits.lease_wait.is_zero()))
            .arg(limits.queue_max.min(WAITERS_MAX))
            .arg(WAITERS_MAX)
            .arg(limits.rate_limit)
            .arg(limits.rate_window.as_micros().to_string())
            .arg(limits.danger_limit)
            .arg(minute)
            .arg(self.keys.safety_prefix(org))
            .arg(client.as_str())
            .arg(idem)
            .arg(body)
            .arg(kept(warm))
            .arg(self.last_place())
            .arg(key.id.as_str());
        call
    }

    /// `lane remaining reset` as a quota.
    fn quota(&self, parts: &mut Parts) -> Result<Quota, StoreError> {
        let is_danger = parts.text()? == "d";
        let limit = if is_danger { self.limits.danger_limit } else { self.limits.rate_limit };
        let window = if is_danger { DANGER_WINDOW } else { self.limits.rate_window };
        let remaining = parts.number()?;
        let reset = Duration::from_micros(parts.number::<i64>()?.try_into().unwrap_or(0));
        // A clock that was set back makes no wait longer than the window.
        Ok(Quota { limit, remaining, reset: reset.min(window) })
    }

    pub(super) async fn renew(&self, key: &SessionKey, lease: Lease) -> Result<bool, StoreError> {
        let mut call = self.scripts.renew.call(&[self.keys.lock(key)]);
        call.arg(hex(lease.0)).arg(millis(self.limits.lease_ttl));
        Ok(value::number(&self.run(&self.scripts.renew, call).await?)? == 1)
    }

    pub(super) async fn abandon(
        this: &Arc<Self>,
        key: &SessionKey,
        lease: Lease,
        why: Abandon,
    ) -> Result<(), StoreError> {
        this.held.settle(lease);
        let is_given_back = match why {
            Abandon::Failed => 1,
            Abandon::Stopped => 0,
        };
        let mut call = this.seat_call(&this.scripts.abandon, &this.seat_keys(key), key, lease.0);
        call.arg(is_given_back);
        let released = this.run(&this.scripts.abandon, call).await.map(drop);
        if let Err(StoreError::Away(_)) = released {
            let orphan = Orphan { session: key.clone(), id: lease.0, idempotency: None, is_late: true };
            Self::take_back(this, orphan);
        }
        released
    }

    /// The first keys of every script that knows the seat.
    pub(super) fn seat_keys(&self, key: &SessionKey) -> [String; 5] {
        [
            self.keys.lock(key),
            self.keys.session(key, keys::QUEUE),
            self.keys.session(key, keys::TICKETS),
            self.keys.recent(key),
            self.keys.danger(key),
        ]
    }

    /// A call with the first arguments of every script that knows the seat.
    pub(super) fn seat_call(&self, script: &Script, names: &[String], key: &SessionKey, id: u128) -> Cmd {
        let mut call = script.call(names);
        call.arg(hex(id))
            .arg(millis(self.limits.claim_ttl))
            .arg(self.keys.wake_prefix())
            .arg(self.keys.session(key, keys::IDEM))
            .arg(millis(self.wait_max + TICKET_SLACK));
        call
    }

    pub(super) fn idem_key(&self, session: &SessionKey, used: Option<&Idempotency>) -> Option<String> {
        Some(format!("{}{}", self.keys.session(session, keys::IDEM), keys::hex(&used?.key)))
    }
}

/// How the gate lets one pass.
enum Passing {
    Through(Gate),
    /// A session of this id was this client's, who is in danger: ask as that one.
    As(ClientKey),
    /// The session is gone.
    Gone,
}

/// Hashes of key and body, as the scripts take them.
pub(super) fn idem_args(used: Option<&Idempotency>) -> (String, String) {
    match used {
        Some(used) => (keys::hex(&used.key), keys::hex(&used.body)),
        None => ("-".to_owned(), String::new()),
    }
}

fn ticket(request: &Begin, quota: Quota) -> Ticket {
    #[expect(clippy::cast_possible_truncation, reason = "half of a random id tells tickets apart as well")]
    let id = request.id.0 as u64;
    Ticket { request: Box::new(request.clone()), id, quota }
}

pub(super) fn letter(lane: Lane) -> &'static str {
    match lane {
        Lane::Ordinary => "o",
        Lane::Danger => "d",
    }
}

pub(super) fn hex(id: u128) -> String {
    format!("{id:032x}")
}
