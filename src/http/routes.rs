//! The contents page: every path and its methods.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpResponse, Responder, Route};

use super::problem::{Code, Problem};
use super::{
    alerts, audit, care, chats, clinicians, consent, docs, events, guard, health, input, keys, lists, login,
    rights, session, socket, statement, tokens, turns,
};
use crate::access::Operation as Op;

pub fn routes(config: &mut ServiceConfig) {
    at(config, "/api/v1/input", vec![post(Op::Input, input::input)]);
    for base in ["/api/v1", ""] {
        sessions(config, base);
        operations(config, base);
    }
    for base in ["", "/chat"] {
        for path in ["/ws/chat", "/ws/chat/"] {
            at(config, &format!("{base}{path}"), vec![get(Op::Connect, socket::connect)]);
        }
    }
    for base in ["/api", "/chat/api"] {
        chats(config, base);
    }
    at(config, "/.well-known/crisis-protocol", vec![get(Op::ReadStatement, statement::crisis_protocol)]);
    at(config, "/metrics", vec![get(Op::ReadMetrics, health::metrics)]);
    at(config, docs::OPENAPI_PATH, vec![get(Op::ReadDescription, docs::description)]);
    at(config, "/docs", vec![get(Op::ReadApiPage, docs::to_the_page)]);
    at(config, "/", vec![get(Op::ReadHome, docs::to_the_page)]);
    config.configure(docs::page).default_service(web::to(nothing_here));
}

/// One session, and who may reach it.
fn sessions(config: &mut ServiceConfig, base: &str) {
    let mut at = |path: &str, routes| at(config, &format!("{base}/session{path}"), routes);
    at("/create", vec![post(Op::CreateSession, session::create)]);
    at("/{id}", vec![get(Op::ReadSession, session::read), delete(Op::Erase, session::delete)]);
    at("/{id}/input", vec![post(Op::SessionInput, input::session_input)]);
    at("/{id}/turn", vec![delete(Op::StopTurn, turns::stop)]);
    at("/{id}/turn/{n}", vec![get(Op::ReadTurn, turns::read)]);
    at("/{id}/status", vec![get(Op::ReadStatus, session::status)]);
    at("/{id}/history", vec![get(Op::ReadHistory, session::history)]);
    at("/{id}/extend", vec![post(Op::Extend, session::extend)]);
    at("/{id}/pause", vec![post(Op::Pause, session::pause)]);
    at("/{id}/resume", vec![post(Op::Resume, session::resume)]);
    at("/{id}/complete", vec![post(Op::Complete, session::complete)]);
    at("/{id}/clear", vec![post(Op::Clear, care::clear)]);
    at("/{id}/export", vec![get(Op::Export, rights::export)]);
    at("/{id}/events", vec![get(Op::FollowSession, events::of_session)]);
    at("/{id}/notes", vec![get(Op::ReadNotes, care::notes), post(Op::AddNote, care::add_note)]);
    at("/{id}/report", vec![post(Op::Report, alerts::report)]);
    at(
        "/{id}/consent",
        vec![
            get(Op::ReadSessionConsent, consent::read),
            post(Op::GiveConsent, consent::give),
            delete(Op::WithdrawConsent, consent::withdraw),
        ],
    );
    at("/{id}/tokens", vec![post(Op::MintToken, tokens::mint), delete(Op::RevokeTokens, tokens::revoke)]);
    at("/{id}/tokens/refresh", vec![post(Op::RefreshToken, tokens::refresh)]);
    at("/{id}/ticket", vec![post(Op::MintTicket, tokens::ticket)]);
}

/// Plain chats. Their clients write a slash at the end, or none.
fn chats(config: &mut ServiceConfig, base: &str) {
    for end in ["", "/"] {
        let mut at = |path: &str, routes| at(config, &format!("{base}{path}{end}"), routes);
        at("/redis/status", vec![get(Op::ReadRedisStatus, chats::redis_status)]);
        at("/sessions/{id}", vec![get(Op::ReadChat, chats::read), delete(Op::EraseChat, chats::erase)]);
        at("/sessions/{id}/messages", vec![get(Op::ReadChatMessages, chats::messages)]);
        at("/sessions/{id}/extend", vec![post(Op::ExtendChat, chats::extend)]);
        at("/sessions/{id}/delete", vec![delete(Op::DeleteChat, chats::delete)]);
        at("/broadcast", vec![post(Op::Broadcast, chats::broadcast)]);
    }
}

/// What is asked of a server beside its sessions.
fn operations(config: &mut ServiceConfig, base: &str) {
    let mut at = |path: &str, routes| at(config, &format!("{base}{path}"), routes);
    at("/sessions", vec![get(Op::ListSessions, lists::sessions)]);
    at("/events", vec![get(Op::FollowEvents, events::of_all)]);
    at("/alerts", vec![get(Op::ListAlerts, alerts::list)]);
    at("/alerts/test", vec![post(Op::TestAlerts, alerts::test)]);
    at("/alerts/{id}/acknowledge", vec![post(Op::AcknowledgeAlert, alerts::acknowledge)]);
    at("/alerts/{id}/own", vec![post(Op::OwnAlert, care::own)]);
    at("/analytics/daily", vec![get(Op::ReadDailyCounters, lists::daily)]);
    at("/analytics/yearly", vec![get(Op::ReadYearlyCounters, lists::yearly)]);
    at("/keys", vec![get(Op::ListKeys, keys::list), post(Op::CreateKey, keys::create)]);
    at("/keys/{id}", vec![delete(Op::RevokeKey, keys::revoke)]);
    at(
        "/clinicians",
        vec![get(Op::ListClinicians, clinicians::list), post(Op::AddClinician, clinicians::add)],
    );
    at("/clinicians/{name}", vec![delete(Op::RemoveClinician, clinicians::remove)]);
    at("/clinicians/{name}/reset", vec![post(Op::ResetClinician, clinicians::reset)]);
    at("/login", vec![post(Op::LogIn, login::login)]);
    at("/logout", vec![post(Op::LogOut, login::logout)]);
    at("/password", vec![post(Op::ChangePassword, login::change_password)]);
    at("/retention", vec![get(Op::ReadRetention, rights::retention)]);
    at("/purge", vec![post(Op::Purge, rights::purge)]);
    at("/audit", vec![get(Op::ReadAudit, audit::show)]);
    at("/audit/verify", vec![get(Op::VerifyAudit, audit::verify)]);
    at("/caller", vec![get(Op::ReadCaller, keys::caller)]);
    at("/consent", vec![get(Op::ReadConsentText, consent::current)]);
    at("/resources", vec![get(Op::ReadResources, lists::resources)]);
    at("/health", vec![get(Op::ReadHealth, health::health)]);
    at("/livez", vec![get(Op::ReadLiveness, health::livez)]);
    at("/readyz", vec![get(Op::ReadReadiness, health::readyz)]);
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

fn get<F, Args>(operation: Op, handler: F) -> (Method, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::GET, guarded(operation, web::get().to(handler)))
}

fn post<F, Args>(operation: Op, handler: F) -> (Method, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::POST, guarded(operation, web::post().to(handler)))
}

fn delete<F, Args>(operation: Op, handler: F) -> (Method, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::DELETE, guarded(operation, web::delete().to(handler)))
}

/// A handler is reached through its guard alone.
fn guarded(operation: Op, route: Route) -> Route {
    route.wrap(from_fn(move |request, next| guard::authorize(operation, request, next)))
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}
