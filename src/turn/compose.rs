//! **reply**: the turn's answer out of its stored record, so that it can be told again word for word. Says nothing new.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::exchange::{Exchange, Responder, Told};
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::protocol::Place;
use crate::domain::safety::{CrisisPlace, CrisisReply, Level, Said, Screening};
use crate::domain::session::{MetaValue, Session, Status};
use crate::domain::signals::{Detection, Signals};

use super::Turns;
use super::decide::Words;
use super::input::Admitted;
use super::reply::{
    Check, Context, DontKnowCheck, EmotionalState, Navigation, Preprocessing, Reply, SafetyChecks,
    SafetyReport, SessionProgress, Storage,
};

/// The country whose crisis lines count for a session.
pub(super) fn country_of(turns: &Turns, session: &Session) -> Option<String> {
    match session.meta.get("country") {
        Some(MetaValue::Text(country)) => Some(country.clone()),
        Some(MetaValue::Flag(_) | MetaValue::Integer(_) | MetaValue::Number(_)) | None => {
            turns.settings.country.clone()
        }
    }
}

/// To the microsecond: what is stored has to be what was told.
pub(super) fn millis(time: Duration) -> f64 {
    f64::from(u32::try_from(time.as_micros()).unwrap_or(u32::MAX)) / 1_000.0
}

/// The record of a turn that leaves its session as `session`.
pub(super) fn exchange(turns: &Turns, admitted: &Admitted, session: &Session, words: Words) -> Exchange {
    let told = told(turns, session.status, &session.place, admitted.cut, &words);
    Exchange {
        was_turn: None,
        turn: session.turn_count,
        timestamp: session.last_interaction,
        client_input: admitted.text.to_string(),
        current_substate: turns.knowledge.substate_of(&session.place),
        safety_level: session.level,
        responder: words.responder,
        therapist_response: words.text,
        navigation_decision: words.decision,
        rag_query: words.label,
        told: Some(told),
    }
}

fn told(turns: &Turns, status: Status, place: &Place, cut: bool, words: &Words) -> Told {
    let protocol = turns.knowledge.version_of(place);
    Told {
        status,
        reasoning: words.reasoning.clone(),
        body_question_count: protocol.body_question_count(place),
        criteria: protocol.met(place),
        exchanges_seen: words.exchanges_seen,
        written: words.written.clone(),
        resources: words.resources,
        disclosure: None,
        cut,
        processing_ms: 0.0,
    }
}

/// What of the text was noticed: it follows from the text alone.
pub(super) struct Noticed<'a> {
    pub signals: &'a Signals,
    pub screening: &'a Screening,
}

/// The reply to a turn of `session`.
pub(super) fn reply(turns: &Turns, session: &Session, exchange: &Exchange, noticed: &Noticed<'_>) -> Reply {
    let frame = Frame {
        session_id: &session.id,
        successor_of: session.successor_of.as_ref(),
        place: &session.place,
        country: country_of(turns, session),
    };
    let mut reply = framed(turns, &frame, exchange, noticed);
    reply.turn = Some(exchange.turn);
    reply.storage = Storage::of_store(turns.store.name());
    reply
}

/// The reply to a stored turn, as it was given.
pub(super) fn again(turns: &Turns, key: &SessionKey, (session, exchange): (&Session, &Exchange)) -> Reply {
    let signals = turns.knowledge.lexicon.read(&exchange.client_input);
    let screening = turns.knowledge.safety.screen(&exchange.client_input);
    let noticed = Noticed { signals: &signals, screening: &screening };
    let storage = Storage::of_store(turns.store.storage(key));
    Reply { storage, ..reply(turns, session, exchange, &noticed) }
}

/// The crisis reply when nothing of the session is known. It holds the words that are, or will be, stored behind it.
pub(super) fn stateless(turns: &Turns, admitted: &Admitted) -> Reply {
    let known = Known {
        id: &admitted.key.id,
        place: &turns.knowledge.start(),
        status: Status::Active,
        level: admitted.screening.level,
        crisis: &CrisisPlace::default(),
        country: turns.settings.country.clone(),
    };
    unrecorded(turns, admitted, &known).0
}

/// What is known of a session that a reply is not stored in.
pub(super) struct Known<'a> {
    id: &'a SessionId,
    place: &'a Place,
    status: Status,
    level: Level,
    crisis: &'a CrisisPlace,
    country: Option<String>,
}

impl<'a> Known<'a> {
    pub fn of(session: &'a Session, country: Option<String>) -> Self {
        let Session { id, place, status, level, crisis, .. } = session;
        Self { id, place, status: *status, level: *level, crisis, country }
    }
}

/// A crisis reply that is stored nowhere, and what the dialogue says with it.
pub(super) fn unrecorded(turns: &Turns, admitted: &Admitted, known: &Known<'_>) -> (Reply, CrisisReply) {
    let spoken = speak_unrecorded(turns, admitted, known);
    let words = in_words(spoken.clone());
    let signals = turns.knowledge.lexicon.read(&admitted.text);
    let (place, level) = (known.place, known.level.max(spoken.level));
    let status = if level.pauses() { Status::Paused } else { known.status };
    let exchange = Exchange {
        was_turn: None,
        turn: 0,
        timestamp: turns.clock.now(),
        client_input: admitted.text.to_string(),
        current_substate: turns.knowledge.substate_of(place),
        safety_level: level,
        responder: words.responder,
        told: Some(told(turns, status, place, admitted.cut, &words)),
        therapist_response: words.text,
        navigation_decision: words.decision,
        rag_query: None,
    };
    let frame = Frame { session_id: known.id, successor_of: None, place, country: known.country.clone() };
    let noticed = Noticed { signals: &signals, screening: &admitted.screening };
    (framed(turns, &frame, &exchange, &noticed), spoken)
}

