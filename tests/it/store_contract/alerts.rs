//! Alerts: one for each rise that pauses, reports, and what becomes of both.

use attune::domain::alert::{Alert, AlertId, AlertKind, AlertNote, AlertState, ReportReason};
use attune::domain::id::{OrgId, SessionId, SessionKey};
use attune::domain::safety::Level;
use attune::domain::session::{Event, Status};
use attune::store::{
    Acknowledge, Acknowledged, AlertOrder, AlertPage, AlertQuery, Committed, Counter, OPEN_MAX, REPORTS_MAX,
    Raise, Remaining, Report, Reported, Transitioned,
};

use crate::world::{Adapter, DAY, Desk, HOUR, client, is_left, key, limits};

fn query(order: AlertOrder, limit: usize) -> AlertQuery {
    AlertQuery { org: OrgId::default(), state: None, level: None, order, limit, cursor: None }
}

async fn page<A: Adapter>(adapter: &A, query: AlertQuery) -> AlertPage {
    adapter.store().alerts(query).await.expect("the store is there")
}

/// All of them, newest first.
pub(super) async fn all<A: Adapter>(adapter: &A) -> Vec<Alert> {
    page(adapter, query(AlertOrder::Newest, 500)).await.rows
}

pub(super) async fn acknowledge<A: Adapter>(adapter: &A, id: &AlertId) -> Acknowledged {
    let (org, by) = (OrgId::default(), Some("Ada".to_owned()));
    let acknowledge = Acknowledge { org, id: id.clone(), by, note: Some(AlertNote::Contacted) };
    adapter.store().acknowledge(acknowledge).await.expect("the store is there")
}

pub(super) async fn report<A: Adapter>(
    adapter: &A,
    id: &str,
    turn: Option<u32>,
    reason: ReportReason,
) -> Reported {
    let report = Report { session: key(id), turn, reason };
    adapter.store().report(report).await.expect("the store is there")
}

/// The alert of a session whose client's level rose.
pub(super) async fn risen<A: Adapter>(adapter: &A, desk: &Desk<'_, A>, id: &str, level: Level) -> AlertId {
    desk.turn(id).await;
    desk.raise(id, level).await;
    all(adapter).await[0].id.clone()
}

fn levels(alerts: &[Alert]) -> Vec<Level> {
    alerts.iter().map(|alert| alert.level).collect()
}

pub async fn each_rise_that_pauses_is_one_alert<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::Elevated).await;
    assert_eq!(all(&adapter).await, []);
    for level in [Level::High, Level::High, Level::Elevated] {
        desk.raise("s", level).await;
    }
    let at = adapter.now();
    adapter.wind(HOUR).await;
    for _ in 0..2 {
        desk.raise("s", Level::Crisis).await;
    }
    let alerts = all(&adapter).await;
    assert_eq!(levels(&alerts), [Level::Crisis, Level::High]);
    let first = &alerts[1];
    assert_eq!((first.kind, first.state, first.at), (AlertKind::LevelRose, AlertState::Open, at));
    assert_eq!((first.session.clone(), first.client.clone()), (Some(key("s").id), client("c")));
    assert_eq!(first.why, ["rule.1"]);
    assert_ne!(alerts[0].id, first.id);
}

pub async fn a_turn_that_raises_the_level_is_one_alert_however_often_it_is_repeated<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.session.level = Level::High;
    commit.why = vec!["si.active.1".to_owned(), "si.active.2".to_owned()];
    for _ in 0..3 {
        assert!(matches!(desk.commit(commit.clone()).await, Committed::Committed { .. }));
    }
    let alerts = all(&adapter).await;
    assert_eq!(levels(&alerts), [Level::High]);
    assert_eq!((alerts[0].session.clone(), alerts[0].why.len()), (Some(key("s").id), 2));
}

pub async fn a_raise_and_the_turn_behind_it_are_one_alert<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.raise("s", Level::High).await;
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.session.level = Level::High;
    commit.why = vec!["si.active.1".to_owned()];
    assert!(matches!(desk.commit(commit).await, Committed::Committed { .. }));
    desk.turn("s").await;
    assert_eq!(levels(&all(&adapter).await), [Level::High]);
}

