//! What messages mean on one connection. Knows no frames, and neither who reads them nor when.
//!
//! One turn at a time is answered in order, further ones wait, within a bound. Danger waits for nothing: what shows it is
//! read before anything can refuse it, and begins at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use tokio::time::Instant;

use super::End;
use super::flow::Flow;
use super::join::{Asked, Joining};
use super::offer::Dialect;
use super::outgoing::Outgoing;
use super::places::Place;
use super::speaker::Speaker;
use super::telling::{Said, Telling};
use super::{plain, typed, wire};
use crate::access::{Kind, Operation};
use crate::domain::id::SessionKey;
use crate::http::credentials::{refused, unauthorized};
use crate::http::problem::{Code, Problem};
use crate::http::state::State;
use crate::store::{HEARD_BEFORE, Heard, Hearing};
use crate::turn::{self, Address, Admitted, Refused, Screened};

/// Turns that wait on one connection behind the one at work.
const WAITING_MAX: usize = 16;
/// Answers to danger on their way at once. Beyond it nothing is read until one is there.
const DANGER_MAX: usize = 4;

pub struct Talk {
    pub state: Data<State>,
    pub speaker: Speaker,
    pub key: SessionKey,
    /// Tells this connection from others.
    pub id: u128,
    pub dialect: Dialect,
    /// Whether what is said are turns. So it stays once danger was answered.
    pub is_therapy: bool,
    pub is_kept: bool,
    /// Whether the session's id has still to be told.
    pub is_untold: bool,
    /// The last number that was heard of.
    pub count: Option<u64>,
    pub request_id: String,
    pub place: Place,
    pub turns: Vec<Telling>,
    waiting: VecDeque<(Option<String>, Admitted)>,
    flow: Flow,
}

impl Talk {
    pub fn new(asked: Asked, joining: Joining) -> Self {
        let Asked { speaker, key, is_made, dialect, is_therapy, is_kept, last_turn: _ } = asked;
        let Joining { state, place, request_id } = joining;
        Self {
            id: state.turns.entropy.u128(),
            state,
            speaker,
            key,
            dialect,
            is_therapy,
            is_kept,
            is_untold: is_made,
            count: None,
            request_id,
            place,
            turns: Vec::new(),
            waiting: VecDeque::new(),
            flow: Flow::new(Instant::now()),
        }
    }

    pub fn hear(&self) -> Hearing {
        self.state.store().hear(&self.key)
    }

