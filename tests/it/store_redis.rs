//! What is the Redis store's alone: wires that are cut, servers that die, keys that are left.

use std::collections::BTreeMap;
use std::time::Duration;

use attune::clock::{Clock as _, ManualClock, SystemClock};
use attune::domain::safety::Level;
use attune::domain::session::{Event, Party};
use attune::domain::time::Timestamp;
use attune::store::{
    Begin, Claim, Commit, Committed, Counter, Create, Created, Gate, Limits, Raise, Store, StoreError,
    Transition, Transitioned,
};

use crate::redis_server::RedisServer;
use crate::redis_world::{Redis, server_on};
use crate::wire::{Cut, Wire};
use crate::world::{
    Adapter, DAY, Desk, PATIENCE, begun, client, exchange, handed, is_left, key, limits, opening, reply, used,
};

const CUTS: u32 = 200;

/// The clock of a server beside a Redis on the machine's own.
fn wall_clock() -> ManualClock {
    ManualClock::at(SystemClock.now())
}

/// The next turn of what was begun, as [`Desk::commit_of`] makes it.
fn commit_of(begin: &Begin, begun: &attune::store::Begun, now: Timestamp) -> Commit {
    let fresh = || opening(&begin.session, &client("c"), now);
    let mut session = begun.session.as_ref().map_or_else(fresh, |session| (**session).clone());
    let base_revision = session.revision;
    session.turn_count += 1;
    Commit {
        key: begin.session.clone(),
        lease: begun.lease,
        base_revision,
        decided_under: session.level_under(&begun.memory),
        why: Vec::new(),
        exchange: exchange(session.turn_count, now),
        reply: None,
        counters: vec![Counter::Turn],
        session,
    }
}

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
async fn a_dead_holders_session_goes_on_within_the_lease() {
    let server = RedisServer::start();
    let clock = wall_clock();
    let limits = Limits { lease_ttl: Duration::from_millis(300), ..limits() };
    let (dying, living) =
        (server_on(&server.url(), &limits, &clock), server_on(&server.url(), &limits, &clock));
    let adapter = Redis::open(limits).await;
    let desk = Desk::of(&adapter);
    let (holds, waits, next) = (desk.request("s"), desk.request("s"), desk.request("s"));
    assert!(matches!(dying.begin(holds).await, Ok(Gate::Begun(_))));
    let Ok(Gate::Queued(_dead)) = dying.begin(waits).await else { panic!("not queued") };
    let Ok(Gate::Queued(ticket)) = living.begin(next).await else { panic!("not queued") };
    drop(dying);
    let begun = handed(living.claim(ticket, PATIENCE).await.expect("it is there"));
    assert!(living.renew(&key("s"), begun.lease).await.expect("it is there"));
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
        })
        .await
        .expect("done");
    let begun = desk.begun("s").await;
    assert_eq!(begun.session.expect("it stands").status, attune::domain::session::Status::Paused);
}

/// All keys, but for what belongs to no session.
fn left(server: &RedisServer) -> Vec<String> {
    let keys = server.command(&["KEYS", "*"]).texts();
    let is_shared = |key: &String| {
        ["trt:orgs", "trt:protocols", "trt:fingerprint"].contains(&key.as_str())
            || key.starts_with("trt:analytics:")
    };
    keys.into_iter().filter(|key| !is_shared(key)).collect()
}

async fn a_whole_life(desk: &Desk<'_, Redis>, id: &str) {
    for n in 0..3 {
        let begun = begun(desk.ask(desk.keyed(id, used(n, n))).await);
        let mut commit = desk.commit_of(id, &begun);
        commit.reply = Some((used(n, n), reply("a reply")));
        desk.commit(commit).await;
    }
    desk.create(&format!("{id}-made"), Some(used(9, 9))).await;
    desk.begun(id).await;
    desk.queued(desk.request(id)).await;
}

#[tokio::test]
async fn after_its_ttl_nothing_of_a_session_is_left_but_its_safety_memory() {
    let adapter = Redis::open(Limits { rate_limit: 10, ..limits() }).await;
    let desk = Desk::of(&adapter);
    a_whole_life(&desk, "s").await;
    desk.raise("s", Level::Elevated).await;
    assert!(left(&adapter.server).len() > 10);
    adapter.wind(DAY).await;
    while adapter.store().sweep().await.expect("it is there").has_more {}
    assert_eq!(left(&adapter.server), [format!("trt:safety:{}", client("c").as_str())]);
}