pub async fn a_session_under_a_remembered_level_raises_no_alert<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    desk.create("made", None).await;
    desk.turn("made").await;
    desk.turn("begun").await;
    let begun = desk.begun("successor").await;
    let mut commit = desk.commit_of("successor", &begun);
    commit.session.successor_of = Some(key("s").id);
    desk.commit(commit).await;
    assert_eq!(levels(&all(&adapter).await), [Level::High]);
}

pub async fn danger_after_a_clearing_is_a_new_alert<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::Crisis).await;
    adapter.wind(HOUR).await;
    desk.transition("s", Event::Clear).await;
    adapter.wind(HOUR).await;
    desk.raise("s", Level::High).await;
    let alerts = all(&adapter).await;
    let states: Vec<_> = alerts.iter().map(|alert| (alert.level, alert.state)).collect();
    assert_eq!(states, [(Level::High, AlertState::Open), (Level::Crisis, AlertState::Cleared)]);
    assert_eq!(alerts[1].cleared_at.map(|at| at < adapter.now() && at > alerts[1].at), Some(true));
}

pub async fn alerts_outlive_a_crash_with_what_was_said_of_them<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    adapter.wind(HOUR).await;
    desk.raise("s", Level::Crisis).await;
    report(&adapter, "s", Some(1), ReportReason::Rude).await;
    let open = all(&adapter).await;
    acknowledge(&adapter, &open.last().expect("an alert").id).await;
    let before = all(&adapter).await;
    adapter.reopen().await;
    assert_eq!(all(&adapter).await, before);
    assert_eq!((before.len(), page(&adapter, query(AlertOrder::Newest, 1)).await.open), (3, 2));
}

pub async fn an_alert_is_acknowledged_once<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let id = risen(&adapter, &desk, "s", Level::High).await;
    adapter.wind(HOUR).await;
    let Acknowledged::Done(alert) = acknowledge(&adapter, &id).await else { panic!("not acknowledged") };
    let seen = alert.acknowledged.clone().expect("by somebody");
    assert_eq!((seen.by.as_deref(), seen.note), (Some("Ada"), Some(AlertNote::Contacted)));
    assert_eq!((alert.state, seen.at), (AlertState::Acknowledged, adapter.now()));
    adapter.wind(HOUR).await;
    let again = Acknowledge { org: OrgId::default(), id: id.clone(), by: Some("Ben".to_owned()), note: None };
    let again = adapter.store().acknowledge(again).await.expect("the store is there");
    assert_eq!(again, Acknowledged::Already(alert.clone()));
    assert_eq!(all(&adapter).await, [alert]);
    let unknown = AlertId::new(adapter.now(), 7);
    assert_eq!(acknowledge(&adapter, &unknown).await, Acknowledged::Absent);
}

pub async fn clearing_closes_what_told_of_the_level_seen_or_not<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.turn("t").await;
    desk.raise("s", Level::High).await;
    acknowledge(&adapter, &all(&adapter).await[0].id).await;
    adapter.wind(HOUR).await;
    desk.raise("t", Level::Crisis).await;
    report(&adapter, "t", None, ReportReason::Wrong).await;
    for _ in 0..2 {
        desk.transition("s", Event::Clear).await;
    }
    let mut found: Vec<_> =
        all(&adapter).await.into_iter().map(|alert| (alert.kind, alert.level, alert.state)).collect();
    found.sort();
    let cleared = |level| (AlertKind::LevelRose, level, AlertState::Cleared);
    let reported = (AlertKind::Report, Level::Crisis, AlertState::Open);
    assert_eq!(found, [cleared(Level::High), cleared(Level::Crisis), reported]);
    let already = all(&adapter).await.into_iter().find(|alert| alert.state == AlertState::Cleared);
    let already = acknowledge(&adapter, &already.expect("one").id).await;
    assert!(matches!(already, Acknowledged::Already(_)), "{already:?}");
    assert_eq!(page(&adapter, query(AlertOrder::Danger, 5)).await.open, 1);
}

/// The client of a session that is not the desk's.
fn of(id: &str) -> String {
    format!("client of {id}")
}