fn speak_unrecorded(turns: &Turns, admitted: &Admitted, known: &Known<'_>) -> CrisisReply {
    let said = Said {
        text: &admitted.text,
        screening: &admitted.screening,
        level: known.level,
        country: known.country.as_deref(),
        // Where the store is away, nobody's list shows it yet; where nobody is talked with, there may be no team.
        is_on_duty: false,
        is_ai_due: false,
    };
    let safety = &turns.knowledge.safety;
    admitted.spoken.send(|| safety.reply(known.crisis, &said, turns.entropy.u64()))
}

fn in_words(spoken: CrisisReply) -> Words {
    Words {
        text: spoken.text,
        decision: spoken.decision.to_owned(),
        label: None,
        reasoning: "answered without a record".to_owned(),
        responder: Responder::Crisis,
        resources: !spoken.resources.is_empty(),
        exchanges_seen: 0,
        written: None,
    }
}

/// What a reply tells of its session.
struct Frame<'a> {
    session_id: &'a SessionId,
    successor_of: Option<&'a SessionId>,
    /// Names the protocol whose criteria are told.
    place: &'a Place,
    country: Option<String>,
}

fn framed(turns: &Turns, frame: &Frame<'_>, exchange: &Exchange, noticed: &Noticed<'_>) -> Reply {
    let untold;
    let told = if let Some(told) = &exchange.told {
        told
    } else {
        untold = nothing_told(exchange);
        &untold
    };
    let resources = &turns.knowledge.safety.resources;
    let resources =
        if told.resources { resources.for_country(frame.country.as_deref()).to_vec() } else { Vec::new() };
    Reply {
        therapist_response: exchange.therapist_response.clone(),
        preprocessing: preprocessing(noticed, &exchange.client_input),
        navigation: navigation(exchange, told),
        session_progress: SessionProgress {
            current_substate: exchange.current_substate.clone(),
            body_question_count: told.body_question_count,
            completion_criteria: criteria(turns, frame.place, &told.criteria),
        },
        timestamp: exchange.timestamp,
        turn: None,
        session_id: frame.session_id.to_string(),
        successor_of: frame.successor_of.map(ToString::to_string),
        status: told.status,
        safety: SafetyReport { level: exchange.safety_level, resources },
        responder: exchange.responder,
        context: context(exchange, told),
        disclosure: told.disclosure.clone(),
        storage: Storage::None,
        truncated: told.cut,
        processing_ms: told.processing_ms,
        model_ms: told.written.as_ref().map_or(0.0, |written| written.ms),
    }
}

/// An exchange of another program, or of an earlier version, tells no more than itself.
fn nothing_told(exchange: &Exchange) -> Told {
    Told {
        status: Status::Active,
        reasoning: String::new(),
        body_question_count: 0,
        criteria: String::new(),
        exchanges_seen: 0,
        written: None,
        resources: exchange.safety_level.pauses(),
        disclosure: None,
        cut: false,
        processing_ms: 0.0,
    }
}

fn navigation(exchange: &Exchange, told: &Told) -> Navigation {
    Navigation {
        decision: exchange.navigation_decision.clone(),
        next_state: exchange.current_substate.clone(),
        rag_query: exchange.rag_query.clone(),
        passages: told.written.as_ref().map(|written| written.passages.clone()).unwrap_or_default(),
        reasoning: told.reasoning.clone(),
    }
}

fn context(exchange: &Exchange, told: &Told) -> Context {
    let written = told.written.as_ref();
    Context {
        exchanges_seen: told.exchanges_seen,
        exchanges_total: exchange.turn.saturating_sub(1),
        prompt_tokens: written.and_then(|written| written.prompt_tokens),
        truncated: written.is_some_and(|written| written.truncated),
        fallback: written.and_then(|written| written.fallback.clone()),
    }
}

/// The criteria of the place's protocol, met where the record says `1`.
fn criteria(turns: &Turns, place: &Place, met: &str) -> BTreeMap<String, bool> {
    let protocol = turns.knowledge.version_of(place);
    protocol.criteria_met(met).map(|(name, met)| (name.to_owned(), met)).collect()
}

fn preprocessing(noticed: &Noticed<'_>, text: &str) -> Preprocessing {
    let signals = noticed.signals;
    Preprocessing {
        original_input: text.to_owned(),
        cleaned_input: signals.cleaned_input.clone(),
        corrected_input: signals.corrected_input.clone(),
        emotional_state: EmotionalState {
            categories: signals.emotional_state.categories.clone(),
            intensity: signals.emotional_state.intensity,
            primary_emotion: signals.emotional_state.primary_emotion.clone(),
        },
        input_category: signals.input_category.clone(),
        spelling_corrections: signals.spelling_corrections.clone(),
        safety_checks: SafetyChecks {
            self_harm_detected: noticed.screening.self_harm(),
            thinking_mode_detected: check(&signals.thinking),
            past_tense_detected: check(&signals.past),
            i_dont_know_detected: DontKnowCheck {
                detected: signals.dont_know.detected,
                phrases_found: signals.dont_know.phrases_found.clone(),
                context: signals.dont_know.context.to_owned(),
            },
        },
    }
}

fn check(detection: &Detection) -> Check {
    Check { detected: detection.detected, phrases_found: detection.phrases_found.clone() }
}
