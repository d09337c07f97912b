//! When alerts go: what nobody has dealt with never, everything else in its time.

use attune::domain::alert::{Alert, AlertKind, AlertState, ReportReason};
use attune::domain::safety::Level;
use attune::domain::session::{Event, Status};
use attune::store::{Acknowledged, Raise, Reported, Transitioned};

use super::alerts::{acknowledge, all, report, risen};
use crate::world::{Adapter, DAY, Desk, HOUR, client, key, limits};

async fn sweep<A: Adapter>(adapter: &A) {
    while adapter.store().sweep().await.expect("it is there").has_more {}
}

/// The states of all alerts, newest first, after the sweep.
async fn left<A: Adapter>(adapter: &A) -> Vec<AlertState> {
    sweep(adapter).await;
    all(adapter).await.iter().map(|alert| alert.state).collect()
}

/// A session whose client's level rose, and somebody has seen it.
async fn seen<A: Adapter>(adapter: &A, desk: &Desk<'_, A>, id: &str) -> Alert {
    let alert = risen(adapter, desk, id, Level::High).await;
    match acknowledge(adapter, &alert).await {
        Acknowledged::Done(alert) => alert,
        other => panic!("not acknowledged but {other:?}"),
    }
}

pub async fn what_was_dealt_with_goes_in_its_time_and_an_open_alert_never<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let first = risen(&adapter, &desk, "s", Level::High).await;
    adapter.wind(HOUR).await;
    desk.raise("s", Level::Crisis).await;
    adapter.wind(limits().alert_ttl).await;
    adapter.store().sweep().await.expect("it is there");
    assert_eq!(all(&adapter).await.len(), 2, "nobody has seen them");
    acknowledge(&adapter, &first).await;
    adapter.wind(HOUR).await;
    desk.transition("s", Event::Clear).await;
    adapter.wind(limits().alert_ttl - HOUR).await;
    adapter.store().sweep().await.expect("it is there");
    assert_eq!(all(&adapter).await.len(), 2, "the clearing came later than the acknowledging");
    adapter.wind(HOUR).await;
    while adapter.store().sweep().await.expect("it is there").has_more {}
    assert_eq!(all(&adapter).await, []);
    assert_eq!(acknowledge(&adapter, &first).await, Acknowledged::Absent);
}

pub async fn a_rise_that_was_seen_stays_until_its_level_was_cleared_long_ago<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let seen = seen(&adapter, &Desk::of(&adapter), "s").await;
    for wait in [HOUR, DAY, limits().alert_ttl * 3] {
        adapter.wind(wait).await;
        assert_eq!(left(&adapter).await, [AlertState::Acknowledged], "the level stands");
    }
    adapter.reopen().await;
    assert_eq!(all(&adapter).await, [seen]);
    let done = Desk::of(&adapter).transition("s", Event::Clear).await;
    assert_eq!(done, Transitioned::Done(Status::Active));
    adapter.wind(limits().alert_ttl - HOUR).await;
    assert_eq!(left(&adapter).await, [AlertState::Cleared]);
    adapter.wind(HOUR).await;
    assert_eq!(left(&adapter).await, []);
}

pub async fn a_report_that_was_seen_goes_though_the_level_stands<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    seen(&adapter, &desk, "s").await;
    let Reported::Kept { alert, .. } = report(&adapter, "s", None, ReportReason::Rude).await else {
        panic!("not kept")
    };
    adapter.wind(limits().alert_ttl).await;
    acknowledge(&adapter, &alert).await;
    adapter.wind(limits().alert_ttl - HOUR).await;
    assert_eq!(left(&adapter).await.len(), 2);
    adapter.wind(HOUR).await;
    sweep(&adapter).await;
    let kinds: Vec<_> = all(&adapter).await.iter().map(|alert| alert.kind).collect();
    assert_eq!(kinds, [AlertKind::LevelRose]);
}

pub async fn what_was_cleared_goes_though_nobody_saw_it_and_the_level_rose_again<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    desk.transition("s", Event::Clear).await;
    let cleared = all(&adapter).await[0].id.clone();
    adapter.wind(HOUR).await;
    desk.raise("s", Level::High).await;
    let late = acknowledge(&adapter, &cleared).await;
    assert!(matches!(late, Acknowledged::Already(_)), "{late:?}");
    adapter.wind(limits().alert_ttl - HOUR).await;
    assert_eq!(left(&adapter).await, [AlertState::Open], "seen too late to be kept for it");
    let again = all(&adapter).await[0].id.clone();
    acknowledge(&adapter, &again).await;
    adapter.wind(limits().alert_ttl).await;
    assert_eq!(left(&adapter).await, [AlertState::Acknowledged]);
}

pub async fn a_rise_that_was_seen_goes_once_its_client_has_no_session<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    seen(&adapter, &desk, "s").await;
    desk.turn("t").await;
    adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
    adapter.wind(limits().alert_ttl).await;
    assert_eq!(left(&adapter).await, [AlertState::Acknowledged], "it can be cleared in the other one");
    adapter.store().delete(&key("t")).await.expect("it is there").expect("it stood");
    adapter.wind(DAY).await;
    assert_eq!(left(&adapter).await, []);
    desk.turn("new").await;
    assert_eq!(desk.session("new").await.level, Level::High, "the level is remembered apart from it");
}

pub async fn an_erased_sessions_alert_is_cleared_in_another_of_its_client<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    seen(&adapter, &desk, "s").await;
    adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
    desk.turn("new").await;
    adapter.wind(limits().alert_ttl).await;
    assert_eq!(left(&adapter).await, [AlertState::Acknowledged]);
    desk.transition("new", Event::Clear).await;
    assert_eq!(left(&adapter).await, [AlertState::Cleared]);
    adapter.wind(limits().alert_ttl).await;
    assert_eq!(left(&adapter).await, []);
}

pub async fn an_open_alert_outlives_its_session_and_goes_once_it_was_seen<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let open = risen(&adapter, &desk, "s", Level::Crisis).await;
    adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
    adapter.wind(limits().alert_ttl * 2).await;
    assert_eq!(left(&adapter).await, [AlertState::Open]);
    acknowledge(&adapter, &open).await;
    adapter.wind(limits().alert_ttl).await;
    assert_eq!(left(&adapter).await, []);
}

pub async fn a_session_that_never_came_to_be_is_named_for_one_ttl<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["never", "later"] {
        let raise = Raise { session: key(id), client: client(id), level: Level::High, why: Vec::new() };
        assert!(adapter.store().raise(raise).await.expect("it is there").rose);
        adapter.wind(HOUR).await;
    }
    desk.turn("later").await;
    let named = async || {
        sweep(&adapter).await;
        let alerts = all(&adapter).await;
        let names = alerts.iter().map(|alert| alert.session.as_ref().map(ToString::to_string));
        names.collect::<Vec<_>>()
    };
    let later = Some("later".to_owned());
    adapter.wind(DAY - HOUR * 3).await;
    assert_eq!(named().await, [later.clone(), Some("never".to_owned())]);
    adapter.wind(HOUR * 2).await;
    assert_eq!(named().await, [later, None], "one has begun, and stands");
    adapter.store().delete(&key("later")).await.expect("it is there").expect("it stood");
    assert_eq!(named().await, [None, None]);
}
