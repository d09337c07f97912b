//! What the public is told of how Attune deals with danger, for programs and for people.

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, VARY};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::state::State;
use super::wire::{CrisisProtocolBody, CrisisResources};

/// It changes with the binary alone.
const KEPT: &str = "public, max-age=3600";
const RESOURCES: &str = "/api/v1/resources";

/// What Attune does in danger, what it never does, and what it cannot do.
#[utoipa::path(
    get, path = "/.well-known/crisis-protocol", tag = "operations",
    params(("Accept" = Option<String>, Header, description = "`text/markdown` for a page to read")),
    responses((status = 200, description = "Public; may be kept for an hour", content((CrisisProtocolBody = "application/json"), (String = "text/markdown"))))
)]
pub async fn crisis_protocol(state: Data<State>, request: HttpRequest) -> HttpResponse {
    let (statement, resources) = (&state.turns.knowledge.statement, &state.turns.knowledge.safety.resources);
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, KEPT)).insert_header((VARY, "accept"));
    if wants_a_page(&request) {
        let page = statement.page(resources, state.contact.as_deref());
        return response.content_type("text/markdown; charset=utf-8").body(page);
    }
    let by_country =
        resources.countries().map(|code| (code.to_owned(), format!("{RESOURCES}?country={code}")));
    response.json(CrisisProtocolBody {
        version: statement.version.clone(),
        date: statement.date.clone(),
        contact: state.contact.clone(),
        levels: statement.levels().collect(),
        does: statement.does.clone(),
        never: statement.never.clone(),
        limits: statement.limits.clone(),
        figures: statement.figures.clone(),
        resources: CrisisResources { by_country: by_country.collect(), everywhere: RESOURCES.to_owned() },
    })
}

fn wants_a_page(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.trim().starts_with("text/markdown"))
}
