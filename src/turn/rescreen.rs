//! What follows a completed re-screen: the store is told, and decides whether a level falls. The turn is stored by then,
//! and its answer never waits for this; what a crash or a slow store leaves behind is told with the next turn.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::id::SessionKey;
use crate::domain::safety::{Level, Negative, apart};
use crate::store::{Counter, Lower, Lowered, StoreError};

use super::Turns;
use super::begin::Working;
use super::input::Admitted;
use super::unserved;

/// Why a level fell, as the session's transitions and the client's memory tell it.
const REASON: &str = "rescreen.negative";
const TRIES_MAX: u32 = 3;
const TRY_AGAIN: Duration = Duration::from_millis(20);
/// How long a turn waits for what the one before it left behind, so that it need not be decided on a level that falls.
const MOMENT: Duration = Duration::from_millis(150);
/// Of so many sessions the store is told at once; what is over that is told with their next turns.
const TELLING_MAX: usize = 10_000;

/// The sessions of whose re-screen the store is being told, each with a token that is cancelled when that has ended. A
/// plain mutex: held for a look-up, never across an await.
#[derive(Default)]
pub struct Untold(Mutex<HashMap<SessionKey, CancellationToken>>);

impl Untold {
    /// The end of the telling that goes on for a session, and whether it only begins now. `None`: too many go on.
    fn begin(&self, key: &SessionKey) -> Option<(CancellationToken, bool)> {
        let mut telling = self.0.lock();
        if let Some(end) = telling.get(key) {
            return Some((end.clone(), false));
        }
        (telling.len() < TELLING_MAX).then(|| {
            let end = CancellationToken::new();
            telling.insert(key.clone(), end.clone());
            (end, true)
        })
    }
}

/// Ends a telling when it is dropped, also by a panic.
struct Telling {
    turns: Arc<Turns>,
    key: SessionKey,
    end: CancellationToken,
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.turns.untold.0.lock().remove(&self.key);
        self.end.cancel();
    }
}

/// Before a turn is decided: tells the store of a re-screen of which it was not told yet. In danger there is none.
pub(super) async fn catch_up(turns: &Arc<Turns>, admitted: &Admitted, working: &Working) {
    let negative = working.session().and_then(|session| session.crisis.negative);
    let stands = |it: &Negative| !admitted.shows_danger() && it.is_open(working.memory());
    if let Some(end) = settle(turns, working, negative.filter(stands)) {
        // A store that takes longer is not waited for: the level falls behind this turn.
        let _later = tokio::time::timeout(MOMENT, end.cancelled()).await;
    }
}

/// Tells the store on a task of its own, one at a time for a session. Whether it hears or not, the turn goes on: a level
/// that should have fallen only stands longer. The token is cancelled when that has ended.
pub(super) fn settle(
    turns: &Arc<Turns>,
    working: &Working,
    negative: Option<Negative>,
) -> Option<CancellationToken> {
    let (key, mode) = (&working.key, unserved::mode_of(turns, working.meta(), turns.clock.now()));
    let negative = negative.filter(|it| mode.ends_by_rescreens(it.basis.level))?;
    let (end, begins) = turns.untold.begin(key)?;
    if begins {
        let telling = Telling { turns: Arc::clone(turns), key: key.clone(), end: end.clone() };
        drop(turns.tasks.spawn(until_told(telling, negative)));
    }
    Some(end)
}

async fn until_told(telling: Telling, negative: Negative) {
    let (turns, key, level) = (&telling.turns, &telling.key, negative.basis.level);
    let lower = Lower { session: key.clone(), negative, apart: apart(level), reason: REASON };
    match tell(turns, &lower).await {
        Ok(Lowered::Cleared(_)) => fell(turns, key, level).await,
        Ok(Lowered::Noted) => tracing::info!(session = %key.id, "a negative re-screen was noted"),
        Ok(Lowered::Refused | Lowered::Absent) => {
            tracing::info!(session = %key.id, "a negative re-screen came too late to count");
        }
        Err(error) => tracing::warn!(%error, "a negative re-screen is told to the store with the next turn"),
    }
}

/// A lost answer is asked for again: the same re-screen counts once.
async fn tell(turns: &Turns, lower: &Lower) -> Result<Lowered, StoreError> {
    let mut tries = 1;
    loop {
        match turns.store.lower(lower.clone()).await {
            Err(StoreError::Away(_)) if tries < TRIES_MAX => tries += 1,
            answer => return answer,
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

async fn fell(turns: &Turns, key: &SessionKey, level: Level) {
    tracing::warn!(session = %key.id, level = level.as_str(), why = REASON, "the safety level fell to none");
    turns.metrics.level_fell(level);
    // Best effort, as all counters are.
    let _lost = turns.store.count(&key.org, vec![Counter::Fell(level)]).await;
}
