//! Telling Redis of what went on without it: of a session first the levels that rose, then its turns in order, each once.
//!
//! Everything here may be cut off at any point and begun again. A turn is begun and committed under the lease that it had:
//! where its commit stands already, Redis says so. Where somebody else wrote the session meanwhile, what stands in Redis
//! keeps its numbers and its state, and the turns are put behind it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Inner;
use super::known::AtWork;
use super::local::{Local, Phase};
use crate::domain::event::{EventId, EventKind, SessionEvent};
use crate::domain::exchange::Exchange;
use crate::domain::id::SessionKey;
use crate::domain::safety::Level;
use crate::domain::session::{MetaValue, Session};
use crate::domain::time::Timestamp;
use crate::store::embedded::{Logged, LoggedTurn};
use crate::store::{
    Abandon, Begin, BeginId, Begun, Chats as _, Claim, Commit, Committed, Create, Events as _, Gate,
    HEARD_BEFORE, Lane, Raise, Saying, Store as _, StoreError,
};

/// How long the turns that are at work in the journal may take to end.
const REST_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// While more turns than these wait of a session, Redis is told of them behind its back, for so long.
pub(super) const FEW: u64 = 8;
const AHEAD_MAX: Duration = Duration::from_secs(30);
/// Taken out of the log at once. A session remembers the leases of its latest five commits, so that where this is cut off
/// none of them is told twice.
const TOLD_AT_ONCE: usize = 4;
/// How long another turn of the session may take in Redis.
const CLAIM_MAX: Duration = Duration::from_secs(15);
/// How often something is told on what others wrote meanwhile, or to where a gone session goes on.
const TRIES_MAX: usize = 10;
const EVENTS_AT_ONCE: usize = 500;
/// What the metadata of a session show whose turns were put behind others.
pub const MERGED_AT: &str = "merged_at";

/// Tells Redis of a session. As long as much of it waits, turns go on in the journal meanwhile; for the rest whoever comes
/// to it anew waits.
pub(super) async fn tell(inner: &Arc<Inner>, key: &SessionKey, local: &Local) -> Result<(), StoreError> {
    let _telling = local.telling.lock().await;
    let mut teller = Teller { inner, key: key.clone(), wrote: None, is_past_doubt: false };
    let ends = Instant::now() + AHEAD_MAX;
    while local.turns.load(Ordering::Acquire) > FEW && Instant::now() < ends {
        teller.tell_logged(key, local).await?;
    }
    let mut phase = Arc::clone(&local.phase).write_owned().await;
    if *phase == Phase::Over {
        return Ok(());
    }
    let journal = inner.journal()?;
    let ends = Instant::now() + REST_MAX;
    while !journal.is_at_rest(key).await? {
        if Instant::now() >= ends {
            return Err(StoreError::Away("a turn is still at work on the session".to_owned()));
        }
        sleep(LOOK_EVERY).await;
    }
    teller.tell_logged(key, local).await?;
    journal.forget(key).await?;
    inner.known.take(key);
    *phase = Phase::Over;
    inner.locals.lock().remove(key);
    Ok(())
}

struct Teller<'a> {
    inner: &'a Arc<Inner>,
    /// The session, or the successor that it goes on in.
    key: SessionKey,
    /// Where the last turn left the session, as long as nobody else has written it.
    wrote: Option<(u32, Timestamp)>,
    /// A turn was told of which Redis did not know: then it knows of none behind it.
    is_past_doubt: bool,
}

