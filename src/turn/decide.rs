//! **assess**, **navigate**: from what is known and what was said to what the reply does. And, once its words are found,
//! the turn as it is to be stored.
//!
//! Pure but for the time and the seed that it draws: it touches no store and no model.

use crate::domain::disclosure::{self, Audience, Disclosure, Due};
use crate::domain::exchange::{Exchange, Responder, Written};
use crate::domain::protocol::{Decision, Navigation, Options, Standing, navigate};
use crate::domain::safety::{Action, Assessment, CrisisReply, Level, Moment, Said};
use crate::domain::session::{Event, MetaValue, Opening, Party, Session, Status};
use crate::domain::signals::{OTHER_LANGUAGE, Signals};
use crate::domain::time::Timestamp;
use crate::llm::scripted::Script;

use super::Turns;
use super::begin::Working;
use super::compose::{self, Noticed, millis};
use super::input::Admitted;
use super::reply::Reply;
use super::unserved;

/// From this intensity on an emotion is plain.
const PLAIN_EMOTION: u8 = 2;

/// What a turn will do, before its words are found.
pub(super) struct Plan {
    pub session: Session,
    signals: Signals,
    before: Before,
    /// Rules by which it raises the level.
    why: Vec<String>,
    /// The level that the text shows as the answer to a safety question.
    pub answered: Level,
    now: Timestamp,
    /// Whether its reply tells of the AI.
    tells: bool,
    /// The words that remind of it; none in danger, where the crisis dialogue says it in its own.
    pub reminder: Option<&'static str>,
}

/// What is to be said.
pub(super) enum Says {
    /// These words and no others: danger, or a reply beside the protocol.
    Words(Words),
    /// What the protocol decided, in the script's words or in a model's.
    Decision(Decision),
    /// The protocol leaves open how the answer is to be read.
    Open(Options),
}

/// What is said, and why.
pub(super) struct Words {
    pub text: String,
    pub decision: String,
    pub label: Option<String>,
    pub reasoning: String,
    pub responder: Responder,
    /// Whether crisis lines are shown with it.
    pub resources: bool,
    /// How many earlier exchanges the responder had before it.
    pub exchanges_seen: u32,
    pub written: Option<Written>,
}

/// A turn before it is stored.
pub(super) struct Decided {
    pub session: Session,
    pub exchange: Exchange,
    pub reply: Reply,
    /// The level under which it was decided.
    pub under: Level,
    /// Rules by which it raises the level.
    pub why: Vec<String>,
    pub rose: bool,
    pub completed: bool,
}

/// Which way a turn goes: danger first, then what the session's status demands, then the protocol.
enum Course {
    /// The crisis dialogue, or the one question at elevated.
    Danger,
    /// Beside the protocol: a person paused the session, it is completed, or a successor greets.
    Stand(Standing),
    Step,
}

/// What of a session a turn is measured against.
struct Before {
    turn_count: u32,
    level: Level,
    status: Status,
    /// When it was last talked in; of a successor, in the session before it.
    last: Timestamp,
}

/// `answered`: what the text was found to answer when it was decided on other ground.
pub(super) fn plan(turns: &Turns, admitted: &Admitted, working: &Working, answered: Level) -> (Plan, Says) {
    let now = turns.clock.now();
    let mut session = session_before(turns, working, now);
    let last =
        working.begun.predecessor.as_deref().filter(|_| working.session().is_none()).unwrap_or(&session);
    let before = Before {
        turn_count: session.turn_count,
        level: session.level,
        status: session.status,
        last: last.last_interaction,
    };
    let signals = turns.knowledge.lexicon.read(&admitted.text);
    let moment = Moment {
        counted: session.level,
        answered,
        memory: working.memory(),
        mode: unserved::mode_of(turns, Some(&session.meta), now),
        now,
        is_going_on: session.status.is_going_on(),
        is_hard: is_hard(&signals),
        nonce: turns.entropy.u64(),
    };
    let safety = &turns.knowledge.safety;
    let assessment = safety.assess(&mut session.crisis, &admitted.text, &admitted.screening, &moment);
    take_level(&mut session, assessment.level, now);
    let due = due(&session, before.last, now);
    let mut tells = due.is_some();
    let mut reminder = due.and_then(|due| session.telling.reminder(due, Audience::of(&session.meta)));
    let says = match course(&session, &assessment) {
        Course::Danger => {
            let is_ai_due = reminder.take().is_some();
            let said = speak_of_danger(turns, admitted, &mut session, is_ai_due, now);
            if tells && !said.can_tell {
                tells = false;
                session.telling.put_off();
            }
            Says::Words(danger_in_words(said.reply, &session, admitted, working.seen()))
        }
        Course::Stand(standing) => Says::Words(stand(turns, &mut session, standing, working.seen())),
        Course::Step => step(turns, &session, &signals),
    };
    let Assessment { why, answered, .. } = assessment;
    (Plan { session, signals, before, why, answered, now, tells, reminder }, says)
}

