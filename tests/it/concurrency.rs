//! Many at once: order, once, and limits.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_to_one_session_become_turns_one_to_fifty() {
    let server = Server::with(&[("LOCK_WAIT_MS", "60000")]).await;
    let texts: Vec<String> = (0..50).map(|n| format!("I want to feel calm, number {n}")).collect();
    let answers = join_all(texts.iter().map(|text| server.input("s", text))).await;
    let turns: BTreeSet<u64> = answers.iter().filter_map(|answer| answer.ok()["turn"].as_u64()).collect();
    assert_eq!(turns, (1..=50).collect());
    let history = server.history("s").await;
    let stored: Vec<u64> = history.iter().filter_map(|exchange| exchange["turn"].as_u64()).collect();
    assert_eq!(stored, (1..=50).rev().collect::<Vec<_>>());
    let inputs: BTreeSet<&str> =
        history.iter().filter_map(|exchange| exchange["client_input"].as_str()).collect();
    assert_eq!(inputs, texts.iter().map(String::as_str).collect(), "every message is stored once");
    for answer in &answers {
        let turn = answer.json();
        let said = history.iter().find(|exchange| exchange["turn"] == turn["turn"]).expect("stored");
        assert_eq!(said["therapist_response"], turn["therapist_response"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_twenty_times_at_once_is_one_turn() {
    let server = Server::start().await;
    let answers = join_all((0..20).map(|_| server.input_with_key("s", "I want peace", "key-1"))).await;
    let mut replayed = 0;
    let first = without_flag(&answers[0].ok());
    for answer in &answers {
        let turn = answer.ok();
        replayed += usize::from(turn["replayed"] == true);
        assert_eq!(without_flag(&turn), first);
    }
    assert_eq!(replayed, 19);
    assert_eq!(server.session("s").await["turn_count"], 1);
    let later = server.input_with_key("s", "I want peace", "key-1").await.ok();
    assert_eq!((without_flag(&later), &later["replayed"]), (first, &serde_json::json!(true)));
    server.input_with_key("s", "something else", "key-1").await.problem(422, "idempotency_key_reused");
}

fn without_flag(turn: &serde_json::Value) -> serde_json::Value {
    let mut turn = turn.clone();
    turn.as_object_mut().expect("an object").remove("replayed");
    turn
}

#[tokio::test]
async fn a_key_counts_within_its_session_alone() {
    let server = Server::start().await;
    server.input_with_key("a", "hello", "key").await.ok();
    let other = server.input_with_key("b", "hello", "key").await.ok();
    assert_eq!((&other["replayed"], &other["session_id"]), (&false.into(), &"b".into()));
}

#[tokio::test]
async fn ten_in_any_sixty_seconds_also_over_a_minutes_edge() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "10")]).await;
    // The clock stands at a full minute; go to 50 seconds past it.
    server.clock.advance(Duration::from_secs(50));
    let mut admitted = Vec::new();
    for second in 0..130u64 {
        let answer = server.input("s", "I want to feel calm").await;
        if answer.status == 200 {
            admitted.push(second);
        } else {
            let problem = answer.problem(429, "rate_limited");
            assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
            let wait: u64 = answer.header("retry-after").expect("told").parse().expect("seconds");
            let oldest = admitted[admitted.len() - 10];
            assert_eq!(wait, oldest + 60 - second);
            assert_eq!(answer.header("ratelimit-remaining"), Some("0"));
        }
        server.clock.advance(Duration::from_secs(1));
    }
    for start in 0..130 {
        let inside = admitted.iter().filter(|&&second| (start..start + 60).contains(&second)).count();
        assert!(inside <= 10, "{inside} within a minute from second {start}");
    }
    assert_eq!(admitted.len(), 30, "and no fewer than the limit allows");
}

#[tokio::test]
async fn the_limit_outlives_a_restart() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "3")]).await;
    for _ in 0..3 {
        server.input("s", "I want to feel calm").await.ok();
    }
    let server = server.restart().await;
    server.input("s", "I want to feel calm").await.problem(429, "rate_limited");
}

#[tokio::test]
async fn an_answered_turn_tells_its_quota() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "10")]).await;
    let answer = server.input("s", "hello").await;
    assert_eq!(answer.header("ratelimit-limit"), Some("10"));
    assert_eq!(answer.header("ratelimit-remaining"), Some("9"));
    assert!(answer.header("ratelimit-reset").is_some());
}

#[tokio::test]
async fn create_with_a_key_is_done_once_and_derives_its_id() {
    let server = Server::start().await;
    let body = serde_json::json!({"client_id": "c"});
    let create = || {
        let request = server.request(reqwest::Method::POST, "/api/v1/session/create");
        server.send(request.header("idempotency-key", "open-1").json(&body))
    };
    let (first, second) = (create().await.ok(), create().await.ok());
    assert_eq!(without_flag(&first), without_flag(&second));
    assert_eq!((&first["replayed"], &second["replayed"]), (&false.into(), &true.into()));
    let request = server.request(reqwest::Method::POST, "/api/v1/session/create");
    let other = serde_json::json!({"client_id": "d"});
    let reused = server.send(request.header("idempotency-key", "open-1").json(&other)).await;
    reused.problem(422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_does_not_stop_its_turn() {
    let server = Server::start().await;
    let body = serde_json::json!({"session_id": "s", "user_input": "I want to feel calm"});
    let request = server.request(reqwest::Method::POST, "/api/v1/input").json(&body);
    let gone = request.timeout(Duration::from_micros(300)).send().await;
    drop(gone);
    // Whether it came before the next turn, after it, or not at all: no number is lost or doubled.
    let next = server.input("s", "and free").await.ok()["turn"].as_u64().expect("stored");
    let history = server.history("s").await;
    let numbers: Vec<u64> = history.iter().rev().filter_map(|exchange| exchange["turn"].as_u64()).collect();
    assert!(numbers.contains(&next));
    assert_eq!(numbers, (1..=history.len() as u64).collect::<Vec<_>>());
}
