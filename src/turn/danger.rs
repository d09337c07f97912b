//! The lane of danger: the level is raised before anything else, and the crisis reply goes out in time, stored or not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::domain::id::SessionKey;
use crate::domain::safety::Level;
use crate::store::{Counter, Raise, Raised, StoreError};

use super::input::Admitted;
use super::reply::Reply;
use super::{Answer, Refused, Turns};
use super::{commit, compose};

/// The first pause between two tries to raise a level; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(1);
/// A store that is away for longer than this loses the level with the server's memory of it; the log says so.
const RETRIES_MAX: u32 = 3_600;
/// So many sessions at once wait for the store to take their level.
const UNRAISED_MAX: usize = 10_000;

/// The stored reply, when it is there in time; else one that holds the same words and says that it is not stored.
pub(super) async fn answer(
    turns: &Turns,
    admitted: &Admitted,
    running: JoinHandle<Result<Answer, Refused>>,
) -> Answer {
    let deadline = Instant::now() + turns.settings.crisis_wait;
    match tokio::time::timeout_at(deadline, running).await {
        Ok(Ok(Ok(answer))) => answer,
        Ok(Ok(Err(refused))) => {
            tracing::warn!(%refused, "a crisis reply goes out unstored");
            uncommitted(turns, admitted, deadline).await
        }
        Ok(Err(_panicked)) => {
            tracing::error!("a turn in danger failed; its crisis reply goes out unstored");
            uncommitted(turns, admitted, deadline).await
        }
        // The task goes on behind the reply, stores it, and counts it with the rest of the turn.
        Err(_elapsed) => stateless(turns, admitted).0,
    }
}

/// No turn follows that would count the referral in it. Best effort, as all counters are, and in the time that is left.
async fn uncommitted(turns: &Turns, admitted: &Admitted, deadline: Instant) -> Answer {
    let (answer, reply) = stateless(turns, admitted);
    let referrals = commit::referrals(turns, turns.settings.country.as_deref(), &reply);
    let _lost = tokio::time::timeout_at(deadline, turns.store.count(&admitted.key.org, referrals)).await;
    answer
}

/// Nobody counts it: it may be a stranger's.
pub(super) fn unknown(turns: &Turns, admitted: &Admitted) -> Answer {
    stateless(turns, admitted).0
}

fn stateless(turns: &Turns, admitted: &Admitted) -> (Answer, Reply) {
    let reply = compose::stateless(turns, admitted);
    turns.metrics.crisis_reply_unstored();
    (Answer { body: reply.bytes(), replayed: false, quota: None }, reply)
}

/// Raises the client's level. When the store does not take it, a task of its own goes on trying.
pub(super) async fn raise(turns: &Arc<Turns>, admitted: &Admitted) {
    let why = admitted.screening.hits.iter().map(|hit| hit.rule.clone()).collect();
    raise_to(turns, &admitted.key, admitted.screening.level, why).await;
}

/// The same for a level that was found in another way. `why`: ids of rules, never text.
pub(super) async fn raise_to(turns: &Arc<Turns>, session: &SessionKey, level: Level, why: Vec<String>) {
    let client = turns.secret.client_key(&session.org, None, &session.id);
    let raise = Raise { session: session.clone(), client, level, why };
    if try_raise(turns, &raise).await.is_err() && turns.unraised.note(raise) {
        let session = session.clone();
        drop(turns.tasks.spawn(raise_until_it_stands(Arc::clone(turns), session)));
    }
}

/// A level that the store has not taken yet counts for the session's next words all the same: it is stored before they
/// are begun with.
pub(super) async fn catch_up(turns: &Turns, session: &SessionKey) {
    let Some(raise) = turns.unraised.of(session) else { return };
    // Where the store is still away, it does not begin either; the task that tries goes on.
    if try_raise(turns, &raise).await.is_ok() {
        turns.unraised.settle(&raise);
    }
}

async fn try_raise(turns: &Turns, raise: &Raise) -> Result<Raised, StoreError> {
    let raised = turns.store.raise(raise.clone()).await?;
    if raised.rose {
        turns.level_rose(&raise.session, raised.level);
        // Best effort, as all counters are.
        let _lost = turns.store.count(&raise.session.org, vec![Counter::Level(raised.level)]).await;
    }
    Ok(raised)
}

/// Levels that the store has not taken yet, one for each session. A plain mutex: held for a look-up, never across an
/// await.
#[derive(Default)]
pub struct Unraised(Mutex<HashMap<SessionKey, Raise>>);

impl Unraised {
    /// Notes a level. True when nobody is trying to store one for this session yet.
    fn note(&self, raise: Raise) -> bool {
        let mut waiting = self.0.lock();
        if let Some(known) = waiting.get_mut(&raise.session) {
            if raise.level > known.level {
                *known = raise;
            }
            return false;
        }
        if waiting.len() >= UNRAISED_MAX {
            lost(&raise);
            return false;
        }
        waiting.insert(raise.session.clone(), raise);
        true
    }

    fn of(&self, session: &SessionKey) -> Option<Raise> {
        self.0.lock().get(session).cloned()
    }

    /// Forgets what stands now, unless more was noted meanwhile.
    fn settle(&self, stands: &Raise) {
        let mut waiting = self.0.lock();
        if waiting.get(&stands.session).is_some_and(|noted| noted.level <= stands.level) {
            waiting.remove(&stands.session);
        }
    }
}

async fn raise_until_it_stands(turns: Arc<Turns>, session: SessionKey) {
    let mut pause = RETRY_FIRST;
    for _ in 0..RETRIES_MAX {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = turns.tasks.closing() => break,
        }
        let Some(raise) = turns.unraised.of(&session) else { return };
        match try_raise(&turns, &raise).await {
            Ok(_) => turns.unraised.settle(&raise),
            Err(StoreError::Closed | StoreError::Stopped(_)) => break,
            Err(StoreError::Away(_) | StoreError::Corrupt(_)) => pause = (pause * 2).min(RETRY_LONGEST),
        }
    }
    if let Some(raise) = turns.unraised.of(&session) {
        turns.unraised.settle(&raise);
        lost(&raise);
    }
}

fn lost(raise: &Raise) {
    tracing::error!(session = %raise.session.id, level = raise.level.as_str(), "a safety level could not be stored");
}