/// Sessions a to f, in this order: high, crisis, high, crisis, high, and a report at none.
async fn six<A: Adapter>(adapter: &A) {
    let desk = Desk::of(adapter);
    for (id, level) in
        ["a", "b", "c", "d", "e"].into_iter().zip([Level::High, Level::Crisis].into_iter().cycle())
    {
        let raise = Raise { session: key(id), client: client(&of(id)), level, why: Vec::new() };
        adapter.store().raise(raise).await.expect("the store is there");
        adapter.wind(HOUR).await;
    }
    desk.turn("f").await;
    report(adapter, "f", Some(1), ReportReason::Harmful).await;
}

async fn walked<A: Adapter>(adapter: &A, mut query: AlertQuery) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let page = page(adapter, query.clone()).await;
        assert!(page.rows.len() <= query.limit);
        seen.extend(page.rows.into_iter().filter_map(|alert| Some(alert.session?.to_string())));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return seen;
        }
    }
}

pub async fn pages_of_alerts_follow_each_other_in_either_order<A: Adapter>() {
    let adapter = A::open(limits()).await;
    six(&adapter).await;
    for limit in [1, 2, 4, 6, 7] {
        let newest = walked(&adapter, query(AlertOrder::Newest, limit)).await;
        assert_eq!(newest.concat(), "fedcba", "{limit}");
        let danger = walked(&adapter, query(AlertOrder::Danger, limit)).await;
        assert_eq!(danger.concat(), "dbecaf", "{limit}");
    }
    let high = AlertQuery { level: Some(Level::High), ..query(AlertOrder::Newest, 2) };
    assert_eq!(walked(&adapter, high).await.concat(), "eca");
    let of_b = all(&adapter).await.into_iter().find(|alert| alert.client == client(&of("b")));
    acknowledge(&adapter, &of_b.expect("an alert").id).await;
    let in_state = |state| AlertQuery { state: Some(state), ..query(AlertOrder::Danger, 2) };
    assert_eq!(walked(&adapter, in_state(AlertState::Open)).await.concat(), "decaf");
    assert_eq!(walked(&adapter, in_state(AlertState::Acknowledged)).await.concat(), "b");
    assert_eq!(walked(&adapter, in_state(AlertState::Cleared)).await.concat(), "");
    assert_eq!(page(&adapter, in_state(AlertState::Cleared)).await.open, 5);
}

pub async fn organisations_see_their_own_alerts_only<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let org = OrgId::parse("clinic").expect("an id");
    let session = SessionKey::new(org.clone(), SessionId::parse("s").expect("an id"));
    let raise = Raise { session, client: client("x"), level: Level::High, why: Vec::new() };
    adapter.store().raise(raise).await.expect("the store is there");
    assert_eq!(all(&adapter).await, []);
    let theirs = page(&adapter, AlertQuery { org: org.clone(), ..query(AlertOrder::Newest, 5) }).await;
    assert_eq!((levels(&theirs.rows), theirs.open), (vec![Level::High], 1));
    let id = theirs.rows[0].id.clone();
    assert_eq!(acknowledge(&adapter, &id).await, Acknowledged::Absent);
    let own = Acknowledge { org, id, by: None, note: None };
    let own = adapter.store().acknowledge(own).await.expect("the store is there");
    assert!(matches!(own, Acknowledged::Done(_)));
}

pub async fn a_delete_leaves_the_alert_and_takes_the_session_out_of_it<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.turn("t").await;
    desk.raise("s", Level::High).await;
    report(&adapter, "s", Some(1), ReportReason::Privacy).await;
    let receipt = adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
    assert!(receipt.verified);
    let alerts = all(&adapter).await;
    assert_eq!(alerts.len(), 2);
    for alert in &alerts {
        assert_eq!((&alert.session, alert.turn, alert.state), (&None, None, AlertState::Open));
        assert_eq!((alert.client.clone(), alert.level), (client("c"), Level::High));
    }
    // What is closed later brings the name of nobody back.
    desk.transition("t", Event::Clear).await;
    for alert in &alerts {
        acknowledge(&adapter, &alert.id).await;
    }
    desk.turn("s").await;
    let reported = report(&adapter, "s", Some(1), ReportReason::Privacy).await;
    assert!(matches!(reported, Reported::Kept { is_new: true, .. }), "another session of the same name");
    let named = all(&adapter).await.into_iter().filter(|alert| alert.session.is_some()).count();
    assert_eq!(named, 1);
}

