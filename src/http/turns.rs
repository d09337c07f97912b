//! Single turns: reading one again, and stopping the one at work.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use crate::turn::{Recalled, Reply};

use super::guard::Reached;
use super::input;
use super::problem::{Body, Problem};
use super::state::State;
use super::wire::{PendingBody, StoppedBody};

/// A turn again, as it was answered; while it is at work: that it is.
#[utoipa::path(
    get, path = "/api/v1/session/{id}/turn/{n}", tag = "conversation",
    params(("id" = String, Path), ("n" = u32, Path, description = "Counts from 1")),
    responses(
        (status = 200, description = "The turn", body = Reply),
        (status = 202, description = "It is at work", body = PendingBody),
        (status = 404, description = "Not said yet, or no longer kept", body = Body, content_type = "application/problem+json")
    )
)]
pub async fn read(
    state: Data<State>,
    Reached(key): Reached,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (_, turn) = path.into_inner();
    let turn: u32 = turn.parse().map_err(|_not_a_number| Problem::not_found())?;
    match state.turns.recall(&key, turn).await? {
        Recalled::Stored(reply) => Ok(input::stored(&reply, true)),
        Recalled::Running => {
            let session_id = key.id.to_string();
            Ok(HttpResponse::Accepted().json(PendingBody { session_id, turn, responder: "pending" }))
        }
        Recalled::Absent => Err(Problem::not_found()),
    }
}

/// Stop the turn at work. What it has said is stored; one that has said nothing leaves no trace.
#[utoipa::path(
    delete, path = "/api/v1/session/{id}/turn", tag = "conversation", params(("id" = String, Path)),
    responses((status = 200, description = "Whether one was stopped", body = StoppedBody))
)]
pub async fn stop(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    let ended = state.turns.stop(&key).await?;
    Ok(HttpResponse::Ok().json(StoppedBody { stopped: ended.stopped, turn: ended.turn }))
}
