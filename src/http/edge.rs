//! The outermost layers of every request.
//!
//! [`edge`] gives it an id, catches panics, renders problems, sets the security headers, and logs one line without a
//! word of what was written. [`guard`] refuses what is too large or comes too often, before anything else is read.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError, web};
use futures_util::FutureExt as _;

use crate::domain::safety::Resource;
use crate::domain::time::Timestamp;

use super::chats::beside_a_problem;
use super::problem::{Code, Problem};
use super::state::State;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX_BYTES: usize = 128;
const PATH_MAX_BYTES: usize = 4 * 1024;
const HEADERS_MAX_BYTES: usize = 16 * 1024;

/// What is remembered of a request while it is answered.
struct Seen {
    id: String,
    method: Method,
    is_input: bool,
    arrived: Timestamp,
}

pub async fn edge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let seen = Seen {
        id: request_id(&request, &state),
        method: request.method().clone(),
        is_input: is_input(request.match_info().as_str()),
        arrived: state.turns.clock.now(),
    };
    request.extensions_mut().insert(RequestId(seen.id.clone()));
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(Ok(response)) => Ok(finish(response.map_into_boxed_body(), &seen, &state)),
        Ok(Err(error)) => {
            let status = error.as_response_error().status_code();
            Err(lost(of_status(status), &seen, &state))
        }
        Err(_panic) => {
            tracing::error!(request = seen.id, "a request handler panicked");
            Err(lost(Problem::new(Code::Internal, "the request failed"), &seen, &state))
        }
    }
}

/// The id of a request that is being answered.
struct RequestId(String);

pub fn id_of(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// Refuses over-long paths and headers, and addresses that send too much. Input is asked for its address only after
/// its text was read: danger is never refused.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match admit(&request) {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(problem) => Ok(request.into_response(problem.error_response())),
    }
}

fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > PATH_MAX_BYTES) {
        return Err(Problem::new(Code::PathTooLong, format!("at most {PATH_MAX_BYTES} bytes")));
    }
    let bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADERS_MAX_BYTES {
        return Err(Problem::new(Code::HeadersTooLarge, format!("at most {HEADERS_MAX_BYTES} bytes")));
    }
    let Some(state) = request.app_data::<web::Data<State>>() else { return Ok(()) };
    let is_words = request.method() == Method::POST && is_input(request.match_info().as_str());
    if is_words || is_probe(request.path()) {
        return Ok(());
    }
    state.addresses.check(request.peer_addr(), request.headers())
}

/// Whether a path, as the routes are found by it, takes words.
fn is_input(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let of_session = || path.strip_prefix("/session/")?.strip_suffix("/input");
    path == "/input" || of_session().is_some_and(|id| !id.contains('/'))
}

/// A balancer asks these from one address, and must not be told to slow down.
fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/api/v1/livez" | "/api/v1/readyz")
}

/// The caller's own id, where it is a plain one, else a new one.
fn request_id(request: &ServiceRequest, state: &State) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        (1..=REQUEST_ID_MAX_BYTES).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-:".contains(&byte))
    };
    given.filter(plain).map_or_else(|| state.turns.entropy.hex_id(), str::to_owned)
}

fn finish(response: ServiceResponse<BoxBody>, seen: &Seen, state: &State) -> ServiceResponse<BoxBody> {
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let problem = problem_of(&response);
    let mut response = match problem {
        Some(problem) => {
            let resources = seen.is_input.then(|| state.resources());
            let body = problem.body(&seen.id, state.turns.clock.now(), resources);
            let body = with_members(body, beside_a_problem(response.request().path()));
            state.turns.metrics.problem(problem.code.row().error);
            let mut response = response.map_body(|_, _| BoxBody::new(body));
            *response.response_mut().status_mut() = problem.status();
            write_problem_headers(response.headers_mut(), &problem);
            response
        }
        None => response,
    };
    write_headers(response.headers_mut(), &seen.id);
    if state.is_draining() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    record(seen, state, &route, response.status());
    response
}

/// A body with more members, where there are any.
fn with_members(body: Vec<u8>, members: Option<String>) -> Vec<u8> {
    let (Some(members), Some(open)) = (members, body.strip_suffix(b"}")) else { return body };
    [open, b",", members.as_bytes(), b"}"].concat()
}

/// Our own problem, or one for a refusal of the framework's.
fn problem_of(response: &ServiceResponse<BoxBody>) -> Option<Problem> {
    if let Some(problem) = response.response().extensions().get::<Problem>() {
        return Some(problem.clone());
    }
    let status = response.status();
    let foreign = (status.is_client_error() || status.is_server_error())
        && !response.headers().contains_key(header::CONTENT_TYPE);
    foreign.then(|| of_status(status))
}

fn of_status(status: StatusCode) -> Problem {
    let code = match status.as_u16() {
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        408 => Code::SlowSender,
        413 => Code::BodyTooLarge,
        414 => Code::PathTooLong,
        415 => Code::UnsupportedMediaType,
        431 => Code::HeadersTooLarge,
        400..=499 => Code::InvalidRequest,
        _ => Code::Internal,
    };
    Problem::new(code, code.row().title)
}

fn write_problem_headers(headers: &mut HeaderMap, problem: &Problem) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    for (name, value) in &problem.headers {
        headers.insert(name.clone(), value.clone());
    }
}

fn write_headers(headers: &mut HeaderMap, request_id: &str) {
    const FIXED: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in FIXED {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// One line and one count a request.
fn record(seen: &Seen, state: &State, route: &str, status: StatusCode) {
    let took: Duration = state.turns.clock.now().since(seen.arrived);
    let (method, status, ms) = (seen.method.as_str(), status.as_u16(), took.as_secs_f64() * 1_000.0);
    state.turns.metrics.request(known(&seen.method), route, status, took.as_secs_f64());
    if status >= 500 {
        tracing::warn!(target: "access", request = seen.id, method, route, status, ms, "answered");
    } else {
        tracing::info!(target: "access", request = seen.id, method, route, status, ms, "answered");
    }
}

/// A label must not grow with what strangers invent.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// A problem for which no response is left to write into.
fn lost(problem: Problem, seen: &Seen, state: &State) -> Error {
    record(seen, state, "unmatched", problem.status());
    let resources = seen.is_input.then(|| state.resources().to_vec());
    Rendered { problem, id: seen.id.clone(), now: state.turns.clock.now(), resources }.into()
}

#[derive(Debug)]
struct Rendered {
    problem: Problem,
    id: String,
    now: Timestamp,
    resources: Option<Vec<Resource>>,
}

impl std::fmt::Display for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.fmt(f)
    }
}

impl ResponseError for Rendered {
    fn status_code(&self) -> StatusCode {
        self.problem.status()
    }

    fn error_response(&self) -> HttpResponse {
        let body = self.problem.body(&self.id, self.now, self.resources.as_deref());
        let mut response = HttpResponse::build(self.problem.status()).body(body);
        write_problem_headers(response.headers_mut(), &self.problem);
        write_headers(response.headers_mut(), &self.id);
        response
    }
}