    pub fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.waiting.is_empty()
    }

    /// Whether there is room for whatever may be said next.
    pub fn listens(&self) -> bool {
        self.turns.len() <= DANGER_MAX
    }

    /// What is told first.
    pub async fn welcome(&mut self, out: &mut Outgoing, last_turn: Option<u32>) -> Result<(), End> {
        if self.is_kept && self.place.is_alone() {
            let (turns, key) = (Arc::clone(&self.state.turns), self.key.clone());
            // Best effort, and nobody waits for it.
            drop(self.state.turns.tasks.spawn(async move { turns.store.note_presence(&key, None).await }));
        }
        match self.dialect {
            Dialect::Plain => Ok(()),
            Dialect::Typed => typed::hello(self, out, last_turn).await,
        }
    }

    pub async fn text(&mut self, out: &mut Outgoing, text: String) -> Result<(), End> {
        match self.dialect {
            Dialect::Plain => plain::text(self, out, text).await,
            Dialect::Typed => typed::text(self, out, &text).await,
        }
    }

    /// What others have said in the session, or to everybody.
    pub async fn heard(&mut self, out: &mut Outgoing, heard: &Heard) -> Result<(), End> {
        match heard {
            Heard::Message { connection, .. } if [self.id, HEARD_BEFORE].contains(connection) => Ok(()),
            Heard::Turn { connection: Some(connection), .. } if *connection == self.id => Ok(()),
            Heard::Removed => self.removed().await,
            Heard::Message { .. } if !self.is_kept => Ok(()),
            Heard::Message { count, .. } => {
                self.stay_out_of_therapy().await?;
                self.count = Some(*count);
                if self.dialect == Dialect::Plain { plain::heard(self, out, heard).await } else { Ok(()) }
            }
            Heard::Turn { .. } if !self.is_kept || self.speaker.is_legacy => Ok(()),
            Heard::Turn { .. } | Heard::Broadcast(_) => {
                // By a turn a chat has become one of therapy, for all who are in it.
                self.is_therapy |= matches!(heard, Heard::Turn { .. });
                match self.dialect {
                    Dialect::Plain => plain::heard(self, out, heard).await,
                    Dialect::Typed => typed::heard(self, out, heard).await,
                }
            }
        }
    }

    /// What a turn of this connection says, and its end.
    pub async fn said(&mut self, out: &mut Outgoing, at: usize, said: Said) -> Result<(), End> {
        match said {
            Said::Deltas(deltas) => match self.dialect {
                Dialect::Plain => Ok(()),
                Dialect::Typed => typed::deltas(&mut self.turns[at], out, &deltas).await,
            },
            Said::Answer(answer) => {
                let telling = self.turns.remove(at);
                // The next one works while this one is told.
                let begun = self.begin_next();
                match self.dialect {
                    Dialect::Plain => plain::answer(self, out, answer).await?,
                    Dialect::Typed => typed::answer(self, out, telling, answer).await?,
                }
                if begun && self.dialect == Dialect::Typed {
                    let id = self.turns.last().and_then(|telling| telling.id.clone());
                    out.text(wire::about("typing", id.as_deref())).await?;
                }
                Ok(())
            }
        }
    }

    /// A heartbeat. What let the caller in is asked for on the same occasion.
    pub async fn beat(&self, out: &mut Outgoing) -> Result<(), End> {
        out.text(wire::heartbeat(self.state.turns.clock.now())).await?;
        match self.speaker.check(&self.state).await {
            Err(problem) if problem.code == Code::Unauthorized => Err(End::Refused(Box::new(problem))),
            // Where the store is away a connection stays.
            Ok(()) | Err(_) => self.stay_out_of_therapy().await,
        }
    }

    /// Whoever came in without a credential leaves where the chat becomes one of therapy.
    async fn stay_out_of_therapy(&self) -> Result<(), End> {
        if self.speaker.is_legacy && self.still_stands().await {
            return Err(End::Refused(Box::new(unauthorized("a credential is needed"))));
        }
        Ok(())
    }

    /// Whether a text may be taken in. Where not, it has been told why.
    pub async fn lets_in(
        &mut self,
        out: &mut Outgoing,
        is_in_danger: bool,
        id: Option<&str>,
    ) -> Result<bool, End> {
        let refused =
            if is_in_danger { self.speaker.check_in_danger(&self.state).await } else { self.take_in().await };
        match refused {
            Ok(()) => Ok(true),
            Err(problem) => self.refuse(out, problem, id).await.map(|()| false),
        }
    }

    /// Whether it keeps to its pace. Where not, it has been told.
    pub async fn keeps_pace(&mut self, out: &mut Outgoing) -> Result<bool, End> {
        match self.pace() {
            Ok(()) => Ok(true),
            Err(problem) => self.refuse(out, problem, None).await.map(|()| false),
        }
    }

    fn pace(&mut self) -> Result<(), Problem> {
        let is_kept = self.flow.take(Instant::now());
        if is_kept { Ok(()) } else { Err(Problem::new(Code::Flooded, "too much at once on this connection")) }
    }

    async fn take_in(&mut self) -> Result<(), Problem> {
        self.pace()?;
        if self.state.is_draining() {
            return Err(Problem::new(Code::ShuttingDown, "try another server, or this one again"));
        }
        self.speaker.check(&self.state).await?;
        if self.speaker.is_legacy && self.still_stands().await {
            return Err(unauthorized("a credential is needed"));
        }
        Ok(())
    }

    /// Tells a refusal. Some end the connection.
    pub async fn refuse(&self, out: &mut Outgoing, problem: Problem, id: Option<&str>) -> Result<(), End> {
        let is_end =
            problem.code == Code::Unauthorized || problem.code == Code::Flooded && self.flow.is_over();
        if is_end {
            return Err(End::Refused(Box::new(problem)));
        }
        self.state.turns.metrics.problem(problem.code.row().error);
        out.text(self.problem(&problem, id)).await
    }

    pub fn problem(&self, problem: &Problem, id: Option<&str>) -> String {
        let (now, resources) = (self.state.turns.clock.now(), self.state.resources());
        wire::problem(problem, id, &self.request_id, (now, resources))
    }

    pub fn admit(&self, screened: Screened, text: &str, id: Option<&str>) -> Result<Admitted, Refused> {
        let address = Address {
            caller: &self.speaker.caller,
            session: self.key.clone(),
            route: &Operation::Connect.name(),
            idempotency_key: id,
            body: text.as_bytes(),
            by: self.speaker.token(),
        };
        turn::admit(screened, &address, &self.state.turns.secret)
    }

    /// Answers danger: at once, whatever is at work. Where nothing is to be kept, or nobody knows whose session it is, nothing
    /// is stored or raised.
    pub fn answer_danger(&mut self, admitted: Admitted, id: Option<String>) {
        let turns = &self.state.turns;
        let telling = if self.speaker.is_legacy || !self.is_kept {
            Telling::of(turns.answer_unknown(&admitted), id, true)
        } else {
            // Nobody who was answered so is left alone with an echo.
            self.is_therapy = true;
            Telling::begin(turns, admitted, (&self.key, self.id), (id, true))
        };
        self.turns.push(telling);
    }

    /// Begins a turn, or lets it wait. True where it has begun.
    pub fn queue(&mut self, admitted: Admitted, id: Option<String>) -> Result<bool, Refused> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(Refused::QueueFull { retry_after: Duration::from_secs(1) });
        }
        self.waiting.push_back((id, admitted));
        Ok(self.begin_next())
    }

    /// Begins the next turn where none is at work: the last of those on their way. False where nothing begins.
    fn begin_next(&mut self) -> bool {
        if self.turns.iter().any(|telling| !telling.is_in_danger) {
            return false;
        }
        let Some((id, admitted)) = self.waiting.pop_front() else { return false };
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        let of = (&self.key, self.id);
        let telling = Telling::begin(&self.state.turns, admitted, of, (id, false));
        self.turns.push(telling);
        true
    }

    /// Asks the turn at work to end, whoever began it. Its answer tells what became of it.
    pub fn stop(&self, turn: Option<u32>) {
        let at_work = self.state.turns.live.turn_at_work(&self.key);
        if turn.is_some() && at_work.is_some() && turn != at_work {
            return;
        }
        if let Some(telling) = self.turns.iter().find(|telling| !telling.is_in_danger) {
            return telling.stop();
        }
        let (turns, key) = (Arc::clone(&self.state.turns), self.key.clone());
        drop(self.state.turns.tasks.spawn(async move { turns.stop(&key).await }));
    }

    /// The session was removed, or the credentials of its client were revoked: whoever came by another one stays in it.
    async fn removed(&self) -> Result<(), End> {
        let of_ticket = self.speaker.by.as_ref().is_some_and(|by| by.kind == Kind::Ticket);
        let problem = match self.speaker.check(&self.state).await {
            Err(problem) if problem.code == Code::Unauthorized => problem,
            Ok(()) | Err(_) if !self.still_stands().await => Problem::not_found(),
            // A ticket is revoked with the tokens, whatever minted it.
            Ok(()) | Err(_) if of_ticket => refused(),
            Ok(()) | Err(_) => return Ok(()),
        };
        Err(End::Refused(Box::new(problem)))
    }

    /// A session that was made elsewhere, as by danger over HTTP, makes a plain chat one of therapy.
    pub async fn look_for_therapy(&mut self) {
        if self.is_kept && !self.is_therapy && !self.speaker.is_legacy {
            self.is_therapy = self.still_stands().await;
        }
    }

    async fn still_stands(&self) -> bool {
        matches!(self.state.store().read(&self.key).await, Ok(Some(_)))
    }

    /// How many messages were said in the session, as far as can be told in a moment.
    pub async fn total(&self) -> u64 {
        const MOMENT: Duration = Duration::from_millis(500);
        if self.count.is_some() || !self.is_kept {
            return self.count.unwrap_or_default();
        }
        match tokio::time::timeout(MOMENT, self.state.store().chat(&self.key)).await {
            Ok(Ok(Some((chat, _)))) => chat.count,
            Ok(Ok(None) | Err(_)) | Err(_) => 0,
        }
    }
}