impl Teller<'_> {
    /// All that is logged of the session by now: what raised its level, then the rest in order.
    async fn tell_logged(&mut self, key: &SessionKey, local: &Local) -> Result<(), StoreError> {
        let journal = self.inner.journal()?;
        let logged = journal.logged(key).await?;
        let (raised, others): (Vec<_>, Vec<_>) =
            logged.into_iter().partition(|(_, what)| matches!(what, Logged::Raised { .. }));
        let all: Vec<_> = raised.into_iter().chain(others).collect();
        for some in all.chunks(TOLD_AT_ONCE) {
            for (_, what) in some {
                self.tell(what).await?;
            }
            journal.told(key, some.iter().map(|(number, _)| *number).collect()).await?;
            let turns = some.iter().filter(|(_, what)| matches!(what, Logged::Turn(_))).count() as u64;
            self.inner.turns_waiting.fetch_sub(turns, Ordering::AcqRel);
            local.turns.fetch_sub(turns, Ordering::AcqRel);
        }
        Ok(())
    }

    async fn tell(&mut self, what: &Logged) -> Result<(), StoreError> {
        let telling = &self.inner.telling;
        match what {
            Logged::Raised { client, level, why } => {
                let (session, client, why) = (self.key.clone(), client.clone(), why.clone());
                telling.raise(Raise { session, client, level: *level, why }).await.map(drop)
            }
            // Where it is there already, the turns find it.
            Logged::Created(session) => {
                let (key, session) = (self.key.clone(), Session::clone(session));
                let create = Create { key, session, idempotency: None, reply: |_| Arc::from([]) };
                telling.create(create).await.map(drop)
            }
            Logged::Turn(turn) => self.tell_turn(turn).await,
            Logged::Said { name, content, ttl } => {
                let (session, name, content) =
                    (self.key.clone(), u128::from_be_bytes(*name), content.clone());
                let connection = HEARD_BEFORE;
                telling.say(Saying { session, name, content, connection, ttl: *ttl }).await.map(drop)
            }
        }
    }

    async fn tell_turn(&mut self, turn: &LoggedTurn) -> Result<(), StoreError> {
        let telling = &self.inner.telling;
        if !self.is_past_doubt && telling.stands(&self.key, turn.lease()).await? {
            self.wrote = Some((turn.exchange.turn, turn.after.last_interaction));
            return Ok(());
        }
        self.is_past_doubt = true;
        let Some((begun, reply)) = self.begin(turn).await? else { return Ok(()) };
        // Long ago, so that its session knows the lease no more.
        if begun.recent.iter().any(|other| is_same(other, &turn.exchange)) {
            return telling.abandon(&self.key, begun.lease, Abandon::Failed).await;
        }
        if begun.session.is_none() && self.was_removed(turn).await? {
            tracing::warn!(session = %self.key.id, "a session was removed meanwhile: its turns go too");
            return telling.abandon(&self.key, begun.lease, Abandon::Failed).await;
        }
        let mut ground = AtWork {
            begin: Box::new(self.request(turn, None)),
            lease: begun.lease,
            client: begun.client,
            session: begun.session,
            memory: begun.memory,
            recent: begun.recent,
        };
        for _ in 0..TRIES_MAX {
            let mut commit = self.commit_on(turn, &ground);
            commit.reply.clone_from(&reply);
            match telling.commit(commit.clone()).await? {
                Committed::Committed { revision } => {
                    let known = &self.inner.known;
                    known.committed(&commit, &ground, revision, self.inner.clock.now());
                    let is_led = self.leads(turn, ground.session.as_deref());
                    let at = (commit.session.turn_count, commit.session.last_interaction);
                    self.wrote = is_led.then_some(at);
                    return Ok(());
                }
                Committed::Changed(reloaded) | Committed::Overtaken(reloaded) => {
                    ground.session = reloaded.session;
                    ground.memory = reloaded.memory;
                    ground.recent = reloaded.recent;
                }
                Committed::Lost | Committed::Moved => {
                    return Err(StoreError::Away("the lease for a turn went".to_owned()));
                }
            }
        }
        Err(StoreError::Away("the session changes all the time".to_owned()))
    }

    /// Whether somebody removed the session since the turn was decided on it, as the log of events tells. Whatever an outage
    /// takes away besides, it must not bring back what a person has erased.
    async fn was_removed(&self, turn: &LoggedTurn) -> Result<bool, StoreError> {
        let Some(before) = &turn.before else { return Ok(false) };
        let ms = u64::try_from(before.last_interaction.millis()).unwrap_or_default();
        let mut after = EventId { ms, number: 0 };
        loop {
            let events = self.inner.telling.events(after, EVENTS_AT_ONCE).await?;
            let Some(last) = events.last() else { return Ok(false) };
            after = last.id;
            let is_it = |event: &Arc<SessionEvent>| {
                event.kind == EventKind::SessionDeleted
                    && (&event.org, &event.session) == (&self.key.org, &self.key.id)
            };
            if events.iter().any(is_it) {
                return Ok(true);
            }
        }
    }

    fn request(&self, turn: &LoggedTurn, idempotency: Option<crate::store::Idempotency>) -> Begin {
        Begin {
            id: BeginId(turn.lease().0),
            session: self.key.clone(),
            client: turn.after.client.clone(),
            predecessor: None,
            lane: Lane::Danger,
            idempotency,
        }
    }

    /// The right to write the session, and the reply to store with the turn. `None`: the turn stands.
    async fn begin(
        &mut self,
        turn: &LoggedTurn,
    ) -> Result<Option<(Begun, Option<(crate::store::Idempotency, crate::store::StoredReply)>)>, StoreError>
    {
        let telling = &self.inner.telling;
        let mut reply = turn.reply();
        let mut predecessor = None;
        for _ in 0..TRIES_MAX {
            let idempotency = reply.as_ref().map(|(used, _)| used.clone());
            let request = Begin { predecessor: predecessor.clone(), ..self.request(turn, idempotency) };
            let claim = match telling.begin(request).await? {
                Gate::Begun(begun) => return Ok(Some((*begun, reply))),
                Gate::Queued(ticket) | Gate::Running(ticket) => telling.claim(ticket, CLAIM_MAX).await?,
                // The key stands for another reply: this one is kept in its exchange alone.
                Gate::Replay(_) | Gate::KeyReused => {
                    reply = None;
                    continue;
                }
                Gate::Gone { successor } => Claim::Gone { successor },
                Gate::Busy { retry_after } | Gate::QueueFull { retry_after } => Claim::Busy { retry_after },
                Gate::Limited(quota) => Claim::Busy { retry_after: quota.reset },
            };
            match claim {
                Claim::Begun(begun) => return Ok(Some((*begun, reply))),
                Claim::Replay(_) => reply = None,
                Claim::Gone { successor } => {
                    predecessor = Some(std::mem::replace(&mut self.key, successor));
                    self.wrote = None;
                }
                Claim::Busy { .. } if telling.stands(&self.key, turn.lease()).await? => return Ok(None),
                Claim::Busy { .. } => {
                    return Err(StoreError::Away("somebody else works on the session".to_owned()));
                }
            }
        }
        Err(StoreError::Away("the session changes its place all the time".to_owned()))
    }

    /// Whether what the turn made of the session counts: nobody else has written it.
    fn leads(&self, turn: &LoggedTurn, stored: Option<&Session>) -> bool {
        let Some(stored) = stored else { return true };
        let at = (stored.turn_count, stored.last_interaction);
        let before = turn.before.as_ref().map(|before| (before.turn_count, before.last_interaction));
        before == Some(at) || self.wrote == Some(at)
    }

    fn commit_on(&self, turn: &LoggedTurn, ground: &AtWork) -> Commit {
        let stored = ground.session.as_deref();
        let mut session = match stored {
            Some(stored) if !self.leads(turn, Some(stored)) => behind(stored, turn),
            Some(stored) => led_by(turn, stored),
            None => self.anew(turn, ground),
        };
        let number = stored.map_or(0, |stored| stored.turn_count) + 1;
        let mut exchange = turn.exchange.clone();
        exchange.was_turn = (number != exchange.turn).then_some(exchange.turn);
        exchange.turn = number;
        session.turn_count = number;
        if exchange.was_turn.is_some() {
            let now = MetaValue::Text(self.inner.clock.now().to_string());
            session.meta.insert(MERGED_AT.to_owned(), now);
        }
        let counted = stored.map_or(Level::None, |stored| stored.level).max(ground.memory.level);
        Commit {
            key: self.key.clone(),
            lease: ground.lease,
            base_revision: stored.map_or(0, |stored| stored.revision),
            decided_under: turn.decided_under.max(counted),
            why: turn.why.clone(),
            counters: turn.counters.clone(),
            session,
            exchange,
            reply: None,
        }
    }

    /// A session that Redis does not have: a new one, one that has ended meanwhile, or a successor.
    fn anew(&self, turn: &LoggedTurn, ground: &AtWork) -> Session {
        let mut session = turn.after.clone();
        if session.id != self.key.id {
            session.successor_of = Some(session.successor_of.unwrap_or(session.id));
            session.id = self.key.id.clone();
        }
        session.client = ground.client.clone();
        session
    }
}

