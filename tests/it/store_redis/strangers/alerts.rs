//! Other programs on the keys of alerts: what they spoil stands in the way of nothing.

use std::time::Duration;

use attune::domain::alert::{Alert, AlertState, ReportReason};
use attune::domain::id::{OrgId, SessionKey};
use attune::domain::safety::Level;
use attune::domain::session::{Event, Status};
use attune::store::{
    Acknowledge, Acknowledged, AlertOrder, AlertQuery, Committed, Raise, Report, Reported, Transitioned,
};

use crate::redis_world::Redis;
use crate::world::{Adapter, DAY, Desk, client, key, limits};

use super::super::leftovers::left;

fn spoil(adapter: &Redis, key: &str) {
    adapter.server.command(&["SET", key, "no such thing"]);
}

fn of_client() -> String {
    format!("trt:alerts:client:{}", client("c").as_str())
}

fn hash(alert: &Alert) -> String {
    format!("trt:alerts:{}", alert.id)
}

/// All that can be read, newest first.
async fn alerts(adapter: &Redis) -> Vec<Alert> {
    let (org, order) = (OrgId::default(), AlertOrder::Newest);
    let query = AlertQuery { org, state: None, level: None, order, limit: 100, cursor: None };
    adapter.store().alerts(query).await.expect("it is there").rows
}

async fn states(adapter: &Redis) -> Vec<AlertState> {
    alerts(adapter).await.iter().map(|alert| alert.state).collect()
}

async fn acknowledge(adapter: &Redis, alert: &Alert) -> Acknowledged {
    let seen = Acknowledge { org: OrgId::default(), id: alert.id.clone(), by: None, note: None };
    adapter.store().acknowledge(seen).await.expect("it is there")
}

async fn sweep(adapter: &Redis) {
    while adapter.store().sweep().await.expect("it is there").has_more {}
}

/// What there is of alerts, in every form.
fn left_of_alerts(adapter: &Redis) -> Vec<String> {
    left(&adapter.server).into_iter().filter(|key| key.contains("alerts")).collect()
}

/// A client whose level rose twice, in `s`: one alert at high, and later one at crisis.
async fn risen() -> (Redis, [Alert; 2]) {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    adapter.wind(Duration::from_secs(1)).await;
    desk.raise("s", Level::Crisis).await;
    let mut found = alerts(&adapter).await;
    let (crisis, high) = (found.remove(0), found.remove(0));
    (adapter, [high, crisis])
}

/// What another program may spoil of alerts in a state: the older one's hash, and every set.
fn parts(state: &str, high: &Alert) -> Vec<String> {
    let sets = [format!("trt:alerts:{state}:high"), of_client(), "trt:session:s:alerts".to_owned()];
    [hash(high), "trt:alerts:due".to_owned()].into_iter().chain(sets).collect()
}

#[tokio::test]
async fn the_sweep_goes_on_whatever_became_of_alerts_and_nothing_of_them_is_left() {
    for part in 0..5 {
        let (adapter, [high, _]) = risen().await;
        Desk::of(&adapter).transition("s", Event::Clear).await;
        let spoilt = &parts("cleared", &high)[part];
        spoil(&adapter, spoilt);
        adapter.wind(limits().alert_ttl).await;
        sweep(&adapter).await;
        assert_eq!(left_of_alerts(&adapter), [""; 0], "{spoilt}");
        assert!(Desk::of(&adapter).read("s").await.is_none(), "{spoilt}: what comes before is swept too");
    }
}

#[tokio::test]
async fn a_level_is_cleared_whatever_became_of_alerts_and_the_others_are_closed() {
    for part in 0..5 {
        let (adapter, [high, crisis]) = risen().await;
        let desk = Desk::of(&adapter);
        let spoilt = &parts("open", &high)[part];
        spoil(&adapter, spoilt);
        assert_eq!(desk.transition("s", Event::Clear).await, Transitioned::Done(Status::Active), "{spoilt}");
        assert_eq!(desk.session("s").await.level, Level::None);
        let closed = states(&adapter).await;
        if *spoilt == hash(&high) {
            assert_eq!(closed, [AlertState::Cleared], "{spoilt}");
        } else if *spoilt == of_client() {
            // Nobody finds them; they wait for somebody to see them, as any other.
            assert_eq!(closed, [AlertState::Open; 2]);
            for alert in [&high, &crisis] {
                assert!(matches!(acknowledge(&adapter, alert).await, Acknowledged::Done(_)));
            }
        } else {
            assert_eq!(closed, [AlertState::Cleared; 2], "{spoilt}");
        }
        adapter.wind(limits().alert_ttl).await;
        sweep(&adapter).await;
        assert_eq!(left_of_alerts(&adapter), [""; 0], "{spoilt}");
    }
}