pub async fn a_session_that_has_ended_is_named_by_no_alert<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    desk.transition("s", Event::Clear).await;
    assert_eq!(all(&adapter).await[0].session, Some(key("s").id));
    adapter.wind(DAY).await;
    while adapter.store().sweep().await.expect("it is there").has_more {}
    assert_eq!(desk.read("s").await.map(|read| read.remaining), None);
    let alerts = all(&adapter).await;
    assert_eq!((alerts.len(), &alerts[0].session), (1, &None));
}

pub async fn the_same_turn_and_reason_are_one_report<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let Reported::Kept { alert, is_new: true } = report(&adapter, "s", Some(1), ReportReason::Rude).await
    else {
        panic!("not kept")
    };
    let again = report(&adapter, "s", Some(1), ReportReason::Rude).await;
    assert_eq!(again, Reported::Kept { alert: alert.clone(), is_new: false });
    for (turn, reason) in [(Some(1), ReportReason::Wrong), (None, ReportReason::Rude)] {
        assert!(matches!(report(&adapter, "s", turn, reason).await, Reported::Kept { is_new: true, .. }));
    }
    acknowledge(&adapter, &alert).await;
    let seen = report(&adapter, "s", Some(1), ReportReason::Rude).await;
    assert_eq!(seen, Reported::Kept { alert: alert.clone(), is_new: false }, "it was dealt with");
    let alerts = all(&adapter).await;
    assert_eq!(alerts.len(), 3);
    let first = alerts.iter().find(|found| found.id == alert).expect("it stands");
    assert_eq!((first.kind, first.level), (AlertKind::Report, Level::None));
    assert_eq!((first.turn, first.reason), (Some(1), Some(ReportReason::Rude)));
}

pub async fn what_is_not_there_cannot_be_reported<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    assert_eq!(report(&adapter, "s", None, ReportReason::Other).await, Reported::Absent);
    desk.turn("s").await;
    for turn in [0, 2] {
        assert_eq!(report(&adapter, "s", Some(turn), ReportReason::Other).await, Reported::NoSuchTurn);
    }
    assert_eq!(all(&adapter).await, []);
}

pub async fn too_many_reports_are_not_kept_and_danger_still_is<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let sessions = OPEN_MAX / REPORTS_MAX + 1;
    let mut kept = 0;
    for session in 0..sessions {
        let id = format!("s{session}");
        for _ in 0..=REPORTS_MAX / ReportReason::ALL.len() {
            let turn = desk.turn(&id).await;
            for reason in ReportReason::ALL {
                let reported = report(&adapter, &id, u32::try_from(turn).ok(), *reason).await;
                kept += usize::from(matches!(reported, Reported::Kept { is_new: true, .. }));
            }
        }
        assert_eq!(kept, (REPORTS_MAX * (session + 1)).min(OPEN_MAX));
    }
    assert!(desk.raise("s0", Level::High).await.rose);
    let open = page(&adapter, query(AlertOrder::Danger, 1)).await;
    assert_eq!((levels(&open.rows), open.open), (vec![Level::High], OPEN_MAX as u64 + 1));
}

