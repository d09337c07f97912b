//! Wires that are cut, servers that die, a Redis that goes.

use std::collections::BTreeMap;
use std::time::Duration;

use attune::clock::{Clock as _, SystemClock};
use attune::domain::alert::{AlertId, ReportReason};
use attune::domain::id::OrgId;
use attune::domain::safety::Level;
use attune::domain::session::{Event, Party};
use attune::store::{
    Acknowledge, Acknowledged, AlertOrder, AlertQuery, Claim, Committed, Counter, Create, Created, Gate,
    Limits, Raise, Report, Reported, Store, StoreError, Transition, Transitioned,
};

use crate::redis_server::RedisServer;
use crate::redis_world::{Redis, server_on};
use crate::wire::{Cut, Wire};
use crate::world::{Adapter, Desk, PATIENCE, begun, client, handed, key, limits, opening, reply, used};

use super::{commit_of, wall_clock};

const CUTS: u32 = 200;

/// 200 turns, the wire cut in each at begin and at commit.
async fn cut_wires(cut: Cut) {
    let server = RedisServer::start();
    let wire = Wire::to(server.port());
    let clock = wall_clock();
    let limits = Limits { rate_limit: 1_000, history_max: 1_000, ..limits() };
    let store = server_on(&wire.url(), &limits, &clock);
    let adapter = Redis::open(limits).await;
    let desk = Desk::of(&adapter);
    // Redis has to know the scripts: one that it does not know takes no effect, whatever is cut.
    let first = desk.request("first");
    let Ok(Gate::Begun(known)) = store.begin(first.clone()).await else { panic!("not begun") };
    store.commit(commit_of(&first, &known, clock.now())).await.expect("committed");
    for turn in 1..=CUTS {
        let request = desk.request("s");
        wire.cut_next(cut, format!("{:032x}", request.id.0));
        let begun = begun(store.begin(request.clone()).await.expect("begun in spite of it"));
        assert_eq!(begun.session.as_ref().map_or(0, |session| session.turn_count), turn - 1);
        let commit = commit_of(&request, &begun, clock.now());
        wire.cut_next(cut, "therapist_response");
        let committed = store.commit(commit).await.expect("committed in spite of it");
        assert_eq!(committed, Committed::Committed { revision: turn.into() });
    }
    assert_eq!(wire.cuts(), u64::from(CUTS) * 2);
    let page = store.history(&key("s"), None, 1_000).await.expect("it is there").expect("it stands");
    let turns: Vec<u32> = page.exchanges.iter().map(|exchange| exchange.turn).collect();
    assert_eq!(turns, (1..=CUTS).rev().collect::<Vec<_>>());
    let permits = server.command(&["LLEN", "trt:ratelimit:s:recent"]).int();
    assert_eq!(permits, i64::from(CUTS), "one permit for each turn");
    assert_eq!(server.command(&["EXISTS", "trt:lock:s", "trt:session:s:queue"]).int(), 0);
}

#[tokio::test]
async fn a_cut_wire_at_begin_or_commit_loses_and_doubles_nothing() {
    cut_wires(Cut::AfterRequest).await;
}

#[tokio::test]
async fn a_wire_that_is_cut_before_the_request_loses_nothing_either() {
    cut_wires(Cut::BeforeRequest).await;
}

