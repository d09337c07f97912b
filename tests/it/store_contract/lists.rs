//! The index, its filters and totals; the daily counters.

use std::time::Duration;

use attune::domain::id::{OrgId, SessionKey};
use attune::domain::safety::Level;
use attune::domain::session::{Event, Status};
use attune::store::{Counter, ListQuery, ProtocolVersion};

use crate::world::{Adapter, DAY, Desk, HOUR, client, everything, exchange, key, limits, opening};

const SECOND: Duration = Duration::from_secs(1);

fn status(status: Status) -> ListQuery {
    ListQuery { status: Some(status), ..everything() }
}

fn level(level: Level) -> ListQuery {
    ListQuery { level: Some(level), ..everything() }
}

/// In the order of their ids: what has one last interaction stands in any order.
async fn ids<A: Adapter>(desk: &Desk<'_, A>, query: ListQuery) -> Vec<String> {
    let mut ids = desk.rows(query).await;
    ids.sort();
    ids
}

async fn total<A: Adapter>(adapter: &A, query: ListQuery) -> u64 {
    let page = adapter.store().list(query).await.expect("it is there");
    assert!(!page.total_is_estimate);
    page.total
}

pub async fn the_list_shows_the_latest_first<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["a", "b", "c", "a"] {
        desk.turn(id).await;
        adapter.wind(SECOND).await;
    }
    assert_eq!(desk.rows(everything()).await, ["a", "c", "b"]);
}

pub async fn pages_follow_each_other_without_gap_or_repeat<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    // All at one moment, so that the id has to keep the order; which one that is, each store may choose.
    for n in 0..7 {
        desk.turn(&format!("s{n}")).await;
    }
    let mut query = ListQuery { limit: 3, ..everything() };
    let mut seen = Vec::new();
    for _ in 0..3 {
        let page = adapter.store().list(query.clone()).await.expect("it is there");
        assert_eq!(page.total, 7);
        seen.extend(page.rows.iter().map(|row| row.id.to_string()));
        query.cursor = page.next;
    }
    assert_eq!(query.cursor, None);
    assert_eq!(seen.len(), 7);
    seen.sort();
    assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);
}

pub async fn filters_by_status_and_level_are_exact<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["a", "b"] {
        desk.turn(id).await;
    }
    let begun = desk.begun("x").await;
    let mut commit = desk.commit_of("x", &begun);
    commit.session.client = client("other");
    desk.commit(commit).await;
    desk.transition("x", Event::Pause).await;
    desk.raise("a", Level::High).await;
    assert_eq!(ids(&desk, status(Status::Paused)).await, ["a", "b", "x"]);
    assert_eq!(ids(&desk, level(Level::High)).await, ["a", "b"]);
    assert_eq!(desk.rows(level(Level::None)).await, ["x"]);
    let both = ListQuery { level: Some(Level::None), ..status(Status::Paused) };
    assert_eq!(desk.rows(both.clone()).await, ["x"]);
    assert_eq!(total(&adapter, both).await, 1);
    assert!(desk.rows(status(Status::Active)).await.is_empty());
}

pub async fn totals_follow_every_change<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    for id in ["a", "b", "c"] {
        Desk::of(&adapter).turn(id).await;
    }
    assert_eq!(total(&adapter, status(Status::Active)).await, 3);
    Desk::of(&adapter).transition("a", Event::Complete).await;
    Desk::of(&adapter).raise("b", Level::High).await;
    adapter.reopen().await;
    assert_eq!(total(&adapter, everything()).await, 3);
    assert_eq!(total(&adapter, status(Status::Completed)).await, 1);
    assert_eq!(total(&adapter, status(Status::Paused)).await, 2);
    assert_eq!(total(&adapter, level(Level::High)).await, 3);
    adapter.store().delete(&key("a")).await.expect("it is there");
    assert_eq!(total(&adapter, everything()).await, 2);
    assert_eq!(total(&adapter, status(Status::Completed)).await, 0);
}

pub async fn a_time_bounds_the_list_and_its_total<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for n in 0..6 {
        desk.turn(&format!("s{n}")).await;
        adapter.wind(SECOND).await;
    }
    let since = ListQuery { active_since: Some(adapter.now().minus(SECOND * 5 / 2)), ..everything() };
    assert_eq!(desk.rows(since.clone()).await, ["s5", "s4"]);
    assert_eq!(total(&adapter, since.clone()).await, 2);
    desk.transition("s5", Event::Complete).await;
    let active = ListQuery { status: Some(Status::Active), level: Some(Level::None), ..since };
    assert_eq!(desk.rows(active.clone()).await, ["s4"]);
    assert_eq!(total(&adapter, active).await, 1);
}

