//! A person's rights to what is kept of them: all of it in one answer.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::audit;
use crate::domain::id::SessionKey;
use crate::turn::Storage;

use super::guard::Reached;
use super::problem::Problem;
use super::state::State;
use super::wire::rights::{ExportBody, Kept};

/// Turns that are read at once.
const TURNS_AT_ONCE: usize = 500;

/// Everything that is kept of a session: its turns with what was decided in each, its state, consent, disclosure, notes,
/// alerts, and who looked into it.
#[utoipa::path(
    get, path = "/api/v1/session/{id}/export", tag = "rights", params(("id" = String, Path)),
    responses((status = 200, description = "All of it", body = ExportBody))
)]
pub async fn export(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    let snapshot = state.store().read(&key).await?.ok_or_else(Problem::not_found)?;
    let (turns, trimmed) = turns(&state, &key).await?;
    let kept = Kept {
        at: state.turns.clock.now(),
        turns,
        trimmed,
        notes: state.store().notes(&key).await?.unwrap_or_default(),
        accesses: audit::of_session(state.store(), &key).await?,
        storage: Storage::of_store(state.store().name()),
    };
    Ok(HttpResponse::Ok().json(ExportBody::of(&snapshot, &state.turns.knowledge, kept)))
}

/// All turns that are kept, oldest first, and whether older ones have been dropped.
async fn turns(
    state: &State,
    key: &SessionKey,
) -> Result<(Vec<crate::domain::exchange::Exchange>, bool), Problem> {
    let (mut turns, mut before, mut trimmed) = (Vec::new(), None, false);
    loop {
        let page = state.store().history(key, before, TURNS_AT_ONCE).await?.ok_or_else(Problem::not_found)?;
        trimmed |= page.trimmed;
        turns.extend(page.exchanges);
        before = page.next_before;
        if before.is_none() {
            turns.reverse();
            return Ok((turns, trimmed));
        }
    }
}