#[tokio::test]
async fn what_is_asked_outside_of_turns_is_done_once_too_when_its_answer_is_lost() {
    let server = RedisServer::start();
    let wire = Wire::to(server.port());
    let clock = wall_clock();
    let store = server_on(&wire.url(), &limits(), &clock);
    let create = |id: &str| Create {
        key: key(id),
        session: opening(&key(id), &client("c"), SystemClock.now()),
        idempotency: None,
        reply: |_| reply("created"),
    };
    let pause = || Transition {
        session: key("a"),
        event: Event::Pause,
        by: Party::App,
        reason: "a reason".to_owned(),
        seen: None,
    };
    let raise =
        |level| Raise { session: key("a"), client: client("c"), level, why: vec!["rule.1".to_owned()] };
    // Every script is known before its answer is lost.
    assert!(matches!(store.create(create("b")).await, Ok(Created::Created(_))));
    store.transition(Transition { session: key("b"), ..pause() }).await.expect("done");
    store.raise(raise(Level::None)).await.expect("done");
    wire.cut_next(Cut::AfterRequest, "transitions");
    assert!(matches!(store.create(create("a")).await, Ok(Created::Created(_))));
    wire.cut_next(Cut::AfterRequest, "transitions");
    assert!(matches!(store.transition(pause()).await, Ok(Transitioned::Done(_))));
    wire.cut_next(Cut::AfterRequest, "rule.1");
    assert!(store.raise(raise(Level::High)).await.expect("done").rose, "told once, and told");
    wire.cut_next(Cut::AfterRequest, "remove");
    let receipt = store.delete(&key("a")).await.expect("done").expect("it stood");
    assert!(receipt.verified);
    assert_eq!(wire.cuts(), 4);
}

#[tokio::test]
async fn an_alert_is_written_and_acknowledged_once_too_when_the_answer_is_lost() {
    let server = RedisServer::start();
    let wire = Wire::to(server.port());
    let clock = wall_clock();
    let store = server_on(&wire.url(), &limits(), &clock);
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    let org = OrgId::default();
    let query = || AlertQuery {
        org: org.clone(),
        state: None,
        level: None,
        order: AlertOrder::Newest,
        limit: 100,
        cursor: None,
    };
    let acknowledge = |id: &AlertId| Acknowledge {
        org: org.clone(),
        id: id.clone(),
        by: Some("an operator".to_owned()),
        note: None,
    };
    let report = |id: &str, reason| Report { session: key(id), turn: None, reason };
    // Every script is known before its answer is lost.
    let known = desk.request("known");
    let Ok(Gate::Begun(first)) = store.begin(known.clone()).await else { panic!("not begun") };
    store.commit(commit_of(&known, &first, clock.now())).await.expect("committed");
    store.report(report("known", ReportReason::Other)).await.expect("done");
    let known = store.alerts(query()).await.expect("read").rows[0].id.clone();
    store.acknowledge(acknowledge(&known)).await.expect("done");

    let request = desk.request("s");
    let begun = begun(store.begin(request.clone()).await.expect("begun"));
    let mut commit = commit_of(&request, &begun, clock.now());
    commit.session.level = Level::High;
    commit.why = vec!["rule.1".to_owned()];
    wire.cut_next(Cut::AfterRequest, "therapist_response");
    assert!(matches!(store.commit(commit).await, Ok(Committed::Committed { .. })));
    let raise = Raise { session: key("s"), client: client("c"), level: Level::Crisis, why: Vec::new() };
    store.raise(Raise { level: Level::None, ..raise.clone() }).await.expect("done");
    wire.cut_next(Cut::AfterRequest, "crisis");
    assert!(store.raise(raise).await.expect("done").rose);
    wire.cut_next(Cut::AfterRequest, "privacy");
    let reported = store.report(report("s", ReportReason::Privacy)).await.expect("done");
    assert!(matches!(reported, Reported::Kept { is_new: true, .. }), "told once, and told: {reported:?}");
    let alerts = store.alerts(query()).await.expect("read").rows;
    assert_eq!(alerts.len(), 4, "{alerts:?}");
    wire.cut_next(Cut::AfterRequest, "an operator");
    let done = store.acknowledge(acknowledge(&alerts[0].id)).await.expect("done");
    assert!(matches!(done, Acknowledged::Done(_)), "{done:?}");
    assert_eq!(wire.cuts(), 4);
}

#[tokio::test]
async fn a_dead_holders_session_goes_on_within_the_lease() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    let dying = adapter.another_server();
    assert!(matches!(dying.begin(desk.request("s")).await, Ok(Gate::Begun(_))));
    let Ok(Gate::Queued(_dead)) = dying.begin(desk.request("s")).await else { panic!("not queued") };
    let ticket = desk.queued(desk.request("s")).await;
    end(dying, &adapter.server).await;
    let (claim, ()) = tokio::join!(desk.claim(ticket), adapter.wind(limits().lease_ttl));
    desk.turn_of("s", &handed(claim)).await;
}

