//! The turn: one message of a client and the reply to it, stored once, in order.
//!
//! ```text
//! screen -> admit -> begin -> assess -> navigate -> retrieve -> generate -> check -> commit -> reply
//! ```
//!
//! [`Turns::start`] runs a turn on a task of its own, so that a caller who goes away does not stop it unless it asked
//! for that. Each step returns a value that the next one needs; `run` and `work` alone branch between them.
//! The turn knows contracts, never adapters, and nothing of HTTP.

mod author;
mod begin;
mod commit;
mod compose;
mod danger;
mod decide;
mod feed;
mod input;
mod knowledge;
mod live;
mod reply;
mod rescreen;
mod speech;
mod spoken;
mod unserved;
mod words;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::access::Secret;
use crate::clock::{Clock, Entropy};
use crate::domain::consent::ConsentRule;
use crate::domain::id::SessionKey;
use crate::domain::quota::Quota;
use crate::domain::safety::{DutyHours, Level, Mode};
use crate::domain::time::Timestamp;
use crate::store::{Abandon, Counter, Nudge, Report, Reported, Store, StoreError, StoredReply};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

use speech::Speech;
use words::Finding;

pub use author::Author;
pub use danger::Unraised;
pub use feed::{Delta, Following};
pub use input::{Address, Admitted, Screened, TEXT_MAX_CHARS, admit, screen};
pub use knowledge::{Knowledge, KnowledgeError};
pub use live::{Ended, Line, Live, StopOnLeave};
pub use reply::{Reply, Storage, ToldInShort, on_the_wire, told_in};
pub use rescreen::Untold;
pub use unserved::Unstored;

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
    pub unstored: Unstored,
    pub untold: Untold,
    pub live: Arc<Live>,
    /// `None`: the script writes everything.
    pub author: Option<Arc<Author>>,
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
    /// When somebody of the team is on duty.
    pub duty: DutyHours,
    /// Who stands behind Attune here.
    pub mode: Mode,
    /// Whether nobody is talked with before they have consented.
    pub consent: ConsentRule,
}

/// A turn that was answered.
#[derive(Clone)]
pub struct Answer {
    pub body: StoredReply,
    pub replayed: bool,
    pub quota: Option<Quota>,
}

impl Answer {
    fn replay(body: StoredReply) -> Self {
        Self { body, replayed: true, quota: None }
    }
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
    #[error("the turn was stopped before anything was said")]
    Stopped,
    #[error("the credential was revoked meanwhile")]
    Revoked,
    #[error("nobody has consented in this session, or to another text, or it was withdrawn")]
    ConsentRequired,
    /// Why nobody is talked with where this session is.
    #[error("{0}")]
    Unavailable(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the turn failed")]
    Failed,
}

/// A turn that was begun: who asked may wait for it, follow it, or go.
pub struct Started {
    /// What it says, as it says it.
    pub line: Line,
    pub answer: BoxFuture<'static, Result<Answer, Refused>>,
}

impl Turns {
    /// Begins a turn on a task of its own, which goes on when nobody waits for it.
    pub fn start(self: &Arc<Self>, admitted: Admitted) -> Started {
        let line = Line::default();
        let running = self.tasks.spawn(in_time(Arc::clone(self), admitted.clone(), line.clone()));
        Started { line, answer: Arc::clone(self).wait(admitted, running).boxed() }
    }

    /// The crisis dialogue for somebody of whom nothing is known, not even whether they may speak in the session that they
    /// name: the store that knows is away. Nothing is begun, stored or raised.
    pub fn answer_unknown(self: &Arc<Self>, admitted: &Admitted) -> Started {
        let answer = danger::unknown(self, admitted);
        Started { line: Line::default(), answer: std::future::ready(Ok(answer)).boxed() }
    }

    /// In danger the answer comes in time even when the store does not.
    async fn wait(
        self: Arc<Self>,
        admitted: Admitted,
        running: JoinHandle<Result<Answer, Refused>>,
    ) -> Result<Answer, Refused> {
        let answer = if admitted.shows_danger() {
            Ok(danger::answer(&self, &admitted, running).await)
        } else {
            running.await.unwrap_or(Err(Refused::Failed))
        };
        if let Err(refused) = &answer {
            self.count_refusal(&admitted, refused).await;
        }
        answer
    }

