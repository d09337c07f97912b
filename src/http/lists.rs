//! The list of sessions, the daily counters, the crisis lines.

mod danger;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{Datelike as _, NaiveDate};

use crate::access::Caller;
use crate::domain::safety::Level;
use crate::domain::session::Status;
use crate::domain::time::Timestamp;
use crate::store::{Counter, ListPage, ListQuery};
use crate::turn::Storage;

use super::problem::Problem;
use super::query::Query;
use super::state::State;
use super::wire::cursor::{decode_cursor, encode_cursor};
use super::wire::{DailyBody, DayBody, ResourcesBody, SessionRow, SessionsBody, YearlyBody};

pub(super) const PAGE_DEFAULT: usize = 100;
pub(super) const PAGE_MAX: usize = 500;
/// Characters of `q` and of `substate`.
const PART_MAX_CHARS: usize = 64;
const DAYS_MAX: i64 = 366;
pub(super) const A_CURSOR: &str = "the next_cursor of a page";

/// Sessions, latest interaction first.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    params(
        ("status" = Option<Status>, Query), ("safety_level" = Option<Level>, Query),
        ("substate" = Option<String>, Query),
        ("order" = Option<String>, Query, description = "`newest`, by default; or `danger`: higher levels first, in each the newest"),
        ("q" = Option<String>, Query, description = "Part of a session or client id, 1 to 64 characters"),
        ("active_since" = Option<String>, Query, description = "RFC 3339"),
        ("limit" = Option<u32>, Query, description = "1 to 500, by default 100"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before")
    ),
    responses((status = 200, description = "A page", body = SessionsBody))
)]
pub async fn sessions(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (query, order) = list_query(caller, &request)?;
    let (page, next) = match order {
        Order::Newest => {
            let page = state.store().list(query).await?;
            let next = page.next.as_ref().map(encode_cursor);
            (page, next)
        }
        Order::Danger(place) => danger::page(state.store(), query, place).await?,
    };
    Ok(HttpResponse::Ok().json(sessions_body(&state, &page, next)))
}

/// In which order, and from where on where that is not the cursor of the store's own.
enum Order {
    Newest,
    Danger(Option<danger::Place>),
}

fn list_query(caller: Caller, request: &HttpRequest) -> Result<(ListQuery, Order), Problem> {
    let mut query = Query::of(request);
    let short = |text: &str| (text.chars().count() <= PART_MAX_CHARS).then(|| text.to_owned());
    let is_danger = query.parse("order", "newest or danger", |order| match order {
        "newest" => Some(false),
        "danger" => Some(true),
        _ => None,
    });
    let is_danger = is_danger.unwrap_or(false);
    let list = ListQuery {
        org: caller.org,
        status: query.parse("status", "a session status", Status::parse),
        level: query.parse("safety_level", "a safety level", Level::parse),
        substate: query.parse("substate", "at most 64 characters", short),
        part: query.parse("q", "at most 64 characters", short),
        active_since: query.parse("active_since", "an RFC 3339 time", |text| Timestamp::parse(text).ok()),
        limit: query.whole("limit", 1..=PAGE_MAX).unwrap_or(PAGE_DEFAULT),
        cursor: if is_danger { None } else { query.parse("cursor", A_CURSOR, decode_cursor) },
    };
    let place = if is_danger { query.parse("cursor", A_CURSOR, danger::Place::decode) } else { None };
    query.finish()?;
    Ok((list, if is_danger { Order::Danger(place) } else { Order::Newest }))
}

fn sessions_body(state: &State, page: &ListPage, next_cursor: Option<String>) -> SessionsBody {
    let storage = Storage::of_store(state.store().name());
    let knowledge = &state.turns.knowledge;
    SessionsBody {
        total_sessions: page.total,
        total_is_estimate: page.total_is_estimate,
        sessions: page.rows.iter().map(|session| SessionRow::of(session, knowledge, storage)).collect(),
        next_cursor,
        timestamp: state.turns.clock.now(),
    }
}

/// Counters by day.
#[utoipa::path(
    get, path = "/api/v1/analytics/daily", tag = "operations",
    params(
        ("from" = Option<String>, Query, description = "YYYY-MM-DD, by default 6 days ago"),
        ("to" = Option<String>, Query, description = "YYYY-MM-DD, by default today (UTC)")
    ),
    responses((status = 200, description = "The days, oldest first", body = DailyBody))
)]
pub async fn daily(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let today = date(&state.turns.clock.now().date()).unwrap_or_default();
    let to = query.parse("to", "a date like 2026-01-31", date).unwrap_or(today);
    let from = query.parse("from", "a date like 2026-01-31", date).unwrap_or(to - chrono::Days::new(6));
    if !(0..DAYS_MAX).contains(&(to - from).num_days()) {
        query.fault("from", "must be at most 366 days before `to`, and not after it");
    }
    query.finish()?;
    let days = state.store().daily(&caller.org, &from.to_string(), &to.to_string()).await?;
    let days = days.into_iter().map(|day| DayBody { date: day.date, counts: day.counts }).collect();
    Ok(HttpResponse::Ok().json(DailyBody { days }))
}

/// How often people were referred to crisis services in a year. Nothing tells whom.
#[utoipa::path(
    get, path = "/api/v1/analytics/yearly", tag = "operations",
    params(("year" = Option<String>, Query, description = "YYYY, by default this year (UTC)")),
    responses((status = 200, description = "The year", body = YearlyBody))
)]
pub async fn yearly(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let is_year = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let year = query.parse("year", "a year like 2026", |text| is_year(text).then(|| text.to_owned()));
    let year = year.unwrap_or_else(|| state.turns.clock.now().date().chars().take(4).collect());
    query.finish()?;
    let counted = state.store().yearly(&caller.org, &year).await?.counts;
    let of = |name: fn(Level) -> Counter| {
        let count = |level: Level| counted.get(&name(level).name()).copied().unwrap_or_default();
        Level::ALL.into_iter().map(|level| (level.as_str().to_owned(), count(level))).collect()
    };
    Ok(HttpResponse::Ok().json(YearlyBody {
        resources_shown: of(Counter::ResourcesShown),
        emergency_told: of(Counter::EmergencyTold),
        year,
    }))
}

/// A day that can be written as `YYYY-MM-DD`. The calendar knows years far beyond, at whose ends days cannot be counted.
fn date(text: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (1..=9_999).contains(&date.year()).then_some(date)
}

/// Crisis lines.
#[utoipa::path(
    get, path = "/api/v1/resources", tag = "conversation",
    params(("country" = Option<String>, Query, description = "Two letters; an unknown country gets the international finder")),
    responses((status = 200, description = "The lines", body = ResourcesBody))
)]
pub async fn resources(state: Data<State>, request: HttpRequest) -> HttpResponse {
    let query = Query::of(&request);
    let country = query.text("country").or(state.turns.settings.country.as_deref());
    let resources = state.turns.knowledge.safety.resources.for_country(country).to_vec();
    HttpResponse::Ok().json(ResourcesBody { resources })
}
