//! The contents page: every path and its methods.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpResponse, Responder, Route};

use super::problem::{Code, Problem};
use super::{alerts, docs, health, input, lists, session, statement, turns};

pub fn routes(config: &mut ServiceConfig) {
    let versioned = |path: &str| format!("/api/v1{path}");
    at(config, &versioned("/input"), vec![post(input::input)]);
    for base in ["/api/v1", ""] {
        let at_base = |path: &str| format!("{base}{path}");
        at(config, &at_base("/session/create"), vec![post(session::create)]);
        at(config, &at_base("/session/{id}"), vec![get(session::read), delete(session::delete)]);
        at(config, &at_base("/session/{id}/input"), vec![post(input::session_input)]);
        at(config, &at_base("/session/{id}/turn"), vec![delete(turns::stop)]);
        at(config, &at_base("/session/{id}/turn/{n}"), vec![get(turns::read)]);
        at(config, &at_base("/session/{id}/status"), vec![get(session::status)]);
        at(config, &at_base("/session/{id}/history"), vec![get(session::history)]);
        at(config, &at_base("/session/{id}/extend"), vec![post(session::extend)]);
        at(config, &at_base("/session/{id}/pause"), vec![post(session::pause)]);
        at(config, &at_base("/session/{id}/resume"), vec![post(session::resume)]);
        at(config, &at_base("/session/{id}/complete"), vec![post(session::complete)]);
        at(config, &at_base("/session/{id}/report"), vec![post(alerts::report)]);
        at(config, &at_base("/sessions"), vec![get(lists::sessions)]);
        at(config, &at_base("/alerts"), vec![get(alerts::list)]);
        at(config, &at_base("/alerts/{id}/acknowledge"), vec![post(alerts::acknowledge)]);
        at(config, &at_base("/analytics/daily"), vec![get(lists::daily)]);
        at(config, &at_base("/analytics/yearly"), vec![get(lists::yearly)]);
        at(config, &at_base("/resources"), vec![get(lists::resources)]);
        at(config, &at_base("/health"), vec![get(health::health)]);
        at(config, &at_base("/livez"), vec![get(health::livez)]);
        at(config, &at_base("/readyz"), vec![get(health::readyz)]);
    }
    at(config, "/.well-known/crisis-protocol", vec![get(statement::crisis_protocol)]);
    at(config, "/metrics", vec![get(health::metrics)]);
    at(config, docs::OPENAPI_PATH, vec![get(docs::description)]);
    at(config, "/docs", vec![get(docs::to_the_page)]);
    at(config, "/", vec![get(docs::to_the_page)]);
    config.configure(docs::page).default_service(web::to(nothing_here));
}

/// Serves a path; for any method but these it tells which they are.
fn at(config: &mut ServiceConfig, path: &str, routes: Vec<(Method, Route)>) {
    let allowed: Vec<&str> = routes.iter().map(|(method, _)| method.as_str()).collect();
    let allowed = allowed.join(", ");
    let refuse = move || {
        let allowed = allowed.clone();
        async move { Err::<HttpResponse, Problem>(method_not_allowed(&allowed)) }
    };
    let resource = web::resource(path).default_service(web::to(refuse));
    config.service(routes.into_iter().fold(resource, |resource, (_, route)| resource.route(route)));
}

fn method_not_allowed(allowed: &str) -> Problem {
    let problem = Problem::new(Code::MethodNotAllowed, format!("this path takes {allowed}"));
    match HeaderValue::from_str(allowed) {
        Ok(value) => problem.header(header::ALLOW, value),
        Err(_) => problem,
    }
}

fn get<F, Args>(handler: F) -> (Method, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::GET, web::get().to(handler))
}

fn post<F, Args>(handler: F) -> (Method, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::POST, web::post().to(handler))
}

fn delete<F, Args>(handler: F) -> (Method, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::DELETE, web::delete().to(handler))
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}
