//! The gate: begin, claim, renew, abandon. Who is next is decided in Redis; here is only the waiting.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::time::{Instant, sleep_until};

use super::Inner;
use super::exchanges;
use super::held::{Ground, Warm};
use super::record::{Mark, Record};
use super::value::{self, Fields, Parts};
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::quota::Quota;
use crate::domain::safety::SafetyMemory;
use crate::domain::session::Session;
use crate::redis::{Script, keys};
use crate::store::{Abandon, Begin, Begun, Claim, Gate, Idempotency, Lane, Lease, StoreError, Ticket};

/// One who waits looks for itself so often: messages can be lost, and holders die.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// No queue grows beyond this, danger or not.
const WAITERS_MAX: usize = 10_000;
/// A ticket outlives its longest wait by this.
const TICKET_SLACK: Duration = Duration::from_secs(5);
/// The window of the lane of danger is a minute.
const DANGER_WINDOW: Duration = Duration::from_mins(1);
/// How often a begin finds that its line has just ended.
const TRIES_MAX: usize = 3;

/// What the gate tells of a session.
pub(super) struct Facts {
    pub is_there: bool,
    pub mark: Mark,
    pub memory: SafetyMemory,
}

impl Facts {
    fn of(parts: &mut Parts) -> Result<Self, StoreError> {
        Ok(Self {
            is_there: parts.number::<u8>()? == 1,
            mark: Mark {
                revision: parts.text()?,
                turn_count: parts.text()?,
                last_interaction: parts.text()?,
            },
            memory: parts.memory()?,
        })
    }
}

/// The plain reads that come with a script: state, meta, the latest exchanges.
pub(super) struct Reads {
    pub state: Fields,
    pub meta: Fields,
    pub recent: Vec<String>,
}

impl Reads {
    pub fn of(answers: &mut impl Iterator<Item = Value>) -> Result<Option<Self>, StoreError> {
        let (Some(state), Some(meta), Some(recent)) = (answers.next(), answers.next(), answers.next()) else {
            return Ok(None);
        };
        Ok(Some(Self { state: Fields::of(state)?, meta: Fields::of(meta)?, recent: value::texts(recent)? }))
    }
}

/// Takes back what nobody is there for any more: a begin or a claim that was dropped on its way.
struct Pending {
    inner: Arc<Inner>,
    request: Option<Begin>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(request) = self.request.take() else { return };
        let inner = Arc::clone(&self.inner);
        drop(self.inner.tasks.spawn(async move {
            // Where it fails, the ticket or the lease runs out by itself.
            let _runs_out = inner.withdraw(&request, false).await;
        }));
    }
}

enum Withdrawn {
    /// The lease was handed over in the meantime.
    Held,
    Gone { retry_after: Duration },
}

enum Look {
    Begun(Box<Begun>),
    Waiting(Duration),
    Replay(Vec<u8>),
    Gone,
    Lost,
}