/// What the turn made of the session, with what was changed in Redis beside turns.
fn led_by(turn: &LoggedTurn, stored: &Session) -> Session {
    let mut session = turn.after.clone();
    session.id = stored.id.clone();
    session.client = stored.client.clone();
    session.meta = stored.meta.clone();
    if let Some(before) = &turn.before {
        if stored.status != before.status && !stored.level.pauses() && !before.level.pauses() {
            session.status = stored.status;
            session.paused_by = stored.paused_by;
            session.completed_at = stored.completed_at;
            session.transitions.clone_from(&stored.transitions);
        }
        if stored.consent != before.consent {
            session.consent.clone_from(&stored.consent);
        }
    }
    session
}

/// What stands, with the turn behind it. A level only rises by it.
fn behind(stored: &Session, turn: &LoggedTurn) -> Session {
    let mut session = stored.clone();
    if turn.after.level > session.level {
        session.level = turn.after.level;
        session.crisis = turn.after.crisis.clone();
    }
    session.last_interaction = session.last_interaction.max(turn.after.last_interaction);
    session
}

/// The same turn, whatever its number.
fn is_same(one: &Exchange, other: &Exchange) -> bool {
    one.timestamp == other.timestamp
        && one.client_input == other.client_input
        && one.therapist_response == other.therapist_response
}