#[tokio::test]
async fn a_session_is_deleted_whatever_became_of_alerts_and_the_others_forget_it() {
    for part in 0..5 {
        let (adapter, [high, _]) = risen().await;
        let spoilt = &parts("open", &high)[part];
        spoil(&adapter, spoilt);
        let receipt = adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
        assert!(receipt.verified, "{spoilt}");
        let of_session = left(&adapter.server).into_iter().filter(|key| key.contains(":session:"));
        assert_eq!(of_session.count(), 0, "{spoilt}");
        let named = alerts(&adapter).await.iter().filter(|alert| alert.session.is_some()).count();
        // Where the set itself was lost, nothing tells which they are.
        assert_eq!(named, if spoilt == "trt:session:s:alerts" { 2 } else { 0 }, "{spoilt}");
    }
}

#[tokio::test]
async fn a_session_ends_whatever_became_of_its_alerts() {
    let (adapter, [high, crisis]) = risen().await;
    Desk::of(&adapter).transition("s", Event::Clear).await;
    spoil(&adapter, &hash(&high));
    adapter.wind(DAY).await;
    sweep(&adapter).await;
    let found = alerts(&adapter).await;
    assert_eq!(
        found.iter().map(|alert| (&alert.id, &alert.session)).collect::<Vec<_>>(),
        [(&crisis.id, &None)]
    );
    assert!(!left(&adapter.server).contains(&"trt:session:s:alerts".to_owned()));
}

#[tokio::test]
async fn a_new_alert_is_found_whatever_became_of_the_sets() {
    for part in 0..3 {
        let adapter = Redis::open(limits()).await;
        let desk = Desk::of(&adapter);
        desk.turn("s").await;
        let sets = ["trt:alerts:open:high".to_owned(), of_client(), "trt:session:s:alerts".to_owned()];
        let spoilt = &sets[part];
        spoil(&adapter, spoilt);
        assert!(desk.raise("s", Level::High).await.rose);
        let found = alerts(&adapter).await;
        assert_eq!(found.iter().map(|alert| alert.level).collect::<Vec<_>>(), [Level::High], "{spoilt}");
        for set in &sets {
            let members = adapter.server.command(&["ZRANGE", set, "0", "-1"]).texts();
            assert_eq!(members, [found[0].id.as_str()], "{set} beside {spoilt}");
        }
    }
}

#[tokio::test]
async fn an_alert_that_moves_on_is_found_whatever_became_of_the_sets() {
    for set in ["trt:alerts:acknowledged:high", "trt:alerts:cleared:high", "trt:alerts:due"] {
        let (adapter, [high, _]) = risen().await;
        spoil(&adapter, set);
        assert!(matches!(acknowledge(&adapter, &high).await, Acknowledged::Done(_)));
        assert_eq!(states(&adapter).await, [AlertState::Open, AlertState::Acknowledged], "{set}");
        spoil(&adapter, set);
        Desk::of(&adapter).transition("s", Event::Clear).await;
        assert_eq!(states(&adapter).await, [AlertState::Cleared; 2], "{set}");
        // Also the one whose place among those that go was lost.
        spoil(&adapter, "trt:alerts:due");
        Desk::of(&adapter).raise("s", Level::High).await;
        Desk::of(&adapter).transition("s", Event::Clear).await;
        adapter.wind(limits().alert_ttl).await;
        sweep(&adapter).await;
        assert_eq!(left_of_alerts(&adapter), [""; 0], "{set}");
    }
}

#[tokio::test]
async fn a_spoilt_set_or_alert_hides_no_other_from_a_page() {
    let (adapter, [high, crisis]) = risen().await;
    for set in ["trt:alerts:cleared:none", "trt:alerts:open:elevated"] {
        spoil(&adapter, set);
    }
    assert_eq!(alerts(&adapter).await, [crisis.clone(), high.clone()]);
    spoil(&adapter, &hash(&high));
    assert_eq!(alerts(&adapter).await, [crisis]);
    assert_eq!(acknowledge(&adapter, &high).await, Acknowledged::Absent);
    let open = adapter.server.command(&["ZCARD", "trt:alerts:open:high"]).int();
    assert_eq!(open, 0, "nobody is told of it any more");
}

#[tokio::test]
async fn a_report_is_kept_and_seen_whatever_became_of_the_sets() {
    let adapter = Redis::open(limits()).await;
    Desk::of(&adapter).turn("s").await;
    spoil(&adapter, &of_client());
    let report = Report { session: key("s"), turn: None, reason: ReportReason::Rude };
    let kept = adapter.store().report(report).await.expect("it is there");
    assert!(matches!(kept, Reported::Kept { is_new: true, .. }), "{kept:?}");
    let alert = alerts(&adapter).await.remove(0);
    spoil(&adapter, &of_client());
    spoil(&adapter, "trt:session:s:state");
    assert!(matches!(acknowledge(&adapter, &alert).await, Acknowledged::Done(_)));
    adapter.wind(limits().alert_ttl).await;
    sweep(&adapter).await;
    assert!(alerts(&adapter).await.is_empty());
}

