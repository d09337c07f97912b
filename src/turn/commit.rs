//! **commit**: one call that writes the turn whole, or tells what has changed meanwhile.

use crate::domain::exchange::{Exchange, Responder};
use crate::domain::id::SessionKey;
use crate::domain::safety::Negative;
use crate::store::{Commit, Committed, Counter, StoreError, StoredReply};

use super::begin::Working;
use super::compose;
use super::decide::Decided;
use super::input::Admitted;
use super::reply::{Reply, Storage};
use super::{Answer, Refused, Turns};

/// How often a turn is decided on what others wrote meanwhile; one in danger has been answered by then, and only its
/// record waits.
const ATTEMPTS_MAX: usize = 3;
const ATTEMPTS_IN_DANGER_MAX: usize = 20;
/// How often a commit is repeated whose answer was lost. The lease makes the repeat harmless.
const TRIES_MAX: u32 = 3;
const TRY_AGAIN_MS: u64 = 20;
/// How often the store may go away, or come back, under a commit.
const MOVES_MAX: usize = 4;

pub(super) fn attempts_max(admitted: &Admitted) -> usize {
    if admitted.shows_danger() { ATTEMPTS_IN_DANGER_MAX } else { ATTEMPTS_MAX }
}

/// A turn that is stored.
pub(super) struct Stored {
    pub answer: Answer,
    pub exchange: Exchange,
    /// A re-screen that it completed.
    pub negative: Option<Negative>,
}

pub(super) enum Outcome {
    Done(Box<Stored>),
    /// Decide anew: `working` stands on the new ground.
    Again,
}

pub(super) async fn commit(
    turns: &Turns,
    admitted: &Admitted,
    working: &mut Working,
    decided: Decided,
) -> Result<Outcome, Refused> {
    let counters = counters(turns, &decided, working);
    let rose = decided.rose.then_some(decided.session.level);
    let mut reply = decided.reply;
    let mut commit = Commit {
        key: working.key.clone(),
        lease: working.hold.lease,
        base_revision: working.session().map_or(0, |session| session.revision),
        decided_under: decided.under,
        why: decided.why,
        counters,
        session: decided.session,
        exchange: decided.exchange,
        reply: None,
    };
    let (committed, body) = write_where_it_is(turns, admitted, &mut commit, &mut reply).await?;
    match committed {
        Committed::Committed { .. } => {
            working.hold.settle();
            // What is kept locally nobody can have erased since.
            if commit.exchange.turn == 1 && reply.storage != Storage::Local {
                undo_where_erased(turns, admitted, &commit.key).await?;
            }
            turns.metrics.turn(commit.exchange.responder, &commit.exchange.navigation_decision);
            if let Some(level) = rose {
                turns.level_rose(&commit.key, level);
            }
            let answer = Answer { body, replayed: false, quota: Some(working.begun.quota) };
            Ok(Outcome::Done(Box::new(Stored {
                answer,
                exchange: commit.exchange,
                negative: commit.session.crisis.negative,
            })))
        }
        Committed::Lost | Committed::Moved => {
            working.hold.settle();
            Err(Refused::Busy { retry_after: turns.settings.lease_wait })
        }
        Committed::Changed(reloaded) | Committed::Overtaken(reloaded) => {
            working.reload(*reloaded);
            Ok(Outcome::Again)
        }
    }
}

/// Erasing revokes the tokens of a session before it removes it. Words that were on their way by one of them must not bring
/// it back.
async fn undo_where_erased(turns: &Turns, admitted: &Admitted, key: &SessionKey) -> Result<(), Refused> {
    let Some(by) = admitted.by else { return Ok(()) };
    match turns.store.present(by).await {
        // While the store is away nobody can erase anything either.
        Ok(Some(_)) | Err(StoreError::Away(_)) => return Ok(()),
        Ok(None) => {}
        Err(error) => return Err(error.into()),
    }
    turns.store.delete(key).await?;
    Err(Refused::Revoked)
}

/// Writes the turn with a reply that says where it is kept, however often that changes under it.
async fn write_where_it_is(
    turns: &Turns,
    admitted: &Admitted,
    commit: &mut Commit,
    reply: &mut Reply,
) -> Result<(Committed, StoredReply), StoreError> {
    let mut moves = 0;
    loop {
        reply.storage = Storage::of_store(turns.store.storage(&commit.key));
        let body = reply.bytes();
        commit.reply = admitted.idempotency.clone().map(|idempotency| (idempotency, body.clone()));
        match write(turns, commit).await? {
            Committed::Moved if moves < MOVES_MAX => moves += 1,
            committed => return Ok((committed, body)),
        }
    }
}

async fn write(turns: &Turns, commit: &Commit) -> Result<Committed, StoreError> {
    let mut tries = 1;
    loop {
        match turns.store.commit(commit.clone()).await {
            Err(StoreError::Away(_)) if tries < TRIES_MAX => tries += 1,
            answer => return answer,
        }
        tokio::time::sleep(std::time::Duration::from_millis(TRY_AGAIN_MS)).await;
    }
}

/// What a reply counts for in the yearly count of referrals to crisis services.
pub(super) fn referrals(turns: &Turns, country: Option<&str>, reply: &Reply) -> Vec<Counter> {
    let level = reply.safety.level;
    let shows = !reply.safety.resources.is_empty();
    let emergency = turns.knowledge.safety.resources.emergency(country);
    let tells = reply.responder == Responder::Crisis && reply.therapist_response.contains(emergency);
    let shown = shows.then_some(Counter::ResourcesShown(level));
    shown.into_iter().chain(tells.then_some(Counter::EmergencyTold(level))).collect()
}

fn counters(turns: &Turns, decided: &Decided, working: &Working) -> Vec<Counter> {
    let decision = decided.exchange.navigation_decision.clone();
    let mut counters = vec![Counter::Input, Counter::Turn, Counter::Decision(decision)];
    if working.session().is_none() {
        counters.push(Counter::SessionCreated);
    }
    if decided.exchange.responder == Responder::Scripted {
        counters.push(Counter::Scripted);
    }
    if decided.completed {
        counters.push(Counter::Completed);
    }
    if decided.rose {
        counters.push(Counter::Level(decided.session.level));
    }
    let country = compose::country_of(turns, &decided.session);
    counters.extend(referrals(turns, country.as_deref(), &decided.reply));
    counters
}