pub async fn a_report_holds_its_session_until_somebody_has_seen_it<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let ids = [ReportReason::Harmful, ReportReason::Other].map(|reason| report(&adapter, "s", None, reason));
    let mut alerts = Vec::new();
    for reported in ids {
        let Reported::Kept { alert, .. } = reported.await else { panic!("not kept") };
        alerts.push(alert);
    }
    let remaining = || async { desk.read("s").await.map(|read| read.remaining) };
    assert_eq!(remaining().await, Some(Remaining::Held));
    for _ in 0..2 {
        adapter.wind(DAY * 3).await;
        adapter.store().sweep().await.expect("it is there");
        assert_eq!(desk.session("s").await.status, Status::Active, "nor does it count as idle");
    }
    desk.turn("s").await;
    adapter.wind(DAY * 3).await;
    assert_eq!(remaining().await, Some(Remaining::Held), "its turns leave it held");
    let extended = adapter.store().extend(&key("s"), HOUR).await.expect("it is there");
    assert_eq!(extended, Some(Remaining::Held));
    desk.raise("s", Level::High).await;
    desk.transition("s", Event::Clear).await;
    assert_eq!(remaining().await, Some(Remaining::Held), "a clearing is not about the report");
    adapter.wind(DAY).await;
    acknowledge(&adapter, &alerts[0]).await;
    assert_eq!(remaining().await, Some(Remaining::Held));
    acknowledge(&adapter, &alerts[1]).await;
    assert!(is_left(remaining().await, HOUR), "{:?}", remaining().await);
    adapter.store().sweep().await.expect("it is there");
    assert_eq!(desk.session("s").await.status, Status::Active, "its idle time begins anew");
    adapter.wind(HOUR).await;
    assert_eq!(remaining().await, None);
}

pub async fn a_report_that_is_seen_in_danger_lets_nothing_go<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let Reported::Kept { alert, .. } = report(&adapter, "s", None, ReportReason::Other).await else {
        panic!("not kept")
    };
    desk.raise("s", Level::High).await;
    acknowledge(&adapter, &alert).await;
    adapter.wind(DAY * 2).await;
    assert_eq!(desk.read("s").await.map(|read| read.remaining), Some(Remaining::Held));
    assert_eq!(desk.transition("s", Event::Clear).await, Transitioned::Done(Status::Active));
    assert!(is_left(desk.read("s").await.map(|read| read.remaining), DAY));
}

pub async fn a_session_can_be_reported_in_every_status<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["paused", "completed", "expired", "danger"] {
        desk.turn(id).await;
    }
    desk.transition("paused", Event::Pause).await;
    desk.transition("completed", Event::Complete).await;
    desk.transition("expired", Event::Expire).await;
    for id in ["paused", "completed", "expired", "danger"] {
        let reported = report(&adapter, id, Some(1), ReportReason::Wrong).await;
        assert!(matches!(reported, Reported::Kept { is_new: true, .. }), "{id}");
    }
    desk.raise("danger", Level::Crisis).await;
    report(&adapter, "danger", None, ReportReason::Wrong).await;
    assert_eq!(levels(&page(&adapter, query(AlertOrder::Danger, 2)).await.rows), [Level::Crisis; 2]);
}

pub async fn a_years_counters_outlive_those_of_its_days<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let org = OrgId::default();
    let events = vec![
        Counter::ResourcesShown(Level::Crisis),
        Counter::ResourcesShown(Level::Crisis),
        Counter::EmergencyTold(Level::Crisis),
        Counter::ResourcesShown(Level::Elevated),
        Counter::Input,
    ];
    adapter.store().count(&org, events).await.expect("it is there");
    let (year, day) = (adapter.now().date()[..4].to_owned(), adapter.now().date());
    let yearly = adapter.store().yearly(&org, &year).await.expect("it is there").counts;
    let expected =
        [("emergency_told:crisis", 1), ("resources_shown:crisis", 2), ("resources_shown:elevated", 1)];
    let expected: std::collections::BTreeMap<_, _> =
        expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    assert_eq!(yearly, expected);
    adapter.reopen().await;
    adapter.wind(limits().daily_ttl + DAY).await;
    while adapter.store().sweep().await.expect("it is there").has_more {}
    assert_eq!(adapter.store().daily(&org, &day, &day).await.expect("it is there"), []);
    assert_eq!(adapter.store().yearly(&org, &year).await.expect("it is there").counts, expected);
    adapter.wind(DAY * 366).await;
    adapter.store().count(&org, vec![Counter::ResourcesShown(Level::High)]).await.expect("it is there");
    let next = adapter.now().date()[..4].to_owned();
    let counted = adapter.store().yearly(&org, &next).await.expect("it is there").counts;
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), [("resources_shown:high".to_owned(), 1)]);
    assert_eq!(adapter.store().yearly(&org, &year).await.expect("it is there").counts, expected);
}