    /// Stops the turn that is at work on a session, wherever that is.
    pub async fn stop(&self, key: &SessionKey) -> Result<Ended, StoreError> {
        match self.live.stop(key).await {
            Some(ended) => Ok(ended),
            None => Ok(Ended { stopped: self.store.nudge(key, Nudge::Stop).await?, turn: None }),
        }
    }

    /// Has the turn that is at work on a session do without a model, wherever that is.
    async fn hurry(&self, key: &SessionKey) {
        if !self.live.hurry(key) {
            // Best effort: whoever waits behind it was answered, and only the record waits.
            let _unheard = self.store.nudge(key, Nudge::Hurry).await;
        }
    }

    /// Does what other servers ask, for as long as there is a store to hear it from.
    pub async fn hear_nudges(self: Arc<Self>) {
        let mut nudges = self.store.nudges();
        loop {
            match nudges.recv().await {
                Ok((key, Nudge::Stop)) => self.live.ask_to_stop(&key),
                Ok((key, Nudge::Hurry)) => drop(self.live.hurry(&key)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// A stored turn as it was answered, or the one that is at work.
    pub async fn recall(&self, key: &SessionKey, turn: u32) -> Result<Recalled, StoreError> {
        // Asked first: what is no longer at work is stored by the time that the store is asked.
        if self.live.turn_at_work(key) == Some(turn) {
            return Ok(Recalled::Running);
        }
        let Some(snapshot) = self.store.read(key).await? else { return Ok(Recalled::Absent) };
        let page = self.store.history(key, Some(turn + 1), 1).await?;
        let exchange = page.and_then(|page| page.exchanges.into_iter().next());
        Ok(match exchange.filter(|exchange| exchange.turn == turn) {
            Some(exchange) => Recalled::Stored(compose::again(self, &snapshot.session, &exchange).bytes()),
            None => Recalled::Absent,
        })
    }

    fn level_rose(&self, session: &SessionKey, level: Level) {
        tracing::warn!(session = %session.id, level = level.as_str(), "the safety level rose");
        self.metrics.level_rose(level);
        if level.pauses() {
            self.metrics.alert(level);
        }
    }

    /// Keeps what a client reports, for the people who look after it.
    pub async fn report(&self, report: Report) -> Result<Reported, StoreError> {
        let (session, reason) = (report.session.clone(), report.reason);
        let reported = self.store.report(report).await?;
        if let Reported::Kept { is_new: true, .. } = &reported {
            tracing::warn!(session = %session.id, reason = reason.as_str(), "a client reports a reply");
            self.metrics.report(reason);
            // Best effort, as all counters are.
            let _lost = self.store.count(&session.org, vec![Counter::Report(reason)]).await;
        }
        Ok(reported)
    }

    async fn count_refusal(&self, admitted: &Admitted, refused: &Refused) {
        let counter = match refused {
            Refused::Limited(_) => Counter::Limited,
            Refused::Busy { .. } | Refused::QueueFull { .. } => Counter::Busy,
            Refused::TextTooLong
            | Refused::KeyReused
            | Refused::Deadline
            | Refused::Stopped
            | Refused::Revoked
            | Refused::ConsentRequired
            | Refused::Unavailable(_)
            | Refused::Store(_)
            | Refused::Failed => return,
        };
        // A counter that is lost harms nobody; the refusal must still go out.
        let _lost = self.store.count(&admitted.key.org, vec![counter]).await;
    }
}

/// What is known of a turn by its number.
pub enum Recalled {
    Stored(StoredReply),
    Running,
    /// Not yet said, no longer kept, or no such session.
    Absent,
}

/// A turn that took too long is stopped: nothing of a refused turn may be stored behind its refusal. Danger has been
/// answered by then, and its record takes the time that it takes.
async fn in_time(turns: Arc<Turns>, admitted: Admitted, line: Line) -> Result<Answer, Refused> {
    let deadline = (!admitted.shows_danger()).then_some(turns.settings.deadline);
    let running = run(turns, &line, admitted);
    match deadline {
        None => running.await,
        Some(deadline) => tokio::time::timeout(deadline, running).await.unwrap_or(Err(Refused::Deadline)),
    }
}

/// The turn itself.
async fn run(turns: Arc<Turns>, line: &Line, mut admitted: Admitted) -> Result<Answer, Refused> {
    let arrived = Arrived { at: turns.clock.now(), instant: Instant::now() };
    if admitted.shows_danger() {
        danger::raise(&turns, &admitted).await;
    } else {
        danger::catch_up(&turns, &admitted.key).await;
    }
    let start = match begin_unless_stopped(&turns, &admitted, line).await {
        Err(Refused::KeyReused) if admitted.shows_danger() => {
            // What somebody in danger wrote is kept, whatever an app does with its keys.
            admitted.idempotency = None;
            begin::begin(&turns, &admitted, line).await?
        }
        start => start?,
    };
    let mut working = match start {
        begin::Start::Working(working) => *working,
        begin::Start::Replay(body) => return Ok(Answer::replay(body)),
    };
    // The script is done before anybody could ask for its end.
    let at_work = turns.author.is_some().then(|| turns.live.enter(&working.key, working.turn(), line));
    let done = work(&turns, &admitted, &mut working, line, arrived).await;
    if matches!(done, Err(Refused::Stopped)) {
        working.hold.give_up(Abandon::Stopped);
    }
    if let Some(at_work) = at_work {
        at_work.ended(Ended::of(&done));
    }
    match done {
        Err(refused @ (Refused::ConsentRequired | Refused::Unavailable(_))) => {
            unserved::answer(&turns, &admitted, working, refused).await
        }
        Err(refused) => Err(refused),
        Ok(done) => {
            unserved::follow_withdrawal(&turns, &working).await;
            Ok(done.answer)
        }
    }
}

async fn begin_unless_stopped(
    turns: &Turns,
    admitted: &Admitted,
    line: &Line,
) -> Result<begin::Start, Refused> {
    if admitted.shows_danger() {
        return begin::begin(turns, admitted, line).await;
    }
    tokio::select! {
        start = begin::begin(turns, admitted, line) => start,
        () = line.stop.cancelled() => Err(Refused::Stopped),
    }
}

/// When a turn came: by the wall clock, and for what is measured.
#[derive(Clone, Copy)]
struct Arrived {
    at: Timestamp,
    instant: Instant,
}

/// A turn that is stored.
struct Done {
    answer: Answer,
    turn: u32,
    stopped: bool,
}

impl Ended {
    fn of(done: &Result<Done, Refused>) -> Self {
        match done {
            Ok(done) => Self { stopped: done.stopped, turn: Some(done.turn) },
            Err(refused) => Self { stopped: *refused == Refused::Stopped, turn: None },
        }
    }
}

async fn work(
    turns: &Arc<Turns>,
    admitted: &Admitted,
    working: &mut begin::Working,
    line: &Line,
    arrived: Arrived,
) -> Result<Done, Refused> {
    // In danger the answer may go out before its record stands, in words of its own: nobody follows it.
    let follower = (!admitted.shows_danger()).then_some(line);
    let feed = turns.live.open(admitted.idempotency.as_ref(), follower);
    let mut speech = Speech::new(feed, working.turn());
    let deadline = turns
        .author
        .as_ref()
        .map_or(arrived.instant, |author| author.deadline(arrived.instant, turns.settings.deadline));
    rescreen::catch_up(turns, admitted, working).await;
    let finding = Finding { turns, admitted, line, deadline };
    let mut answered = Level::None;
    for _ in 0..commit::attempts_max(admitted) {
        unserved::check(turns, working)?;
        let (mut plan, says) = decide::plan(turns, admitted, working, answered);
        answered = plan.answered;
        let words = finding.words(working, &mut plan, says, &mut speech).await?;
        let decided = plan.with(words, turns, admitted, arrived.at);
        match commit::commit(turns, admitted, working, decided).await? {
            commit::Outcome::Done(stored) => {
                let commit::Stored { answer, exchange, negative } = *stored;
                drop(rescreen::settle(turns, working, negative));
                speech.end(exchange.turn, &exchange.therapist_response);
                return Ok(Done { answer, turn: exchange.turn, stopped: speech.was_stopped() });
            }
            commit::Outcome::Again => {}
        }
    }
    Err(Refused::Busy { retry_after: turns.settings.lease_wait })
}