/// Whether the session has to be told of the AI in this turn. A successor is always a start.
fn due(session: &Session, last: Timestamp, now: Timestamp) -> Option<Due> {
    let due = session.telling.due(Audience::of(&session.meta), last, now);
    let starts = session.turn_count == 0 && session.successor_of.is_some();
    due.or_else(|| starts.then_some(Due::Start))
}

impl Plan {
    /// Takes the session to where a decision leads, and says it in the script's words.
    pub fn take(&mut self, turns: &Turns, decision: &Decision) -> Script {
        let protocol = turns.knowledge.version_of(&decision.place);
        let mut place = decision.place.clone();
        let script = turns.knowledge.scripted.reply(&protocol, decision, &mut place, turns.entropy.u64());
        self.session.place = place;
        if decision.complete {
            // An active session can always be completed, and only such a one takes a step.
            let _always = self.session.apply(Event::Complete, Party::System, "protocol finished", self.now);
        }
        script
    }

    /// The turn's number.
    pub fn turn(&self) -> u32 {
        self.before.turn_count + 1
    }

    /// The turn as it is to be stored: the plan with its words.
    pub fn with(
        mut self,
        mut words: Words,
        turns: &Turns,
        admitted: &Admitted,
        arrived: Timestamp,
    ) -> Decided {
        // What cannot be assessed might be danger.
        words.resources |= self.signals.has(OTHER_LANGUAGE);
        self.session.turn_count = self.turn();
        self.session.last_interaction = self.now;
        let disclosure = self.disclose(&words);
        let mut exchange = compose::exchange(turns, admitted, &self.session, words);
        if let Some(told) = &mut exchange.told {
            told.processing_ms = millis(turns.clock.now().since(arrived));
            told.disclosure = disclosure;
        }
        let noticed = Noticed { signals: &self.signals, screening: &admitted.screening };
        let reply = compose::reply(turns, &self.session, &exchange, &noticed);
        Decided {
            under: self.session.level,
            rose: self.session.level > self.before.level,
            completed: self.before.status != Status::Completed && self.session.status == Status::Completed,
            why: self.why,
            session: self.session,
            exchange,
            reply,
        }
    }

    /// What the reply tells of the AI, where that is due or was asked for.
    fn disclose(&mut self, words: &Words) -> Option<Disclosure> {
        if !self.tells && words.decision != disclosure::ASKED {
            self.session.telling.go_on(self.before.last, self.now);
            return None;
        }
        self.session.telling.tell(self.now);
        Some(Audience::of(&self.session.meta).disclosure())
    }
}

/// The session as the turn finds it: the stored one, or a new one that is not stored yet.
pub(super) fn session_before(turns: &Turns, working: &Working, now: Timestamp) -> Session {
    if let Some(session) = working.session() {
        return session.clone();
    }
    let id = working.key.id.clone();
    let predecessor = working.begun.predecessor.as_deref();
    let mut session = Session::open(Opening {
        client: working.begun.client.clone(),
        client_id: predecessor.and_then(|predecessor| predecessor.client_id.clone()),
        place: turns.knowledge.start(),
        ttl: predecessor.map_or(turns.settings.session_ttl, |predecessor| predecessor.ttl),
        meta: predecessor.map_or_else(created_by_input, |predecessor| predecessor.meta.clone()),
        id,
        now,
    });
    session.successor_of = predecessor
        .map(|predecessor| predecessor.successor_of.clone().unwrap_or_else(|| predecessor.id.clone()));
    session.telling = predecessor.map(|predecessor| predecessor.telling.clone()).unwrap_or_default();
    session.consent = predecessor.and_then(|predecessor| predecessor.consent.clone());
    session.align(working.memory(), now);
    session
}

fn created_by_input() -> crate::domain::session::Meta {
    [("created_via".to_owned(), MetaValue::Text("input_endpoint".to_owned()))].into()
}