#[tokio::test]
async fn after_a_delete_nothing_is_left_but_the_safety_memory() {
    let adapter = Redis::open(Limits { rate_limit: 10, ..limits() }).await;
    let desk = Desk::of(&adapter);
    a_whole_life(&desk, "s").await;
    desk.raise("s", Level::Elevated).await;
    for id in ["s", "s-made"] {
        let receipt = adapter.store().delete(&key(id)).await.expect("it is there").expect("it stood");
        assert!(receipt.verified, "{id}");
    }
    assert_eq!(left(&adapter.server), [format!("trt:safety:{}", client("c").as_str())]);
}

#[tokio::test]
async fn the_keys_of_a_session_end_together() {
    let adapter = Redis::open(Limits { rate_limit: 10, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let ends = |what: &str| adapter.server.command(&["PEXPIRETIME", &format!("trt:session:s:{what}")]).int();
    for _ in 0..2 {
        assert_eq!((ends("history"), ends("meta")), (ends("state"), ends("state")));
        adapter.wind(Duration::from_secs(100)).await;
        desk.turn("s").await;
    }
    assert!(is_left(desk.read("s").await.map(|read| read.remaining), DAY));
    let score = adapter.server.command(&["ZSCORE", "trt:sessions:expires", "s"]).text().parse::<i64>();
    assert_eq!(score, Ok(ends("state")));
}

#[tokio::test]
async fn no_call_looks_through_all_keys_and_a_page_is_one_round_trip() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    a_whole_life(&desk, "s").await;
    for n in 0..150 {
        desk.create(&format!("s{n}"), None).await;
    }
    adapter.store().sweep().await.expect("it is there");
    adapter.store().list(attune::store::ListQuery::of(key("s").org, 100)).await.expect("it is there");
    let reads = || field(adapter.server.command(&["INFO", "stats"]).text(), "total_reads_processed:");
    let looking = {
        let before = reads();
        reads() - before
    };
    let mut fewest = u64::MAX;
    // The store's own tasks speak now and then too.
    for _ in 0..10 {
        let before = reads();
        let page = adapter.store().list(attune::store::ListQuery::of(key("s").org, 100)).await;
        assert_eq!(page.expect("it is there").rows.len(), 100);
        fewest = fewest.min(reads() - before - looking);
    }
    assert_eq!(fewest, 1);
    let answer = adapter.server.command(&["INFO", "commandstats"]);
    let calls = answer.text();
    for banned in ["cmdstat_keys", "cmdstat_scan", "cmdstat_hscan", "cmdstat_sscan", "cmdstat_zscan"] {
        assert!(!calls.contains(banned), "{banned}");
    }
}

fn field(info: &str, name: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
    line.split(',').next().unwrap_or_default().trim().parse().expect("a number")
}

#[tokio::test]
async fn another_programs_lock_is_waited_for() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.server.command(&["SET", "trt:lock:s", "a-token", "NX", "PX", "10000"]);
    let ticket = desk.queued(desk.request("s")).await;
    let let_go = async {
        tokio::task::yield_now().await;
        adapter.server.command(&["DEL", "trt:lock:s"]);
    };
    let (claim, ()) = tokio::join!(desk.claim(ticket), let_go);
    desk.turn_of("s", &handed(claim)).await;
}