/// Ends one of two servers. Its connections end with it; whoever waits on it is passed over then.
async fn end(store: attune::store::redis::RedisStore, server: &RedisServer) {
    while subscribers(server) != 2 {
        tokio::task::yield_now().await;
    }
    drop(store);
    while subscribers(server) != 1 {
        tokio::task::yield_now().await;
    }
}

/// How many servers hear what is said to one alone.
fn subscribers(server: &RedisServer) -> i64 {
    let channels = server.command(&["PUBSUB", "CHANNELS", "trt:wake:*"]).texts();
    i64::try_from(channels.iter().filter(|channel| !channel.ends_with(":all")).count()).expect("few")
}

#[tokio::test]
async fn one_who_joined_on_another_server_gets_the_reply_or_takes_over() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    let other = adapter.another_server();
    let request = desk.keyed("s", used(1, 1));
    let runner = begun(desk.ask(request.clone()).await);
    let Ok(Gate::Running(ticket)) = other.begin(desk.keyed("s", used(1, 1))).await else {
        panic!("it ran twice")
    };
    let mut commit = commit_of(&request, &runner, adapter.now());
    commit.reply = Some((used(1, 1), reply("done")));
    let (claim, _) = tokio::join!(other.claim(ticket, PATIENCE), desk.commit(commit));
    assert!(matches!(claim, Ok(Claim::Replay(bytes)) if *bytes == *b"done"));
    // The runner's server dies: the one who joined elsewhere runs it.
    let runner = begun(desk.ask(desk.keyed("s", used(2, 2))).await);
    let Ok(Gate::Running(ticket)) = other.begin(desk.keyed("s", used(2, 2))).await else {
        panic!("it ran twice")
    };
    adapter.wind(limits().lease_ttl).await;
    let heir = handed(other.claim(ticket, PATIENCE).await.expect("it is there"));
    assert_ne!(heir.lease, runner.lease);
}

#[tokio::test]
async fn what_another_server_wrote_is_seen_by_the_one_that_was_warm() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    let other = adapter.another_server();
    for turn in 0..6 {
        let store: &dyn Store = if turn % 2 == 0 { adapter.store() } else { &other };
        let request = desk.request("s");
        let begun = begun(store.begin(request.clone()).await.expect("it is there"));
        assert_eq!(begun.session.as_ref().map_or(0, |session| session.turn_count), turn);
        assert_eq!(begun.recent.last().map_or(0, |exchange| exchange.turn), turn);
        let committed = store.commit(commit_of(&request, &begun, adapter.now())).await;
        assert!(matches!(committed, Ok(Committed::Committed { .. })));
    }
    // A change outside of turns is seen too.
    other
        .transition(Transition {
            session: key("s"),
            event: Event::Pause,
            by: Party::App,
            reason: String::new(),
            seen: None,
        })
        .await
        .expect("done");
    let begun = desk.begun("s").await;
    assert_eq!(begun.session.expect("it stands").status, attune::domain::session::Status::Paused);
}

