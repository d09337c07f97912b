//! What follows a completed re-screen: the store is told, and decides whether a level falls. The turn is stored by then;
//! what a crash leaves behind is told with the next turn.

use std::time::Duration;

use crate::domain::id::SessionKey;
use crate::domain::safety::{Level, Mode, Negative, apart};
use crate::store::{Counter, Lower, Lowered, StoreError};

use super::Turns;
use super::begin::Working;
use super::input::Admitted;

/// Why a level fell, as the session's transitions and the client's memory tell it.
const REASON: &str = "rescreen.negative";
const TRIES_MAX: u32 = 3;
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// A re-screen of which the store was not told yet. In danger there is none.
pub(super) fn left_behind(admitted: &Admitted, working: &Working) -> Option<Negative> {
    let negative = working.session()?.crisis.negative?;
    let stands = !admitted.shows_danger() && negative.is_open(working.memory());
    stands.then_some(negative)
}

/// Tells the store. Whether it hears or not, the turn goes on: a level that should have fallen only stands longer.
pub(super) async fn settle(turns: &Turns, key: &SessionKey, negative: Option<Negative>) {
    let Some(negative) = negative else { return };
    let level = negative.basis.level;
    if level.pauses() && turns.settings.mode != Mode::SelfHelp {
        return;
    }
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