#[tokio::test]
async fn a_session_that_another_program_made_is_carried_on() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    let state = "trt:session:s:state";
    let criteria = r#"{"goal_stated": true, "vision_accepted": false}"#;
    adapter.server.command(&[
        "HSET",
        state,
        "session_id",
        "s",
        "current_stage",
        "stage_1",
        "current_substate",
        "1.2_problem_and_body",
        "body_questions_asked",
        "1",
        "stage_1_completion",
        criteria,
        "last_interaction",
        "2026-09-21T09:15:23",
        "turn_count",
        "2",
    ]);
    adapter.server.command(&["EXPIRE", state, "86400"]);
    adapter.server.command(&["ZADD", "trt:active_sessions", "1790000000.5", "s"]);
    for said in ["first", "second"] {
        let exchange = format!(r#"{{"timestamp":"2026-09-21T09:15:23","client_input":"{said}"}}"#);
        adapter.server.command(&["LPUSH", "trt:session:s:history", &exchange]);
    }
    let begun = desk.begun("s").await;
    let session = begun.session.clone().expect("it stands");
    assert_eq!((session.turn_count, session.place.step.as_str()), (2, "problem"));
    assert!(session.place.flags.contains("goal_stated"));
    assert_eq!(begun.recent.iter().map(|exchange| exchange.turn).collect::<Vec<_>>(), [1, 2]);
    let mut commit = desk.commit_of("s", &begun);
    commit.session.client = session.client.clone();
    assert!(matches!(desk.commit(commit).await, Committed::Committed { revision: 1 }));
    assert_eq!(desk.turns("s").await, [1, 2, 3]);
    let rows = desk.rows(crate::world::everything()).await;
    assert_eq!(rows, ["s"]);
    // What it knew of the place stands.
    assert_eq!(desk.session("s").await.place.step, "problem");
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
async fn a_lock_without_an_end_is_looked_at_now_and_then_only() {
    let server = RedisServer::start();
    let store = server_on(&server.url(), &limits(), &wall_clock());
    let adapter = Redis::open(limits()).await;
    server.command(&["SET", "trt:lock:s", "a-token"]);
    let Ok(Gate::Queued(ticket)) = store.begin(Desk::of(&adapter).request("s")).await else {
        panic!("not queued")
    };
    let claim = store.claim(ticket, Duration::from_secs(1)).await;
    assert!(matches!(claim, Ok(Claim::Busy { .. })));
    let calls = server.command(&["INFO", "commandstats"]);
    let calls = field(calls.text(), "cmdstat_evalsha:calls=");
    assert!(calls < 20, "{calls} calls in a second of waiting");
}

#[tokio::test]
async fn what_another_program_spoilt_hides_no_other_session() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    for (key, id) in [("trt:session:odd:state", "odd"), ("trt:session:none:state", "none")] {
        adapter.server.command(&["SET", key, "no hash"]);
        adapter.server.command(&["ZADD", "trt:active_sessions", "1790000001", id]);
    }
    adapter.server.command(&["LPUSH", "trt:session:s:history", "no exchange"]);
    assert_eq!(desk.rows(crate::world::everything()).await, ["s"]);
    desk.turn("s").await;
    assert_eq!(desk.turns("s").await, [1, 2]);
}

#[tokio::test]
async fn danger_in_another_programs_session_counts_for_the_client_that_it_names() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    adapter.server.command(&[
        "HSET",
        "trt:session:s:state",
        "session_id",
        "s",
        "last_interaction",
        "2026-09-21T09:15:23",
    ]);
    adapter.server.command(&["HSET", "trt:session:s:meta", "client_id", "someone"]);
    assert!(desk.raise("s", Level::High).await.rose);
    let memories: Vec<String> =
        left(&adapter.server).into_iter().filter(|key| key.starts_with("trt:safety:")).collect();
    let session = desk.session("s").await;
    assert_eq!((session.level, session.client_id.as_deref()), (Level::High, Some("someone")));
    assert_eq!(memories, [format!("trt:safety:{}", session.client.as_str())], "and for no other");
}

#[tokio::test]
async fn stored_replies_go_with_the_session_when_its_ttl_is_shortened() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    a_whole_life(&desk, "s").await;
    for id in ["s", "s-made"] {
        adapter
            .store()
            .extend(&key(id), Duration::from_secs(60))
            .await
            .expect("it is there")
            .expect("it stands");
    }
    adapter.wind(Duration::from_secs(61)).await;
    let replies = left(&adapter.server).into_iter().filter(|key| key.contains("idem"));
    assert_eq!(replies.count(), 0);
}

#[tokio::test]
async fn a_hold_that_ended_beyond_the_bound_of_one_clearing_ends_by_the_sweep() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.server.command(&["PERSIST", "trt:session:s:state"]);
    adapter.wind(DAY).await;
    adapter.store().sweep().await.expect("it is there");
    assert!(is_left(desk.read("s").await.map(|read| read.remaining), DAY));
}
