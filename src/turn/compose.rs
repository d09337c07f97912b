//! **reply**: the turn's answer out of what was decided. Says nothing new.

use crate::domain::protocol::Place;
use crate::domain::safety::{CrisisPlace, Level, Said};
use crate::domain::session::{MetaValue, Responder, Session, Status};
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

/// The reply to a turn in `session`. It is not stored yet, and says so until the caller knows better.
pub(super) fn reply(
    turns: &Turns,
    signals: &Signals,
    admitted: &Admitted,
    session: &Session,
    words: Words,
) -> Reply {
    let standing = Standing {
        session_id: session.id.to_string(),
        successor_of: session.successor_of.as_ref().map(ToString::to_string),
        place: &session.place,
        status: session.status,
        level: session.level,
    };
    let mut reply = of_standing(turns, signals, admitted, &standing, words);
    reply.timestamp = session.last_interaction;
    reply
}

/// The crisis reply when nothing of the session is known. It holds the words that are, or will be, stored behind it.
pub(super) fn stateless(turns: &Turns, admitted: &Admitted) -> Reply {
    let words = stateless_words(turns, admitted);
    let signals = turns.knowledge.lexicon.read(&admitted.text);
    let place = turns.knowledge.start();
    let level = admitted.screening.level;
    let standing = Standing {
        session_id: admitted.key.id.to_string(),
        successor_of: None,
        place: &place,
        status: if level.pauses() { Status::Paused } else { Status::Active },
        level,
    };
    of_standing(turns, &signals, admitted, &standing, words)
}

fn stateless_words(turns: &Turns, admitted: &Admitted) -> Words {
    let said = Said {
        text: &admitted.text,
        screening: &admitted.screening,
        level: admitted.screening.level,
        country: turns.settings.country.as_deref(),
    };
    let safety = &turns.knowledge.safety;
    let spoken = admitted.spoken.send(|| safety.reply(&CrisisPlace::default(), &said, turns.entropy.u64()));
    Words {
        text: spoken.text,
        decision: spoken.decision.to_owned(),
        label: None,
        reasoning: "answered before the store did".to_owned(),
        responder: Responder::Crisis,
        resources: spoken.resources,
    }
}

/// Where the session stands after the turn.
struct Standing<'a> {
    session_id: String,
    successor_of: Option<String>,
    place: &'a Place,
    status: Status,
    level: Level,
}

fn of_standing(
    turns: &Turns,
    signals: &Signals,
    admitted: &Admitted,
    standing: &Standing<'_>,
    words: Words,
) -> Reply {
    let progress = turns.knowledge.progress_of(standing.place);
    Reply {
        therapist_response: words.text,
        preprocessing: preprocessing(signals, admitted),
        navigation: Navigation {
            decision: words.decision,
            next_state: progress.substate.clone(),
            rag_query: words.label,
            reasoning: words.reasoning,
        },
        session_progress: SessionProgress {
            current_substate: progress.substate,
            body_question_count: progress.body_question_count,
            completion_criteria: progress.criteria,
        },
        timestamp: turns.clock.now(),
        turn: None,
        session_id: standing.session_id.clone(),
        successor_of: standing.successor_of.clone(),
        status: standing.status,
        safety: SafetyReport { level: standing.level, resources: words.resources },
        responder: words.responder,
        context: Context { exchanges_seen: 0, exchanges_total: 0, truncated: false },
        storage: Storage::None,
        truncated: admitted.cut,
        processing_ms: 0.0,
        model_ms: 0.0,
    }
}

fn preprocessing(signals: &Signals, admitted: &Admitted) -> Preprocessing {
    Preprocessing {
        original_input: admitted.text.to_string(),
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
            self_harm_detected: admitted.screening.self_harm(),
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
