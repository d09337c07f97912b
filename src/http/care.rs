//! What clinicians do with a session beside reading it: clear its level, write notes, take an alert upon themselves.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{Caller, Who};
use crate::domain::alert::AlertId;
use crate::domain::id::SessionKey;
use crate::domain::note::{NOTE_MAX_CHARS, Note, NoteKind};
use crate::domain::safety::{Basis, Level};
use crate::domain::session::Event;
use crate::store::{Noted, Transition, Transitioned};

use super::body::{self, OTHER_MAX_BYTES};
use super::guard::Reached;
use super::problem::{Body, Code, Problem};
use super::state::State;
use super::wire::alerts::AlertBody;
use super::wire::care::{ClearBody, ClearedBody, NoteBody, NotesBody, OwnBody, WriteNoteBody};

/// The transition of a clearing says where its reason is kept.
const SEE_NOTES: &str = "see the notes";

/// Clear the level of the session's client: every session that danger had paused goes on. The reason is kept as a note. Refused
/// where danger has shown since the clinician looked.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/clear", tag = "clinicians", request_body = ClearBody,
    params(("id" = String, Path)),
    responses((status = 200, description = "Cleared", body = ClearedBody), (status = 409, description = "Danger has shown since the session was read", body = Body, content_type = "application/problem+json"))
)]
pub async fn clear(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let ClearBody { reason, basis } = body::decode(&bytes)?;
    let reason = checked("reason", reason)?;
    let unfit = || Problem::invalid("basis", "must be the basis that the session was read with");
    let seen = Basis::parse(&basis).ok_or_else(unfit)?;
    let before = state.store().read(&key).await?.ok_or_else(Problem::not_found)?;
    let (level, status) = (before.session.level, before.session.status);
    if level == Level::None {
        let body = ClearedBody { session_id: key.id.to_string(), status, cleared: false };
        return Ok(HttpResponse::Ok().json(body));
    }
    if seen != before.basis {
        return Err(overtaken());
    }
    // Why comes first: no level falls without it.
    write(&state, &caller, &key, NoteKind::Cleared, reason).await?;
    let transition = Transition {
        session: key.clone(),
        event: Event::Clear,
        by: caller.party(),
        reason: SEE_NOTES.to_owned(),
        seen: Some(seen),
    };
    match state.store().transition(transition).await? {
        Transitioned::Done(status) => {
            Ok(HttpResponse::Ok().json(ClearedBody { session_id: key.id.to_string(), status, cleared: true }))
        }
        Transitioned::Refused(refusal) => Err(refusal.into()),
        Transitioned::Overtaken => Err(overtaken()),
        Transitioned::Absent => Err(Problem::not_found()),
    }
}

fn overtaken() -> Problem {
    Problem::new(Code::Overtaken, "look at the session again: danger has shown, or somebody has cleared it")
}

/// Write a note beside the session, for other clinicians.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/notes", tag = "clinicians", request_body = WriteNoteBody,
    params(("id" = String, Path)),
    responses((status = 200, description = "Kept", body = NoteBody), (status = 409, description = "There are too many", body = Body, content_type = "application/problem+json"))
)]
pub async fn add_note(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let text = checked("text", body::decode::<WriteNoteBody>(&bytes)?.text)?;
    let note = write(&state, &caller, &key, NoteKind::Note, text).await?;
    Ok(HttpResponse::Ok().json(NoteBody::of(&note)))
}

/// The notes of the session, oldest first.
#[utoipa::path(
    get, path = "/api/v1/session/{id}/notes", tag = "clinicians", params(("id" = String, Path)),
    responses((status = 200, description = "They", body = NotesBody))
)]
pub async fn notes(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    let notes = state.store().notes(&key).await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(NotesBody { notes: notes.iter().map(NoteBody::of).collect() }))
}

async fn write(
    state: &State,
    caller: &Caller,
    key: &SessionKey,
    kind: NoteKind,
    text: String,
) -> Result<Note, Problem> {
    let (id, at) = (state.turns.entropy.hex_id(), state.turns.clock.now());
    let note = Note { id, at, by: caller.name.clone(), kind, text };
    match state.store().note(key, note.clone()).await? {
        Noted::Kept => Ok(note),
        Noted::TooMany => Err(Problem::new(Code::TooManyNotes, "the session has as many notes as it may")),
        Noted::Absent => Err(Problem::not_found()),
    }
}

fn checked(field: &str, text: String) -> Result<String, Problem> {
    let fits = (1..=NOTE_MAX_CHARS).contains(&text.trim().chars().count());
    if fits { Ok(text) } else { Err(Problem::invalid(field, "must have 1 to 1000 characters")) }
}

/// Look after an alert, or say that one does no more.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/own", tag = "alerts", request_body = Option<OwnBody>,
    params(("id" = String, Path)),
    responses((status = 200, description = "The alert as it stands", body = AlertBody))
)]
pub async fn own(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let id = AlertId::parse(&path.into_inner()).ok_or_else(Problem::not_found)?;
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let body: OwnBody = body::decode_if_any(&bytes)?.unwrap_or_default();
    let name = if caller.who == Who::Anyone { "somebody".to_owned() } else { caller.name };
    let owner = (!body.release).then_some(name);
    let alert = state.store().own(&caller.org, &id, owner).await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(AlertBody::of(&alert)))
}
