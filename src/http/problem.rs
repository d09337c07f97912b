//! Every refusal on the wire: RFC 9457 bodies, and the only place where status codes stand.

mod close;
mod sources;

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::quota::Quota;
use crate::domain::safety::Resource;
use crate::domain::time::Timestamp;

/// What went wrong, by its code. One row of the table in `docs/problems.md` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    InvalidJson,
    BadRequest,
    BadText,
    BadFrame,
    Unauthorized,
    LoginFailed,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    SessionExists,
    NameTaken,
    TooManyNotes,
    Overtaken,
    Busy,
    Lifecycle,
    Stopped,
    ConsentOutdated,
    SlowReader,
    BodyTooLarge,
    PathTooLong,
    UnsupportedMediaType,
    BinaryFrame,
    InvalidRequest,
    TextTooLong,
    IdempotencyKeyReused,
    UpgradeRequired,
    ConsentRequired,
    RateLimited,
    QueueFull,
    AddressLimited,
    LoginsFull,
    Flooded,
    ConnectionsFull,
    HeadersTooLarge,
    UnavailableHere,
    SlowSender,
    Internal,
    StoreUnavailable,
    Deadline,
    ShuttingDown,
}

/// How a code shows: status, title, and what a client does with it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub error: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// Whether the same request may succeed later.
    pub retry: bool,
    /// What an app may show to a person.
    pub show: &'static str,
}

impl Code {
    pub const ALL: [Self; 40] = [
        Self::InvalidJson,
        Self::BadRequest,
        Self::BadText,
        Self::BadFrame,
        Self::Unauthorized,
        Self::LoginFailed,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::SlowSender,
        Self::SlowReader,
        Self::SessionExists,
        Self::NameTaken,
        Self::TooManyNotes,
        Self::Overtaken,
        Self::Busy,
        Self::Lifecycle,
        Self::Stopped,
        Self::ConsentOutdated,
        Self::BodyTooLarge,
        Self::PathTooLong,
        Self::UnsupportedMediaType,
        Self::BinaryFrame,
        Self::InvalidRequest,
        Self::TextTooLong,
        Self::IdempotencyKeyReused,
        Self::UpgradeRequired,
        Self::ConsentRequired,
        Self::RateLimited,
        Self::QueueFull,
        Self::AddressLimited,
        Self::LoginsFull,
        Self::Flooded,
        Self::ConnectionsFull,
        Self::HeadersTooLarge,
        Self::UnavailableHere,
        Self::Internal,
        Self::StoreUnavailable,
        Self::Deadline,
        Self::ShuttingDown,
    ];

