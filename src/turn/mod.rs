//! The turn: one message of a client and the reply to it, stored once, in order.
//!
//! ```text
//! screen -> admit -> begin -> assess -> navigate -> generate -> commit -> reply
//! ```
//!
//! [`Turns::answer`] waits for a turn that runs on a task of its own, so that a caller who goes away does not stop it.
//! Each step returns a value that the next one needs; `run` is the only function that branches between them.
//! The turn knows contracts, never adapters, and nothing of HTTP.

mod begin;
mod commit;
mod compose;
mod danger;
mod decide;
mod input;
mod knowledge;
mod reply;
mod spoken;

use std::sync::Arc;
use std::time::Duration;

use crate::access::Secret;
use crate::clock::{Clock, Entropy};
use crate::domain::id::SessionKey;
use crate::domain::quota::Quota;
use crate::domain::safety::Level;
use crate::store::{Counter, Store, StoreError, StoredReply};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

pub use danger::Unraised;
pub use input::{Address, Admitted, Screened, TEXT_MAX_CHARS, admit, screen};
pub use knowledge::{Knowledge, KnowledgeError};
pub use reply::{Reply, Storage, on_the_wire};

/// All that turns need, shared by every request.
pub struct Turns {
    pub store: Arc<dyn Store>,
    pub knowledge: Knowledge,
    pub secret: Secret,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<Entropy>,
    pub tasks: Tasks,
    pub metrics: Arc<Metrics>,
    pub settings: Settings,
    pub unraised: Unraised,
}

#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest a turn may take in all.
    pub deadline: Duration,
    /// How long one waits for the turn before it.
    pub lease_wait: Duration,
    /// How long a crisis reply waits for its commit.
    pub crisis_wait: Duration,
    pub session_ttl: Duration,
    /// Whose crisis lines are shown where a session names no country.
    pub country: Option<String>,
}

/// A turn that was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub body: StoredReply,
    pub replayed: bool,
    pub quota: Option<Quota>,
}

/// Why a turn was not. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the text is longer than {TEXT_MAX_CHARS} characters")]
    TextTooLong,
    #[error("too many turns in this session")]
    Limited(Quota),
    #[error("another turn of this session is still running")]
    Busy { retry_after: Duration },
    #[error("too many turns wait for this session")]
    QueueFull { retry_after: Duration },
    #[error("the idempotency key was used with another body")]
    KeyReused,
    #[error("the turn took too long")]
    Deadline,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the turn failed")]
    Failed,
}

impl Turns {
    /// Runs a turn and waits for its answer. In danger the answer comes in time even when the store does not.
    pub async fn answer(self: &Arc<Self>, admitted: Admitted) -> Result<Answer, Refused> {
        let running = self.tasks.spawn(run(Arc::clone(self), admitted.clone()));
        let answer = if admitted.shows_danger() {
            Ok(danger::answer(self, &admitted, running).await)
        } else {
            within(self.settings.deadline, running).await
        };
        if let Err(refused) = &answer {
            self.count_refusal(&admitted, refused).await;
        }
        answer
    }

    fn level_rose(&self, session: &SessionKey, level: Level) {
        tracing::warn!(session = %session.id, level = level.as_str(), "the safety level rose");
        self.metrics.level_rose(level);
    }

    async fn count_refusal(&self, admitted: &Admitted, refused: &Refused) {
        let counter = match refused {
            Refused::Limited(_) => Counter::Limited,
            Refused::Busy { .. } | Refused::QueueFull { .. } => Counter::Busy,
            Refused::TextTooLong
            | Refused::KeyReused
            | Refused::Deadline
            | Refused::Store(_)
            | Refused::Failed => return,
        };
        // A counter that is lost harms nobody; the refusal must still go out.
        let _lost = self.store.count(&admitted.key.org, vec![counter]).await;
    }
}

/// A turn that is told to have taken too long is stopped: nothing of a refused turn may be stored behind its refusal.
async fn within(
    deadline: Duration,
    mut running: tokio::task::JoinHandle<Result<Answer, Refused>>,
) -> Result<Answer, Refused> {
    match tokio::time::timeout(deadline, &mut running).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panicked)) => Err(Refused::Failed),
        Err(_elapsed) => {
            running.abort();
            Err(Refused::Deadline)
        }
    }
}

/// The turn itself.
async fn run(turns: Arc<Turns>, mut admitted: Admitted) -> Result<Answer, Refused> {
    let arrived = turns.clock.now();
    if admitted.shows_danger() {
        danger::raise(&turns, &admitted).await;
    } else {
        danger::catch_up(&turns, &admitted.key).await;
    }
    let start = match begin::begin(&turns, &admitted).await {
        Err(Refused::KeyReused) if admitted.shows_danger() => {
            // What somebody in danger wrote is kept, whatever an app does with its keys.
            admitted.idempotency = None;
            begin::begin(&turns, &admitted).await?
        }
        start => start?,
    };
    let mut working = match start {
        begin::Start::Working(working) => *working,
        begin::Start::Replay(body) => return Ok(Answer { body, replayed: true, quota: None }),
    };
    for _ in 0..commit::attempts_max(&admitted) {
        let decided = decide::decide(&turns, &admitted, &working, arrived);
        match commit::commit(&turns, &admitted, &mut working, decided).await? {
            commit::Outcome::Done(answer) => return Ok(answer),
            commit::Outcome::Again => {}
        }
    }
    Err(Refused::Busy { retry_after: turns.settings.lease_wait })
}