pub async fn parts_and_substates_are_found<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("alpha-1").await;
    desk.turn("beta-1").await;
    let begun = desk.begun("gamma").await;
    let mut commit = desk.commit_of("gamma", &begun);
    commit.session.client_id = Some("alphabet".to_owned());
    "3.2_alpha_sequence".clone_into(&mut commit.exchange.current_substate);
    desk.commit(commit).await;
    let part = |part: &str| ListQuery { part: Some(part.to_owned()), ..everything() };
    assert_eq!(ids(&desk, part("alpha")).await, ["alpha-1", "gamma"]);
    assert_eq!(ids(&desk, part("-1")).await, ["alpha-1", "beta-1"]);
    let at = ListQuery { substate: Some("3.2_alpha_sequence".to_owned()), ..everything() };
    assert_eq!(desk.rows(at.clone()).await, ["gamma"]);
    let page = adapter.store().list(at).await.expect("it is there");
    assert!(page.total_is_estimate);
}

pub async fn organisations_see_their_own_only<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let clinic = OrgId::parse("clinic").expect("an id");
    let there = SessionKey::new(clinic.clone(), key("t").id);
    let begun = crate::world::begun(
        desk.ask(attune::store::Begin { session: there.clone(), ..desk.request("t") }).await,
    );
    let mut commit = desk.commit_of("t", &begun);
    commit.key = there.clone();
    desk.commit(commit).await;
    assert_eq!(desk.rows(everything()).await, ["s"]);
    assert_eq!(desk.rows(ListQuery { org: clinic.clone(), ..everything() }).await, ["t"]);
    assert!(desk.read("t").await.is_none());
    let counted = adapter.store().daily(&clinic, "2000-01-01", "2999-01-01").await.expect("it is there");
    assert_eq!(counted[0].counts["event:turn"], 1);
}

pub async fn no_row_goes_on_at_high_or_crisis<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["a", "b", "c"] {
        desk.turn(id).await;
    }
    desk.raise("a", Level::Crisis).await;
    let begun = desk.begun("new").await;
    let mut commit = desk.commit_of("new", &begun);
    let now = adapter.now();
    commit.session = opening(&key("new"), &client("c"), now);
    commit.session.turn_count = 1;
    commit.exchange = exchange(1, now);
    commit.decided_under = Level::Crisis;
    desk.commit(commit).await;
    let page = adapter.store().list(everything()).await.expect("it is there");
    assert_eq!(page.rows.len(), 4);
    assert!(page.rows.iter().all(|row| row.status == Status::Paused && row.level == Level::Crisis));
}

pub async fn dead_sessions_are_not_listed<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("old").await;
    adapter.wind(HOUR * 12).await;
    desk.turn("new").await;
    adapter.wind(HOUR * 12).await;
    assert_eq!(desk.rows(everything()).await, ["new"]);
    adapter.store().sweep().await.expect("it is there");
    assert_eq!(total(&adapter, everything()).await, 1);
}

pub async fn counters_are_read_as_soon_as_counted<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let org = OrgId::default();
    let events = vec![Counter::Input, Counter::Input, Counter::Decision("hold".to_owned())];
    adapter.store().count(&org, events).await.expect("it is there");
    let today = adapter.now().date();
    let days = adapter.store().daily(&org, &today, &today).await.expect("it is there");
    assert_eq!(days.len(), 1);
    assert_eq!(days[0].date, today);
    let named = |name: &str| days[0].counts.get(name).copied();
    assert_eq!(
        (named("total_inputs"), named("event:turn"), named("event:decision:hold"), named("event:busy")),
        (Some(2), Some(1), Some(1), None)
    );
}

pub async fn counters_outlive_a_close_and_go_in_their_time<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let org = OrgId::default();
    let first = adapter.now().date();
    adapter.store().count(&org, vec![Counter::Input]).await.expect("it is there");
    // Whatever has been read stands.
    adapter.store().daily(&org, &first, &first).await.expect("it is there");
    adapter.reopen().await;
    adapter.store().count(&org, vec![Counter::Input]).await.expect("it is there");
    adapter.wind(DAY).await;
    adapter.store().count(&org, vec![Counter::Busy]).await.expect("it is there");
    let second = adapter.now().date();
    let days = adapter.store().daily(&org, &first, &second).await.expect("it is there");
    assert_eq!(days.iter().map(|day| day.date.clone()).collect::<Vec<_>>(), [first.clone(), second.clone()]);
    assert_eq!(days[0].counts["total_inputs"], 2);
    adapter.wind(limits().daily_ttl - DAY).await;
    adapter.store().sweep().await.expect("it is there");
    let days = adapter.store().daily(&org, &first, &second).await.expect("it is there");
    assert_eq!(days.iter().map(|day| day.date.clone()).collect::<Vec<_>>(), [second]);
}

pub async fn protocol_versions_are_kept<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let version = |n: u8| ProtocolVersion { hash: format!("hash{n}"), source: format!("source {n}") };
    for n in [1, 2, 1] {
        adapter.store().keep_protocol(version(n)).await.expect("kept");
    }
    adapter.reopen().await;
    assert_eq!(adapter.store().protocols().await.expect("read"), [version(1), version(2)]);
}
