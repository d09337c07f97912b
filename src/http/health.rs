//! Whether the server lives, is ready, and how it fares.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::access::Caller;
use crate::domain::id::OrgId;
use crate::notify::Standing;
use crate::store::{AlertQuery, StoreError};

use super::problem::{Code, Problem};
use super::state::State;
use super::wire::{HealthBody, ModelsBody, ProbeBody};

const NOT_CONFIGURED: &str = "not_configured";
/// A store that takes longer than this to say that it is well is not.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers.
#[utoipa::path(get, path = "/api/v1/livez", tag = "operations", responses((status = 200, description = "Alive", body = ProbeBody)))]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(ProbeBody { status: "alive" })
}

/// Turns can be taken.
#[utoipa::path(
    get, path = "/api/v1/readyz", tag = "operations",
    responses((status = 200, description = "Ready", body = ProbeBody), (status = 503, description = "Stopping, or without its store", body = ProbeBody))
)]
pub async fn readyz(state: Data<State>) -> HttpResponse {
    if state.is_draining() {
        return HttpResponse::ServiceUnavailable().json(ProbeBody { status: "stopping" });
    }
    if is_well(&state).await {
        HttpResponse::Ok().json(ProbeBody { status: "ready" })
    } else {
        HttpResponse::ServiceUnavailable().json(ProbeBody { status: "store_unavailable" })
    }
}

/// The state of every part.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "operations",
    responses((status = 200, description = "Healthy or degraded", body = HealthBody), (status = 503, description = "Unhealthy", body = HealthBody))
)]
pub async fn health(state: Data<State>) -> HttpResponse {
    let store = is_well(&state).await;
    let author = state.turns.author.as_deref();
    let models = author.map(|author| author.models.standing());
    let store_says = if store { "healthy" } else { "unhealthy" };
    let alerts = alerts(&state).await;
    let mut services = BTreeMap::from([
        ("alerts", alerts.as_str()),
        ("ollama", NOT_CONFIGURED),
        ("openai", NOT_CONFIGURED),
        ("rag", if author.is_some() { "ready" } else { NOT_CONFIGURED }),
        ("redis", if state.store().name() == "redis" { store_says } else { NOT_CONFIGURED }),
        ("state_machine", "loaded"),
        ("store", store_says),
    ]);
    let is_connected = models.as_ref().is_none_or(|models| models.connected);
    if let Some(author) = author {
        services.insert(author.service, if is_connected { "connected" } else { "disconnected" });
    }
    let status = match (store, is_connected && alerts != Standing::Failing) {
        (true, true) => "healthy",
        // The script answers in the model's place; people who are not told have to look.
        (true, false) => "degraded",
        (false, _) => "unhealthy",
    };
    let timestamp = state.turns.clock.now();
    let body = HealthBody { status, timestamp, services, models: models.as_ref().map(ModelsBody::of) };
    if store { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// Whether people are told of alerts. While the store does not tell, it is the store that is unwell.
async fn alerts(state: &State) -> Standing {
    let standing = tokio::time::timeout(PATIENCE, state.notifier.standing()).await;
    standing.unwrap_or(Ok(Standing::Failing)).unwrap_or(Standing::Failing)
}

/// Every figure, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"))
)]
pub async fn metrics(state: Data<State>, caller: Caller) -> Result<HttpResponse, Problem> {
    if caller.org != OrgId::default() {
        return Err(Problem::new(Code::Forbidden, "these are the figures of all organisations"));
    }
    let metrics = &state.turns.metrics;
    metrics.store_is_up(is_well(&state).await);
    if let Some(open) = open_alerts(&state).await {
        metrics.alerts_open(open);
    }
    metrics.chats_set_aside(state.store().set_aside());
    metrics.connections(state.places.taken());
    metrics.uptime(state.turns.clock.now().since(state.started).as_secs_f64());
    if let Some(author) = &state.turns.author {
        author.measure();
    }
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(metrics.render()))
}

/// Of all organisations. `None` where the store does not tell in time: the figure stays what it was.
async fn open_alerts(state: &State) -> Option<u64> {
    let count = async {
        let mut open = 0;
        for org in state.store().audited().await? {
            open += state.store().alerts(AlertQuery::count(org)).await?.open;
        }
        Ok::<u64, StoreError>(open)
    };
    tokio::time::timeout(PATIENCE, count).await.ok()?.ok()
}

/// Whether the store does its work, and in time: on a disk that hangs a probe must not hang too.
pub(super) async fn is_well(state: &State) -> bool {
    matches!(tokio::time::timeout(PATIENCE, state.store().health()).await, Ok(Ok(())))
}
