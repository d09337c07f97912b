//! Alerts for the people who look after clients, and what clients report.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::access::{Caller, Who};
use crate::domain::alert::{AlertId, AlertNote, AlertState, ReportReason};
use crate::domain::id::OrgId;
use crate::domain::safety::Level;
use crate::store::{Acknowledge, Acknowledged, AlertOrder, AlertPlace, AlertQuery, Report, Reported};

use super::body::{self, OTHER_MAX_BYTES};
use super::guard::Reached;
use super::lists::{PAGE_DEFAULT, PAGE_MAX};
use super::problem::{Code, Problem};
use super::query::Query;
use super::state::State;
use super::wire::alerts::{
    AcknowledgeBody, AcknowledgedBody, AlertBody, AlertTestBody, AlertsBody, BY_MAX_CHARS, ReportBody,
    ReportedBody,
};

/// Alerts, the most danger first.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "alerts",
    params(
        ("state" = Option<AlertState>, Query), ("level" = Option<Level>, Query),
        ("order" = Option<String>, Query, description = "`danger`, by default: higher levels first, in each the newest; or `newest`"),
        ("limit" = Option<u32>, Query, description = "1 to 500, by default 100"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before")
    ),
    responses((status = 200, description = "A page", body = AlertsBody))
)]
pub async fn list(state: Data<State>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let alerts = AlertQuery {
        org: caller.org,
        state: query.parse("state", "open, acknowledged or cleared", AlertState::parse),
        level: query.parse("level", "none, elevated, high or crisis", Level::parse),
        order: query.parse("order", "danger or newest", order).unwrap_or(AlertOrder::Danger),
        limit: query.whole("limit", 1..=PAGE_MAX).unwrap_or(PAGE_DEFAULT),
        cursor: query.parse("cursor", "the next_cursor of a page", decode_cursor),
    };
    query.finish()?;
    let page = state.store().alerts(alerts).await?;
    Ok(HttpResponse::Ok().json(AlertsBody {
        open_alerts: page.open,
        alerts: page.rows.iter().map(AlertBody::of).collect(),
        next_cursor: page.next.as_ref().map(encode_cursor),
        timestamp: state.turns.clock.now(),
    }))
}

fn order(text: &str) -> Option<AlertOrder> {
    match text {
        "danger" => Some(AlertOrder::Danger),
        "newest" => Some(AlertOrder::Newest),
        _ => None,
    }
}

fn encode_cursor(at: &AlertPlace) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", at.level.as_str(), at.id))
}

fn decode_cursor(text: &str) -> Option<AlertPlace> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (level, id) = decoded.split_once(' ')?;
    Some(AlertPlace { level: Level::parse(level)?, id: AlertId::parse(id)? })
}

/// Note who has seen an alert. The level stays: a clinician clears it.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/acknowledge", tag = "alerts", request_body = Option<AcknowledgeBody>,
    params(("id" = String, Path)),
    responses((status = 200, description = "The alert as it stands", body = AcknowledgedBody))
)]
pub async fn acknowledge(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let id = AlertId::parse(&path.into_inner()).ok_or_else(Problem::not_found)?;
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let body: AcknowledgeBody = body::decode_if_any(&bytes)?.unwrap_or_default();
    let by = if caller.who == Who::Clinician { Some(caller.name) } else { name(body.by)? };
    let acknowledge = Acknowledge { org: caller.org, id, by, note: note(body.note.as_deref())? };
    match state.store().acknowledge(acknowledge).await? {
        Acknowledged::Done(alert) => {
            state.turns.metrics.alert_acknowledged();
            Ok(HttpResponse::Ok().json(AcknowledgedBody { already: false, alert: AlertBody::of(&alert) }))
        }
        Acknowledged::Already(alert) => {
            Ok(HttpResponse::Ok().json(AcknowledgedBody { already: true, alert: AlertBody::of(&alert) }))
        }
        Acknowledged::Absent => Err(Problem::not_found()),
    }
}

/// Tell everybody who is told of alerts that this is a test, now, and see whether it arrives.
#[utoipa::path(
    post, path = "/api/v1/alerts/test", tag = "alerts",
    responses((status = 200, description = "What came of it over each channel", body = AlertTestBody))
)]
pub async fn test(state: Data<State>, caller: Caller) -> Result<HttpResponse, Problem> {
    if caller.org != OrgId::default() {
        return Err(Problem::new(Code::Forbidden, "these addresses are those of all organisations"));
    }
    let told = state.notifier.test().await;
    Ok(HttpResponse::Ok().json(AlertTestBody::of(&told)))
}

fn name(given: Option<String>) -> Result<Option<String>, Problem> {
    let given = given.filter(|name| !name.trim().is_empty());
    let fits = |name: &String| name.chars().count() <= BY_MAX_CHARS && !name.chars().any(char::is_control);
    if given.as_ref().is_none_or(fits) {
        return Ok(given);
    }
    Err(Problem::invalid("by", "must have at most 80 characters, none of them a control character"))
}

fn note(given: Option<&str>) -> Result<Option<AlertNote>, Problem> {
    let Some(given) = given else { return Ok(None) };
    let note = AlertNote::parse(given);
    note.map(Some).ok_or_else(|| {
        Problem::invalid("note", listed(AlertNote::ALL.iter().copied().map(AlertNote::as_str)))
    })
}

fn listed(words: impl Iterator<Item = &'static str>) -> String {
    format!("must be one of {}", words.collect::<Vec<_>>().join(", "))
}

/// Report what was said: the people who look after the client see it.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/report", tag = "alerts", request_body = ReportBody,
    params(("id" = String, Path)),
    responses((status = 200, description = "Reported", body = ReportedBody))
)]
pub async fn report(
    state: Data<State>,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let body: ReportBody = body::decode(&bytes)?;
    let reason = ReportReason::parse(&body.reason).ok_or_else(|| {
        Problem::invalid("reason", listed(ReportReason::ALL.iter().copied().map(ReportReason::as_str)))
    })?;
    let (session_id, turn) = (key.id.to_string(), body.turn);
    let reported = state.turns.report(Report { session: key, turn, reason }).await?;
    let kept = match reported {
        Reported::Kept { .. } => true,
        Reported::TooMany => false,
        Reported::NoSuchTurn => return Err(Problem::invalid("turn", "is no turn of this session")),
        Reported::Absent => return Err(Problem::not_found()),
    };
    Ok(HttpResponse::Ok().json(ReportedBody { session_id, turn, reason, kept }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_cursor_survives_the_way_out_and_back() {
        let id = AlertId::new(Timestamp::from_millis(1_790_000_000_000), u128::MAX);
        let place = AlertPlace { level: Level::Crisis, id };
        assert_eq!(decode_cursor(&encode_cursor(&place)), Some(place));
        for bad in ["", "!!", "AAAA", "aGlnaCA3"] {
            assert_eq!(decode_cursor(bad), None, "{bad}");
        }
    }
}
