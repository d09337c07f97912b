//! Other programs on the same keys.

mod alerts;

use std::time::Duration;

use attune::domain::safety::Level;
use attune::store::{Claim, Committed, Gate, Store};

use crate::redis_server::RedisServer;
use crate::redis_world::{Redis, server_on};
use crate::world::{Adapter, Desk, begun, handed, key, limits, reply, used};

use super::leftovers::left;
use super::{field, wall_clock};

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
async fn a_session_that_was_spoilt_is_written_once_or_not_at_all_and_can_be_deleted() {
    for what in ["state", "history", "meta", "pinned", "idems", "queue", "tickets", "alerts"] {
        let adapter = Redis::open(limits()).await;
        let desk = Desk::of(&adapter);
        desk.turn("s").await;
        let spoilt = format!("trt:session:s:{what}");
        let begun = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
        let mut commit = desk.commit_of("s", &begun);
        commit.reply = Some((used(1, 1), reply("done")));
        adapter.server.command(&["DEL", &spoilt]);
        adapter.server.command(&["SET", &spoilt, "no such thing"]);
        for _ in 0..2 {
            // Refused or stored; never stored again under another number.
            let _either = adapter.store().commit(commit.clone()).await;
        }
        let turns = adapter.server.command(&["LRANGE", "trt:session:s:history", "0", "-1"]);
        let stored = if what == "history" { 0 } else { turns.texts().len() };
        assert!(stored <= 2, "{what}: {stored}");
        let receipt = adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
        assert!(receipt.verified, "{what}");
        let words: Vec<String> =
            left(&adapter.server).into_iter().filter(|key| key.starts_with("trt:session:s:")).collect();
        assert!(words.is_empty(), "{what}: {words:?}");
    }
}