impl Inner {
    pub(super) async fn begin(this: &Arc<Self>, request: Begin) -> Result<Gate, StoreError> {
        let mut pending = Pending { inner: Arc::clone(this), request: Some(request.clone()) };
        let gate = this.begin_in_line(&request).await;
        // An error leaves it pending: whether a lease was given is not known.
        if gate.is_ok() {
            pending.request = None;
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

    async fn predecessor(&self, request: &Begin) -> Result<Option<Arc<Session>>, StoreError> {
        match &request.predecessor {
            Some(predecessor) => Ok(self.snapshot(predecessor).await?.map(|snapshot| snapshot.session)),
            None => Ok(None),
        }
    }

    /// `None` where the session is gone.
    async fn gate(&self, request: &Begin) -> Result<Option<Gate>, StoreError> {
        let warm = self.held.warm(&request.session);
        let call = self.gate_call(request);
        let (answer, reads) = self.with_reads(&self.scripts.gate, call, &request.session, warm.is_none()).await?;
        let mut parts = Parts::of(answer)?;
        let verdict = parts.text()?;
        let retry_after = |parts: &mut Parts| Ok::<_, StoreError>(Duration::from_millis(parts.number()?));
        Ok(Some(match verdict.as_str() {
            "begun" => {
                let quota = self.quota(&mut parts)?;
                let facts = Facts::of(&mut parts)?;
                Gate::Begun(self.begun(request, quota, facts, warm, reads).await?)
            }
            "queued" => Gate::Queued(ticket(request, self.quota(&mut parts)?)),
            "running" => Gate::Running(ticket(request, self.quota(&mut parts)?)),
            "limited" => Gate::Limited(self.quota(&mut parts)?),
            "busy" => Gate::Busy { retry_after: retry_after(&mut parts)? },
            "full" => Gate::QueueFull { retry_after: retry_after(&mut parts)? },
            "replay" => Gate::Replay(parts.bytes()?.into()),
            "reused" => Gate::KeyReused,
            "gone" => return Ok(None),
            _ => return Err(StoreError::Corrupt("the gate gave an unknown answer".to_owned())),
        }))
    }

    fn gate_call(&self, request: &Begin) -> Cmd {
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
        ]);
        names.extend(self.idem_key(request));
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
            .arg(body);
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

    /// A script, and the plain reads in the same round trip.
    async fn with_reads(
        &self,
        script: &Script,
        call: Cmd,
        key: &SessionKey,
        reads: bool,
    ) -> Result<(Value, Option<Reads>), StoreError> {
        let mut calls = Pipeline::with_capacity(4);
        calls.add_command(call);
        if reads {
            self.add_reads(&mut calls, key);
        }
        let mut answers = self.ask(&calls, &[script]).await?.into_iter();
        let answer = answers.next().unwrap_or(Value::Nil);
        Ok((answer, Reads::of(&mut answers)?))
    }

    pub(super) fn add_reads(&self, calls: &mut Pipeline, key: &SessionKey) {
        calls.cmd("HGETALL").arg(self.keys.session(key, keys::STATE));
        calls.cmd("HGETALL").arg(self.keys.session(key, keys::META));
        let last = i64::from(self.limits.recent_max) - 1;
        calls.cmd("LRANGE").arg(self.keys.session(key, keys::HISTORY)).arg(0).arg(last);
    }

    /// What the holder needs to know. A session that is kept here is used where nobody wrote since.
    async fn begun(
        &self,
        request: &Begin,
        quota: Quota,
        facts: Facts,
        warm: Option<Arc<Warm>>,
        reads: Option<Reads>,
    ) -> Result<Box<Begun>, StoreError> {
        let lease = Lease(request.id.0);
        let warm = warm.filter(|warm| facts.is_there && warm.record.mark == facts.mark);
        let ground = match (warm, facts.is_there, reads) {
            (Some(warm), _, _) => Ground {
                mark: facts.mark,
                session: Some(Arc::new(warm.record.counts(&facts.memory))),
                memory: facts.memory,
                recent: Arc::clone(&warm.recent),
                is_first: false,
            },
            (None, false, _) => Ground { memory: facts.memory, is_first: true, ..Ground::default() },
            (None, true, Some(reads)) => self.ground_of(&request.session, facts.memory, &reads).await?,
            (None, true, None) => self.reload(&request.session, &request.client).await?,
        };
        let predecessor = match ground.session {
            None => self.predecessor(request).await?,
            Some(_) => None,
        };
        self.held.stand(lease, ground.clone());
        Ok(Box::new(Begun {
            lease,
            lease_ttl: self.limits.lease_ttl,
            predecessor,
            session: ground.session,
            memory: ground.memory,
            recent: ground.recent,
            quota,
        }))
    }

    /// Reads a session anew, with its client's memory.
    pub(super) async fn reload(&self, key: &SessionKey, client: &ClientKey) -> Result<Ground, StoreError> {
        let call = self.read_call(key, client);
        let (answer, reads) = self.with_reads(&self.scripts.read, call, key, true).await?;
        let mut parts = Parts::of(answer)?;
        let _remaining: i64 = parts.number()?;
        let memory = parts.memory()?;
        match reads {
            Some(reads) => self.ground_of(key, memory, &reads).await,
            None => Err(StoreError::Away("Redis gave no answer".to_owned())),
        }
    }

    async fn ground_of(
        &self,
        key: &SessionKey,
        memory: SafetyMemory,
        reads: &Reads,
    ) -> Result<Ground, StoreError> {
        let Some(record) = Record::read(key, &reads.state, Some(&reads.meta), &self.ground())? else {
            return Ok(Ground { memory, is_first: true, ..Ground::default() });
        };
        let memory = match self.strange_memory(key, &record, &reads.state).await? {
            Some(own) => own,
            None => memory,
        };
        let mut session = record.counts(&memory);
        let newest_first = exchanges::decode(&reads.recent, session.turn_count);
        session.turn_count = exchanges::counted(&newest_first, session.turn_count);
        let recent = newest_first.into_iter().rev().collect();
        Ok(Ground {
            mark: record.mark,
            session: Some(Arc::new(session)),
            memory,
            recent: Arc::new(recent),
            is_first: reads.state.text("memory").is_none(),
        })
    }

    /// Waits for a message, the lock's end or the next look, until the turn has come or `wait` is over.
    pub(super) async fn claim(this: &Arc<Self>, ticket: Ticket, wait: Duration) -> Result<Claim, StoreError> {
        let Ticket { request, quota, .. } = ticket;
        let deadline = Instant::now() + wait;
        let listening = this.wakes.listen(request.id.0);
        let mut pending = Pending { inner: Arc::clone(this), request: Some(Begin::clone(&request)) };
        let mut has_news = false;
        loop {
            let lock = match this.look(&request, quota, has_news).await? {
                Look::Waiting(lock) => lock,
                Look::Begun(begun) => {
                    pending.request = None;
                    return Ok(Claim::Begun(begun));
                }
                other => {
                    pending.request = None;
                    return this.without_lease(&request, other).await;
                }
            };
            if Instant::now() >= deadline {
                match this.withdraw(&request, true).await? {
                    Withdrawn::Held => continue,
                    Withdrawn::Gone { retry_after } => {
                        pending.request = None;
                        return Ok(Claim::Busy { retry_after });
                    }
                }
            }
            let nap = lock.saturating_add(Duration::from_millis(1)).min(LOOK_EVERY);
            has_news = tokio::select! {
                () = listening.heard() => true,
                () = sleep_until(deadline.min(Instant::now() + nap)) => false,
            };
        }
    }

    async fn without_lease(&self, request: &Begin, look: Look) -> Result<Claim, StoreError> {
        match look {
            Look::Replay(reply) => Ok(Claim::Replay(reply.into())),
            Look::Gone => match self.successor(&request.session).await? {
                Some(successor) => Ok(Claim::Gone { successor }),
                None => Ok(Claim::Busy { retry_after: Duration::ZERO }),
            },
            Look::Lost | Look::Waiting(_) | Look::Begun(_) => Ok(Claim::Busy { retry_after: Duration::ZERO }),
        }
    }

    async fn look(&self, request: &Begin, quota: Quota, has_news: bool) -> Result<Look, StoreError> {
        let key = &request.session;
        let warm = self.held.warm(key);
        let mut names = self.seat_keys(key).to_vec();
        names.extend([
            self.keys.session(key, keys::STATE),
            self.keys.session(key, keys::NEWEST),
            self.keys.safety(&key.org, &request.client),
        ]);
        names.extend(self.idem_key(request));
        let (idem, body) = idem_args(request.idempotency.as_ref());
        let mut call = self.seat_call(&self.scripts.claim, &names, key, request.id.0);
        call.arg(&self.server)
            .arg(millis(self.limits.lease_ttl))
            .arg(self.keys.safety_prefix(&key.org))
            .arg(request.client.as_str())
            .arg(idem)
            .arg(body)
            .arg(letter(request.lane));
        let (answer, reads) =
            self.with_reads(&self.scripts.claim, call, key, has_news && warm.is_none()).await?;
        let mut parts = Parts::of(answer)?;
        Ok(match parts.text()?.as_str() {
            "begun" => {
                let facts = Facts::of(&mut parts)?;
                Look::Begun(self.begun(request, quota, facts, warm, reads).await?)
            }
            "waiting" => Look::Waiting(Duration::from_millis(parts.number()?)),
            "replay" => Look::Replay(parts.bytes()?),
            "gone" => Look::Gone,
            "lost" => Look::Lost,
            _ => return Err(StoreError::Corrupt("a claim has an unknown answer".to_owned())),
        })
    }

    async fn withdraw(&self, request: &Begin, keeps_lease: bool) -> Result<Withdrawn, StoreError> {
        let key = &request.session;
        let mut names = self.seat_keys(key).to_vec();
        names.extend(self.idem_key(request));
        let mut call = self.seat_call(&self.scripts.withdraw, &names, key, request.id.0);
        call.arg(&self.server).arg(u8::from(keeps_lease));
        let mut parts = Parts::of(self.run(&self.scripts.withdraw, call).await?)?;
        if parts.text()? == "held" {
            return Ok(Withdrawn::Held);
        }
        self.held.settle(Lease(request.id.0));
        Ok(Withdrawn::Gone { retry_after: Duration::from_millis(parts.number()?) })
    }

    pub(super) async fn renew(&self, key: &SessionKey, lease: Lease) -> Result<bool, StoreError> {
        let mut call = self.scripts.renew.call(&[self.keys.lock(key)]);
        call.arg(hex(lease.0)).arg(millis(self.limits.lease_ttl));
        Ok(value::number(&self.run(&self.scripts.renew, call).await?)? == 1)
    }

    pub(super) async fn abandon(&self, key: &SessionKey, lease: Lease, why: Abandon) -> Result<(), StoreError> {
        self.held.settle(lease);
        let is_given_back = match why {
            Abandon::Failed => 1,
            Abandon::Stopped => 0,
        };
        let mut call = self.seat_call(&self.scripts.abandon, &self.seat_keys(key), key, lease.0);
        call.arg(is_given_back);
        self.run(&self.scripts.abandon, call).await.map(drop)
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

    fn idem_key(&self, request: &Begin) -> Option<String> {
        let used = request.idempotency.as_ref()?;
        Some(format!("{}{}", self.keys.session(&request.session, keys::IDEM), keys::hex(&used.key)))
    }
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

fn letter(lane: Lane) -> &'static str {
    match lane {
        Lane::Ordinary => "o",
        Lane::Danger => "d",
    }
}

pub(super) fn hex(id: u128) -> String {
    format!("{id:032x}")
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
