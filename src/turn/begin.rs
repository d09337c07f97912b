//! **begin**: the right to work on a session, waited for where somebody else has it, and all that is known of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::consent::Consent;
use crate::domain::exchange::Exchange;
use crate::domain::id::SessionKey;
use crate::domain::safety::SafetyMemory;
use crate::domain::session::{Event, Meta, Party, Session};
use crate::store::{
    Abandon, Begin, BeginId, Begun, Claim, Gate, Lease, Reloaded, Store, StoredReply, Ticket, Transition,
};
use crate::tasks::Tasks;

use super::input::Admitted;
use super::live::Line;
use super::{Refused, Turns};

/// How often a turn follows a gone session to its successor.
const HOPS_MAX: usize = 4;
/// How often somebody in danger asks those ahead to hurry: one may have begun only just now.
const HURRY_EVERY: Duration = Duration::from_millis(500);
/// How often a repeat looks whether the first request has begun to speak.
const FOLLOW_EVERY: Duration = Duration::from_millis(20);
/// How often a lease is renewed within its time.
const RENEWALS: u32 = 3;

pub(super) enum Start {
    Working(Box<Working>),
    Replay(StoredReply),
}

/// A turn at work: it holds the lease, and lets go of it whatever happens.
pub(super) struct Working {
    pub key: SessionKey,
    pub begun: Begun,
    pub hold: Hold,
}

impl Working {
    pub fn session(&self) -> Option<&Session> {
        self.begun.session.as_deref()
    }

    /// The metadata that hold for the session, or will.
    pub fn meta(&self) -> Option<&Meta> {
        self.known().map(|session| &session.meta)
    }

    /// What its client consented to: in it, or in the session that it succeeds.
    pub fn consent(&self) -> Option<&Consent> {
        self.known().and_then(|session| session.consent.as_ref())
    }

    fn known(&self) -> Option<&Session> {
        self.session().or(self.begun.predecessor.as_deref())
    }

    pub fn recent(&self) -> &[Exchange] {
        &self.begun.recent
    }

    /// The number that the turn will have.
    pub fn turn(&self) -> u32 {
        self.session().map_or(0, |session| session.turn_count) + 1
    }

    /// How many exchanges are at hand.
    pub fn seen(&self) -> u32 {
        u32::try_from(self.begun.recent.len()).unwrap_or(u32::MAX)
    }

    pub fn memory(&self) -> &SafetyMemory {
        &self.begun.memory
    }

    /// Stands on what somebody else wrote meanwhile.
    pub fn reload(&mut self, reloaded: Reloaded) {
        self.begun.session = reloaded.session;
        self.begun.memory = reloaded.memory;
        self.begun.recent = reloaded.recent;
    }
}

/// A held lease. Dropped before it was settled (an error, a panic, a stopped task), it is abandoned.
pub(super) struct Hold {
    store: Arc<dyn Store>,
    tasks: Tasks,
    key: SessionKey,
    pub lease: Lease,
    settled: bool,
    why: Abandon,
    /// When the lease was last known to have its whole time ahead.
    renewed: parking_lot::Mutex<Instant>,
}

impl Hold {
    fn new(turns: &Turns, key: &SessionKey, lease: Lease) -> Self {
        Self {
            store: Arc::clone(&turns.store),
            tasks: turns.tasks.clone(),
            key: key.clone(),
            lease,
            settled: false,
            why: Abandon::Failed,
            renewed: parking_lot::Mutex::new(Instant::now()),
        }
    }

    pub fn settle(&mut self) {
        self.settled = true;
    }

    /// Says why the lease will be abandoned.
    pub fn give_up(&mut self, why: Abandon) {
        self.why = why;
    }

