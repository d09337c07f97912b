//! Whether the server lives, is ready, and how it fares.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::state::State;
use super::wire::{HealthBody, ProbeBody};

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
    match state.store().health().await {
        Ok(()) => HttpResponse::Ok().json(ProbeBody { status: "ready" }),
        Err(_away) => HttpResponse::ServiceUnavailable().json(ProbeBody { status: "store_unavailable" }),
    }
}

/// The state of every part.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "operations",
    responses((status = 200, description = "Healthy or degraded", body = HealthBody), (status = 503, description = "Unhealthy", body = HealthBody))
)]
pub async fn health(state: Data<State>) -> HttpResponse {
    let store = state.store().health().await.is_ok();
    let body = HealthBody {
        status: if store { "healthy" } else { "unhealthy" },
        timestamp: state.turns.clock.now(),
        services: BTreeMap::from([
            ("ollama", "not_configured"),
            ("rag", "not_configured"),
            ("redis", "not_configured"),
            ("state_machine", "loaded"),
            ("store", if store { "healthy" } else { "unhealthy" }),
        ]),
    };
    if store { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

/// Every figure, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"))
)]
pub async fn metrics(state: Data<State>) -> HttpResponse {
    let metrics = &state.turns.metrics;
    metrics.store_is_up(state.store().health().await.is_ok());
    metrics.uptime(state.turns.clock.now().since(state.started).as_secs_f64());
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(metrics.render())
}