fn course(session: &Session, assessment: &Assessment) -> Course {
    match (assessment.action, session.status) {
        (Action::Crisis | Action::SafetyQuestion | Action::Rescreen, _) => Course::Danger,
        (Action::Continue, Status::Completed) => Course::Stand(Standing::Closing),
        (Action::Continue, Status::Paused) => Course::Stand(Standing::Hold),
        (
            Action::Continue,
            Status::Initializing | Status::Active | Status::Transitioning | Status::Error | Status::Expired,
        ) if assessment.answers_only => Course::Stand(Standing::SafetyAnswered),
        (
            Action::Continue,
            Status::Initializing | Status::Active | Status::Transitioning | Status::Error | Status::Expired,
        ) if session.successor_of.is_some() && session.turn_count == 0 => {
            Course::Stand(Standing::WelcomeBack)
        }
        (
            Action::Continue,
            Status::Initializing | Status::Active | Status::Transitioning | Status::Error | Status::Expired,
        ) => Course::Step,
    }
}

/// A moment in which nobody is asked how they are by a form.
fn is_hard(signals: &Signals) -> bool {
    signals.emotional_state.intensity >= PLAIN_EMOTION || signals.has("cries")
}

/// The ratchet in the session: it only rises here, and pauses what goes on.
fn take_level(session: &mut Session, level: Level, now: Timestamp) {
    session.level = session.level.max(level);
    if session.level.pauses() {
        // From a status that does not go on the event changes nothing, and none refuses it.
        let _unchanged = session.apply(Event::Safety, Party::Safety, "safety level", now);
    }
}

/// What the crisis dialogue says.
struct SaidInDanger {
    reply: CrisisReply,
    /// Whether the reply may count as telling of the AI: not where other words went out before they were asked to.
    can_tell: bool,
}

fn speak_of_danger(
    turns: &Turns,
    admitted: &Admitted,
    session: &mut Session,
    is_ai_due: bool,
    now: Timestamp,
) -> SaidInDanger {
    let country = compose::country_of(turns, session);
    let said = Said {
        text: &admitted.text,
        screening: &admitted.screening,
        level: session.level,
        country: country.as_deref(),
        is_on_duty: turns.settings.duty.covers(now),
        is_ai_due,
    };
    let own = turns.knowledge.safety.reply(&session.crisis, &said, turns.entropy.u64());
    let reply = admitted.spoken.choose(own.clone());
    let can_tell = reply.tells_ai || reply.text == own.text;
    take_level(session, reply.level, now);
    // Words that went out before anything was known begin the dialogue; they must not throw an older one back.
    if reply.place.replies + reply.place.safety_questions
        >= session.crisis.replies + session.crisis.safety_questions
    {
        session.crisis = reply.place.clone();
    }
    SaidInDanger { reply, can_tell }
}

fn danger_in_words(reply: CrisisReply, session: &Session, admitted: &Admitted, seen: u32) -> Words {
    let rules: Vec<&str> = admitted.screening.hits.iter().map(|hit| hit.rule.as_str()).collect();
    Words {
        text: reply.text,
        decision: reply.decision.to_owned(),
        label: None,
        reasoning: format!("safety level {}; rules: {}", session.level.as_str(), listed(&rules)),
        responder: Responder::Crisis,
        resources: !reply.resources.is_empty(),
        exchanges_seen: seen,
        written: None,
    }
}

fn listed(rules: &[&str]) -> String {
    if rules.is_empty() { "none in this text".to_owned() } else { rules.join(", ") }
}

fn stand(turns: &Turns, session: &mut Session, standing: Standing, seen: u32) -> Words {
    let protocol = turns.knowledge.version_of(&session.place);
    let decision = protocol.stand(&session.place, standing);
    let mut place = decision.place.clone();
    let script = turns.knowledge.scripted.reply(&protocol, &decision, &mut place, turns.entropy.u64());
    session.place = place;
    Words::scripted(decision, script.whole(), seen)
}

impl Words {
    pub fn scripted(decision: Decision, text: String, exchanges_seen: u32) -> Self {
        Self {
            text,
            decision: decision.decision,
            label: decision.label,
            reasoning: decision.reasoning,
            responder: Responder::Scripted,
            resources: false,
            exchanges_seen,
            written: None,
        }
    }
}

fn step(turns: &Turns, session: &Session, signals: &Signals) -> Says {
    match navigate(&turns.knowledge.version_of(&session.place), &session.place, signals) {
        Navigation::Decided(decision) => Says::Decision(decision),
        Navigation::Open(options) => Says::Open(options),
    }
}