/// As a program leaves it that empties what it does not know.
#[tokio::test]
async fn what_was_seen_goes_though_its_clients_memory_was_lost_or_its_clearing_found_it_not() {
    let memory = format!("trt:safety:{}", client("c").as_str());
    for lost in [memory.as_str(), of_client().as_str()] {
        let (adapter, both) = risen().await;
        for alert in &both {
            acknowledge(&adapter, alert).await;
        }
        adapter.server.command(&["DEL", lost]);
        if lost != memory {
            adapter.wind(Duration::from_secs(1)).await;
            Desk::of(&adapter).transition("s", Event::Clear).await;
            assert_eq!(states(&adapter).await, [AlertState::Acknowledged; 2]);
            // The level stands again: they tell of the one that was cleared.
            adapter.wind(Duration::from_secs(1)).await;
            Desk::of(&adapter).raise("s", Level::High).await;
        }
        adapter.wind(limits().alert_ttl).await;
        sweep(&adapter).await;
        let open = usize::from(lost != memory);
        assert_eq!(states(&adapter).await, vec![AlertState::Open; open], "{lost}");
    }
}

#[tokio::test]
async fn a_spoilt_memory_keeps_no_other_from_being_swept() {
    let (adapter, both) = risen().await;
    Desk::of(&adapter).transition("s", Event::Clear).await;
    spoil(&adapter, &format!("trt:safety:{}", client("c").as_str()));
    adapter.wind(limits().alert_ttl).await;
    sweep(&adapter).await;
    assert!(alerts(&adapter).await.is_empty(), "{both:?}");
}

/// A member that is no id may name a key of ours.
#[tokio::test]
async fn what_is_no_alert_in_a_set_costs_no_other_key() {
    let (adapter, [high, crisis]) = risen().await;
    for member in ["open:crisis", "due", "client:x", "nonsense"] {
        for set in ["trt:alerts:due", "trt:session:s:alerts", of_client().as_str()] {
            adapter.server.command(&["ZADD", set, "0", member]);
        }
    }
    acknowledge(&adapter, &high).await;
    sweep(&adapter).await;
    let due = adapter.server.command(&["ZRANGE", "trt:alerts:due", "0", "-1"]).texts();
    assert_eq!(due, [high.id.as_str()]);
    assert_eq!(states(&adapter).await, [AlertState::Open, AlertState::Acknowledged]);
    Desk::of(&adapter).transition("s", Event::Clear).await;
    adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
    assert_eq!(states(&adapter).await, [AlertState::Cleared; 2], "{crisis:?}");
}

#[tokio::test]
async fn the_set_of_a_session_that_never_came_to_be_ends_in_every_organisation() {
    let adapter = Redis::open(limits()).await;
    let org = OrgId::parse("clinic").expect("an id");
    let elsewhere = SessionKey::new(org.clone(), key("s").id);
    for session in [key("s"), elsewhere] {
        let raise = Raise { session, client: client("c"), level: Level::High, why: Vec::new() };
        adapter.store().raise(raise).await.expect("it is there");
    }
    let sets = || left(&adapter.server).into_iter().filter(|key| key.contains("session")).collect::<Vec<_>>();
    assert!(sets().iter().filter(|key| key.ends_with(":s:alerts")).count() == 2, "{:?}", sets());
    adapter.wind(DAY).await;
    sweep(&adapter).await;
    assert_eq!(sets(), [""; 0]);
    assert_eq!(states(&adapter).await, [AlertState::Open]);
}

#[tokio::test]
async fn a_level_rises_and_is_cleared_whatever_became_of_the_sets_of_alerts() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let of_client = format!("trt:alerts:client:{}", client("c").as_str());
    for set in ["trt:session:s:alerts", "trt:alerts:open:high", "trt:alerts:cleared:high", of_client.as_str()]
    {
        adapter.server.command(&["SET", set, "no such thing"]);
    }
    for _ in 0..2 {
        assert!(desk.raise("s", Level::High).await.rose);
        assert_eq!(desk.session("s").await.level, Level::High);
        assert_eq!(desk.transition("s", Event::Clear).await, Transitioned::Done(Status::Active));
    }
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.session.level = Level::High;
    commit.why = vec!["rule.1".to_owned()];
    assert!(matches!(desk.commit(commit).await, Committed::Committed { .. }));
}