    /// Renews the lease for as long as this is waited for. Ends when the lease was lost; a renewal whose answer was
    /// lost is tried again.
    pub async fn until_lost(&self, ttl: Duration) {
        loop {
            let due = *self.renewed.lock() + ttl / RENEWALS;
            tokio::time::sleep_until(due).await;
            let now = Instant::now();
            if matches!(self.store.renew(&self.key, self.lease).await, Ok(false)) {
                return;
            }
            *self.renewed.lock() = now;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let (store, key, lease, why) = (Arc::clone(&self.store), self.key.clone(), self.lease, self.why);
        drop(self.tasks.spawn(async move {
            if let Err(error) = store.abandon(&key, lease, why).await {
                tracing::warn!(%error, "a lease could not be abandoned; it runs out by itself");
            }
        }));
    }
}

/// Asks, waits, and follows a gone session to the one that succeeds it.
pub(super) async fn begin(turns: &Turns, admitted: &Admitted, line: &Line) -> Result<Start, Refused> {
    let mut key = admitted.key.clone();
    let mut predecessor = None;
    for _ in 0..HOPS_MAX {
        let gate = turns.store.begin(request(turns, admitted, &key, predecessor.clone())).await?;
        let successor = match pass(turns, admitted, line, gate).await? {
            Passed::Begun(begun) => {
                let working = working(turns, key.clone(), *begun);
                if !at_fault(turns, &working).await? {
                    return Ok(Start::Working(Box::new(working)));
                }
                set_aside(turns, working).await?;
                continue;
            }
            Passed::Replay(reply) => return Ok(Start::Replay(reply)),
            Passed::Gone(successor) => successor,
        };
        predecessor = Some(std::mem::replace(&mut key, successor));
    }
    Err(Refused::Busy { retry_after: turns.settings.lease_wait })
}

fn request(turns: &Turns, admitted: &Admitted, key: &SessionKey, predecessor: Option<SessionKey>) -> Begin {
    Begin {
        id: BeginId(turns.entropy.u128()),
        session: key.clone(),
        client: turns.secret.client_key(&key.org, None, &admitted.key.id),
        predecessor,
        lane: admitted.lane(),
        idempotency: admitted.idempotency.clone(),
    }
}

enum Passed {
    Begun(Box<Begun>),
    Replay(StoredReply),
    Gone(SessionKey),
}

async fn pass(turns: &Turns, admitted: &Admitted, line: &Line, gate: Gate) -> Result<Passed, Refused> {
    match gate {
        Gate::Begun(begun) => Ok(Passed::Begun(begun)),
        Gate::Queued(ticket) => wait(turns, admitted, ticket, turns.settings.lease_wait).await,
        Gate::Running(ticket) => {
            // The turn that it joins takes as long as any turn may.
            let waiting = wait(turns, admitted, ticket, turns.settings.deadline);
            tokio::select! {
                passed = waiting => {
                    follow(turns, admitted, line);
                    passed
                }
                () = follow_soon(turns, admitted, line) => Err(Refused::Failed),
            }
        }
        Gate::Replay(reply) => {
            follow(turns, admitted, line);
            Ok(Passed::Replay(reply))
        }
        Gate::Gone { successor } => Ok(Passed::Gone(successor)),
        Gate::Limited(quota) => Err(Refused::Limited(quota)),
        Gate::Busy { retry_after } => Err(Refused::Busy { retry_after }),
        Gate::QueueFull { retry_after } => Err(Refused::QueueFull { retry_after }),
        Gate::KeyReused => Err(Refused::KeyReused),
    }
}

/// A repeat is told what the first request was told. In danger every caller gets words of its own, in time.
fn follow(turns: &Turns, admitted: &Admitted, line: &Line) -> bool {
    admitted.shows_danger() || turns.live.follow(admitted.idempotency.as_ref(), line)
}

/// Follows as soon as the first request has begun to speak; on another server it never does. Does not end.
async fn follow_soon(turns: &Turns, admitted: &Admitted, line: &Line) {
    while !follow(turns, admitted, line) {
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
    std::future::pending::<()>().await;
}

async fn wait(
    turns: &Turns,
    admitted: &Admitted,
    ticket: Ticket,
    at_most: Duration,
) -> Result<Passed, Refused> {
    let session = ticket.request.session.clone();
    let claim = if admitted.shows_danger() {
        // Danger has been answered by then and waits on behind its answer, as long as any turn may take.
        let claim = turns.store.claim(ticket, turns.settings.deadline);
        tokio::select! {
            claim = claim => claim?,
            () = hurry_on(turns, &session) => return Err(Refused::Failed),
        }
    } else {
        turns.store.claim(ticket, at_most).await?
    };
    match claim {
        Claim::Begun(begun) => Ok(Passed::Begun(begun)),
        Claim::Replay(reply) => Ok(Passed::Replay(reply)),
        Claim::Busy { retry_after } => Err(Refused::Busy { retry_after }),
        Claim::Gone { successor } => Ok(Passed::Gone(successor)),
    }
}

/// Hurries the turn that is in the way, and the one that may get in the way after it. Does not end.
async fn hurry_on(turns: &Turns, session: &SessionKey) {
    loop {
        turns.hurry(session).await;
        tokio::time::sleep(HURRY_EVERY).await;
    }
}

fn working(turns: &Turns, key: SessionKey, begun: Begun) -> Working {
    let hold = Hold::new(turns, &key, begun.lease);
    Working { key, begun, hold }
}

/// Whether the session would go on from somewhere that its protocol does not know. One that rests needs no protocol. A
/// newer server may have begun it: its version is looked for in the store first.
async fn at_fault(turns: &Turns, working: &Working) -> Result<bool, Refused> {
    let Some(session) = working.session().filter(|session| session.status.is_going_on()) else {
        return Ok(false);
    };
    if turns.knowledge.is_strange(&session.place) {
        for version in turns.store.protocols().await? {
            turns.knowledge.take_up(&version);
        }
    }
    Ok(turns.knowledge.protocol_of(&session.place).is_none())
}

/// Puts a session at fault out of the way; the next begin answers with its successor.
async fn set_aside(turns: &Turns, working: Working) -> Result<(), Refused> {
    tracing::error!(session = %working.key.id, "the session's place is unknown to its protocol; a successor is opened");
    let transition = Transition {
        session: working.key.clone(),
        event: Event::Fault,
        by: Party::System,
        reason: "the place is unknown to the protocol".to_owned(),
        seen: None,
    };
    turns.store.transition(transition).await?;
    let Working { key, mut hold, .. } = working;
    hold.settle();
    turns.store.abandon(&key, hold.lease, Abandon::Failed).await?;
    Ok(())
}