    #[expect(clippy::too_many_lines, reason = "one table, a row for each code")]
    pub const fn row(self) -> Row {
        const AGAIN: &str = "One moment, please. Try again shortly.";
        const OURS: &str = "Something went wrong on our side.";
        const fn row(
            error: &'static str,
            status: u16,
            title: &'static str,
            retry: bool,
            show: &'static str,
        ) -> Row {
            Row { error, status, title, retry, show }
        }
        match self {
            Self::InvalidJson => row("invalid_json", 400, "The body is not JSON", false, OURS),
            Self::BadRequest => {
                row("bad_request", 400, "A value of a chat's request is not allowed", false, OURS)
            }
            Self::BadText => row("bad_text", 400, "The text is not UTF-8", false, OURS),
            Self::BadFrame => {
                row("bad_frame", 400, "What came is no sound frame of a WebSocket", false, OURS)
            }
            Self::Unauthorized => {
                row("unauthorized", 401, "A valid credential is needed", false, "Please sign in again.")
            }
            Self::LoginFailed => row(
                "login_failed",
                401,
                "Name or password is wrong, or too many tries have failed",
                false,
                "That did not work. After five tries the name rests for a quarter of an hour.",
            ),
            Self::Forbidden => {
                row("forbidden", 403, "The credential is not for this", false, "That is not yours to do.")
            }
            Self::NotFound => {
                row("not_found", 404, "There is nothing here", false, "This conversation is gone.")
            }
            Self::MethodNotAllowed => {
                row("method_not_allowed", 405, "This path does not take that method", false, OURS)
            }
            Self::SlowSender => row("slow_sender", 408, "The body took too long to arrive", true, AGAIN),
            Self::SlowReader => {
                row("slow_reader", 408, "The connection does not read what it is sent", true, AGAIN)
            }
            Self::SessionExists => row("session_exists", 409, "A session with this id exists", false, OURS),
            Self::TooManyNotes => {
                row("too_many_notes", 409, "The session has as many notes as it may", false, OURS)
            }
            Self::Overtaken => {
                row("overtaken", 409, "Danger has shown since the session was read", false, OURS)
            }
            Self::NameTaken => row("name_taken", 409, "Somebody has this name", false, OURS),
            Self::Busy => row("busy", 409, "Another turn of this session is still running", true, AGAIN),
            Self::Lifecycle => row(
                "lifecycle_refused",
                409,
                "The session cannot do this now",
                false,
                "That is not possible right now.",
            ),
            Self::Stopped => row(
                "stopped",
                409,
                "The turn was stopped before anything was said",
                true,
                "Stopped. You can send it again whenever you like.",
            ),
            Self::ConsentOutdated => row(
                "consent_outdated",
                409,
                "The consent is to another text than the current one",
                false,
                "The text has changed. Please read it again.",
            ),
            Self::BodyTooLarge => {
                row("body_too_large", 413, "The body is too large", false, "That is too long to send.")
            }
            Self::PathTooLong => row("path_too_long", 414, "The path or query is too long", false, OURS),
            Self::UnsupportedMediaType => {
                row("unsupported_media_type", 415, "The body has to be application/json", false, OURS)
            }
            Self::BinaryFrame => row("binary_frame", 415, "A WebSocket takes text alone here", false, OURS),
            Self::InvalidRequest => {
                row("invalid_request", 422, "The request does not fit its description", false, OURS)
            }
            Self::TextTooLong => {
                row("text_too_long", 422, "The text is too long", false, "Please send it in smaller parts.")
            }
            Self::IdempotencyKeyReused => row(
                "idempotency_key_reused",
                422,
                "This Idempotency-Key was used with another body",
                false,
                OURS,
            ),
            Self::UpgradeRequired => {
                row("upgrade_required", 426, "This path takes a WebSocket alone", false, OURS)
            }
            Self::ConsentRequired => row(
                "consent_required",
                428,
                "Nobody is talked with here before they have consented",
                false,
                "Before we talk, please read the text about this service and accept it.",
            ),
            Self::RateLimited => row(
                "rate_limited",
                429,
                "Too many turns in this session",
                true,
                "Let's slow down a little. Try again in a moment.",
            ),
            Self::QueueFull => row("queue_full", 429, "Too many turns wait for this session", true, AGAIN),
            Self::AddressLimited => {
                row("address_limited", 429, "Too many requests from this address", true, AGAIN)
            }
            Self::LoginsFull => row("logins_full", 429, "Too many logins at once", true, AGAIN),
            Self::Flooded => row("flooded", 429, "Too many messages on this connection", true, AGAIN),
            Self::ConnectionsFull => {
                row("connections_full", 429, "Too many connections at once", true, AGAIN)
            }
            Self::HeadersTooLarge => row("headers_too_large", 431, "The headers are too large", false, OURS),
            Self::UnavailableHere => row(
                "unavailable_here",
                451,
                "Nobody is talked with where this session is",
                false,
                "This service is not offered where you are.",
            ),
            Self::Internal => row("internal", 500, "A fault on our side", true, OURS),
            Self::StoreUnavailable => row("store_unavailable", 503, "The store is away", true, AGAIN),
            Self::Deadline => row("deadline", 503, "The turn took too long", true, AGAIN),
            Self::ShuttingDown => row("shutting_down", 503, "The server is about to stop", true, AGAIN),
        }
    }
}

/// One field that did not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

/// A refusal on its way out. The outermost middleware renders it, once, and adds what only it knows.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    pub errors: Vec<FieldError>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of every refusal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body<'a> {
    /// A name for the kind of problem.
    pub r#type: String,
    pub title: &'a str,
    pub status: u16,
    pub detail: &'a str,
    /// The request's id.
    pub instance: String,
    /// The code of the table in the documentation.
    pub error: &'a str,
    /// What an app may show to a person.
    pub message: &'a str,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: &'a Vec<FieldError>,
    /// Crisis lines: on every refusal of an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<&'a [Resource]>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect::<Vec<_>>()
            .join("; ");
        Self { errors, ..Self::new(Code::InvalidRequest, detail) }
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "no such session, or no such path")
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        self.header(header::RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)))
    }

    /// What [`Problem::retry_after`] was told.
    pub fn wait_seconds(&self) -> Option<u64> {
        let (_, value) = self.headers.iter().find(|(name, _)| *name == header::RETRY_AFTER)?;
        value.to_str().ok()?.parse().ok()
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The bytes of its body.
    pub fn body(&self, request_id: &str, now: Timestamp, resources: Option<&[Resource]>) -> Vec<u8> {
        let row = self.code.row();
        let body = Body {
            r#type: format!("urn:attune:problem:{}", row.error),
            title: row.title,
            status: row.status,
            detail: &self.detail,
            instance: format!("urn:attune:request:{request_id}"),
            error: row.error,
            message: row.show,
            timestamp: now,
            errors: &self.errors,
            resources,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.row().error, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// Without a body: the outermost middleware writes it out of the problem that travels along.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status());
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// `RateLimit-Limit`, `-Remaining` and `-Reset` (seconds), where there is a limit.
pub fn write_quota(headers: &mut HeaderMap, quota: Quota) {
    if quota.limit == 0 {
        return;
    }
    let reset = u64::try_from(quota.reset.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
    headers.insert(HeaderName::from_static("ratelimit-limit"), quota.limit.into());
    headers.insert(HeaderName::from_static("ratelimit-remaining"), quota.remaining.into());
    headers.insert(HeaderName::from_static("ratelimit-reset"), reset.into());
}
