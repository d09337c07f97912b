//! **assess**, **navigate**, **generate**: from what is known and what was said to the session after the turn.
//!
//! Pure but for the time and the seed that it draws: it touches no store.

use crate::domain::protocol::{Decision, Navigation, Standing, navigate};
use crate::domain::safety::{Action, Assessment, Level, Resource, Said};
use crate::domain::session::{Event, Exchange, MetaValue, Opening, Party, Responder, Session, Status};
use crate::domain::signals::Signals;
use crate::domain::time::Timestamp;

use super::Turns;
use super::begin::Working;
use super::compose;
use super::input::Admitted;
use super::reply::{Reply, Storage};

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

/// What is said, and why.
pub(super) struct Words {
    pub text: String,
    pub decision: String,
    pub label: Option<String>,
    pub reasoning: String,
    pub responder: Responder,
    pub resources: Vec<Resource>,
}

/// Which way a turn goes: danger first, then what the session's status demands, then the protocol.
enum Course {
    /// The crisis dialogue, or the one question at elevated.
    Danger,
    /// Beside the protocol: a person paused the session, it is completed, or a successor greets.
    Stand(Standing),
    Step,
}

pub(super) fn decide(turns: &Turns, admitted: &Admitted, working: &Working, arrived: Timestamp) -> Decided {
    let now = turns.clock.now();
    let mut session = session_before(turns, working, now);
    let before = Before { turn_count: session.turn_count, level: session.level, status: session.status };
    let assessment = turns.knowledge.safety.assess(
        &mut session.crisis,
        &admitted.text,
        &admitted.screening,
        session.level,
    );
    let signals = turns.knowledge.lexicon.read(&admitted.text);
    take_level(&mut session, assessment.level, now);
    let words = match course(&session, &assessment) {
        Course::Danger => speak_of_danger(turns, admitted, &mut session, now),
        Course::Stand(standing) => stand(turns, &mut session, standing),
        Course::Step => take_step(turns, &mut session, &signals, now),
    };
    session.turn_count += 1;
    session.last_interaction = now;
    let exchange = exchange(turns, admitted, &session, &words);
    let mut reply = compose::reply(turns, &signals, admitted, &session, words);
    reply.turn = Some(session.turn_count);
    reply.storage = Storage::of_store(turns.store.name());
    reply.context.exchanges_seen = u32::try_from(working.recent().len()).unwrap_or(u32::MAX);
    reply.context.exchanges_total = before.turn_count;
    reply.processing_ms = turns.clock.now().since(arrived).as_secs_f64() * 1_000.0;
    Decided {
        under: session.level,
        rose: session.level > before.level,
        completed: before.status != Status::Completed && session.status == Status::Completed,
        why: assessment.why,
        session,
        exchange,
        reply,
    }
}

/// What of a session a turn is measured against.
struct Before {
    turn_count: u32,
    level: Level,
    status: Status,
}

/// The session as the turn finds it: the stored one, or a new one that is not stored yet.
fn session_before(turns: &Turns, working: &Working, now: Timestamp) -> Session {
    if let Some(session) = working.session() {
        return session.clone();
    }
    let id = working.key.id.clone();
    let predecessor = working.begun.predecessor.as_deref();
    let mut session = Session::open(Opening {
        client: predecessor.map_or_else(
            || turns.secret.client_key(&working.key.org, None, &id),
            |predecessor| predecessor.client.clone(),
        ),
        client_id: predecessor.and_then(|predecessor| predecessor.client_id.clone()),
        place: turns.knowledge.start(),
        ttl: predecessor.map_or(turns.settings.session_ttl, |predecessor| predecessor.ttl),
        meta: predecessor.map_or_else(created_by_input, |predecessor| predecessor.meta.clone()),
        id,
        now,
    });
    session.successor_of = predecessor
        .map(|predecessor| predecessor.successor_of.clone().unwrap_or_else(|| predecessor.id.clone()));
    session.align(working.memory(), now);
    session
}

fn created_by_input() -> crate::domain::session::Meta {
    [("created_via".to_owned(), MetaValue::Text("input_endpoint".to_owned()))].into()
}

fn course(session: &Session, assessment: &Assessment) -> Course {
    match (assessment.action, session.status) {
        (Action::Crisis | Action::SafetyQuestion, _) => Course::Danger,
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

/// The ratchet in the session: it only rises here, and pauses what goes on.
fn take_level(session: &mut Session, level: Level, now: Timestamp) {
    session.level = session.level.max(level);
    if session.level.pauses() {
        // From a status that does not go on the event changes nothing, and none refuses it.
        let _unchanged = session.apply(Event::Safety, Party::Safety, "safety level", now);
    }
}

fn speak_of_danger(turns: &Turns, admitted: &Admitted, session: &mut Session, now: Timestamp) -> Words {
    let country = compose::country_of(turns, session);
    let said = Said {
        text: &admitted.text,
        screening: &admitted.screening,
        level: session.level,
        country: country.as_deref(),
    };
    let own = turns.knowledge.safety.reply(&session.crisis, &said, turns.entropy.u64());
    let spoken = admitted.spoken.choose(own);
    take_level(session, spoken.level, now);
    // Words that went out before anything was known begin the dialogue; they must not throw an older one back.
    if spoken.place.replies + spoken.place.safety_questions
        >= session.crisis.replies + session.crisis.safety_questions
    {
        session.crisis = spoken.place;
    }
    let rules: Vec<&str> = admitted.screening.hits.iter().map(|hit| hit.rule.as_str()).collect();
    Words {
        text: spoken.text,
        decision: spoken.decision.to_owned(),
        label: None,
        reasoning: format!("safety level {}; rules: {}", session.level.as_str(), listed(&rules)),
        responder: Responder::Crisis,
        resources: spoken.resources,
    }
}

fn listed(rules: &[&str]) -> String {
    if rules.is_empty() { "none in this text".to_owned() } else { rules.join(", ") }
}

fn stand(turns: &Turns, session: &mut Session, standing: Standing) -> Words {
    let decision = turns.knowledge.version_of(&session.place).stand(&session.place, standing);
    say(turns, session, decision)
}

fn take_step(turns: &Turns, session: &mut Session, signals: &Signals, now: Timestamp) -> Words {
    let protocol = turns.knowledge.version_of(&session.place);
    let decision = match navigate(&protocol, &session.place, signals) {
        Navigation::Decided(decision) => decision,
        Navigation::Open(options) => options.by_rule(),
    };
    let complete = decision.complete;
    let words = say(turns, session, decision);
    if complete {
        // An active session can always be completed, and only such a one takes a step.
        let _always = session.apply(Event::Complete, Party::System, "protocol finished", now);
    }
    words
}

fn say(turns: &Turns, session: &mut Session, decision: Decision) -> Words {
    let mut place = decision.place.clone();
    let text = turns.knowledge.scripted.reply(&decision, &mut place, turns.entropy.u64()).text;
    session.place = place;
    Words {
        text,
        decision: decision.decision,
        label: decision.label,
        reasoning: decision.reasoning,
        responder: Responder::Scripted,
        resources: Vec::new(),
    }
}

fn exchange(turns: &Turns, admitted: &Admitted, session: &Session, words: &Words) -> Exchange {
    Exchange {
        turn: session.turn_count,
        timestamp: session.last_interaction,
        client_input: admitted.text.to_string(),
        therapist_response: words.text.clone(),
        navigation_decision: words.decision.clone(),
        rag_query: words.label.clone(),
        current_substate: turns.knowledge.substate_of(&session.place),
        safety_level: session.level,
        responder: words.responder,
    }
}