#[tokio::test]
async fn a_redis_that_is_away_is_said_at_once_and_comes_back_by_itself() {
    let server = RedisServer::start();
    let wire = Wire::to(server.port());
    let clock = wall_clock();
    let store = server_on(&wire.url(), &limits(), &clock);
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    let request = desk.request("s");
    let Ok(Gate::Begun(begun)) = store.begin(request.clone()).await else { panic!("not begun") };
    store.commit(commit_of(&request, &begun, clock.now())).await.expect("committed");
    wire.away().await;
    assert!(matches!(store.begin(desk.request("s")).await, Err(StoreError::Away(_))));
    assert!(matches!(store.health().await, Err(StoreError::Away(_))));
    wire.back();
    let begun = loop {
        if let Ok(Gate::Begun(begun)) = store.begin(desk.request("s")).await {
            break begun;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(begun.session.expect("it stands").turn_count, 1);
}

#[tokio::test]
async fn counters_of_several_servers_add_up() {
    let adapter = Redis::open(limits()).await;
    let other = adapter.another_server();
    let org = key("s").org;
    for store in [adapter.store(), &other as &dyn Store] {
        store.count(&org, vec![Counter::Input, Counter::Input]).await.expect("counted");
        store.daily(&org, "2026-01-01", "2027-01-01").await.expect("written by being read");
    }
    let days = other.daily(&org, "2026-01-01", "2027-01-01").await.expect("it is there");
    assert_eq!(days[0].counts, BTreeMap::from([("total_inputs".to_owned(), 4)]));
}

#[tokio::test]
async fn counts_whose_answer_was_lost_are_added_once_and_a_spoilt_counter_stops_no_other() {
    let server = RedisServer::start();
    let wire = Wire::to(server.port());
    let clock = wall_clock();
    let store = server_on(&wire.url(), &limits(), &clock);
    let (org, today) = (key("s").org, clock.now().date());
    server.command(&["HSET", &format!("trt:analytics:daily:{today}"), "event:busy", "many"]);
    let counted = async |event: Counter| {
        store.count(&org, vec![event]).await.expect("counted");
        store.daily(&org, &today, &today).await.expect("written by being read")
    };
    counted(Counter::Turn).await;
    wire.cut_next(Cut::AfterRequest, "total_inputs");
    counted(Counter::Input).await;
    let days = counted(Counter::Busy).await;
    assert_eq!(wire.cuts(), 1);
    let expected = [("event:turn".to_owned(), 1), ("total_inputs".to_owned(), 1)];
    assert_eq!(days[0].counts, BTreeMap::from(expected));
}

#[tokio::test]
async fn danger_that_came_late_for_its_hand_over_waits_on() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    let holder = desk.begun("s").await;
    let (danger, ordinary) = (desk.queued(desk.danger("s")).await, desk.queued(desk.request("s")).await);
    desk.turn_of("s", &holder).await;
    adapter.wind(limits().claim_ttl).await;
    let next = handed(desk.claim(ordinary).await);
    let (late, _) = tokio::join!(desk.claim(danger), desk.turn_of("s", &next));
    desk.turn_of("s", &handed(late)).await;
    assert_eq!(desk.turns("s").await, [1, 2, 3]);
}

#[tokio::test]
async fn a_request_that_waited_on_a_server_that_died_is_not_joined_but_asked_anew() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    let dying = adapter.another_server();
    adapter.server.command(&["SET", "trt:lock:s", "a-token"]);
    assert!(matches!(dying.begin(desk.keyed("s", used(1, 1))).await, Ok(Gate::Queued(_))));
    assert!(matches!(desk.ask(desk.keyed("s", used(1, 1))).await, Gate::Running(_)));
    end(dying, &adapter.server).await;
    let Gate::Queued(ticket) = desk.ask(desk.keyed("s", used(1, 1))).await else {
        panic!("it waits for the dead")
    };
    adapter.server.command(&["DEL", "trt:lock:s"]);
    desk.turn_of("s", &handed(desk.claim(ticket).await)).await;
}

/// As after a turn that raised its client's level, and whose server ended before the other sessions followed.
#[tokio::test]
async fn a_rise_that_was_cut_off_goes_on_with_the_next() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    for n in 0..120 {
        desk.create(&format!("s{n}"), None).await;
    }
    let memory = format!("trt:safety:{}", client("c").as_str());
    adapter.server.command(&["HSET", &memory, "level", "crisis", "epoch", "1", "raised_by", "somebody"]);
    assert!(!desk.raise("s7", Level::Crisis).await.rose);
    for n in 0..120 {
        let state = format!("trt:session:s{n}:state");
        assert_eq!(adapter.server.command(&["HGET", &state, "status"]).text(), "paused", "s{n}");
        assert_eq!(adapter.server.command(&["PTTL", &state]).int(), -1, "s{n}");
    }
}
