//! Danger comes first: answered whatever else refuses, remembered whatever happens.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::Server;

const INTENT: &str = "I am going to kill myself tonight";

fn assert_crisis(turn: &Value) {
    assert!(
        ["high", "crisis"].contains(&turn["safety"]["level"].as_str().unwrap_or_default()),
        "{}",
        turn["safety"]
    );
    assert_eq!((&turn["responder"], &turn["status"]), (&json!("crisis"), &json!("paused")));
    assert_eq!(turn["navigation"]["decision"], "crisis_support");
    assert!(turn["safety"]["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
    assert_eq!(turn["preprocessing"]["safety_checks"]["self_harm_detected"]["detected"], true);
}

#[tokio::test]
async fn danger_pauses_the_protocol_and_never_the_person() {
    let server = Server::start().await;
    server.input("s", "I want to feel calm").await.ok();
    let before = server.session("s").await;
    let crisis = server.input("s", INTENT).await.ok();
    assert_crisis(&crisis);
    assert_eq!((&crisis["turn"], &crisis["storage"]), (&json!(2), &json!("embedded")));
    let after = server.session("s").await;
    for field in ["step", "completion_criteria", "body_question_count"] {
        assert_eq!(before[field], after[field], "{field} rests");
    }
    assert_eq!((&after["status"], &after["turn_count"]), (&json!("paused"), &json!(2)));
    assert_eq!(after["remaining_ttl"], Value::Null, "danger holds the session");
    let next = server.input("s", "ok").await.ok();
    assert_eq!((&next["responder"], &next["turn"]), (&json!("crisis"), &json!(3)));
    assert_ne!(next["therapist_response"], crisis["therapist_response"]);
    server.post("/session/s/resume", &json!({})).await.problem(409, "lifecycle_refused");
}

#[tokio::test]
async fn danger_is_answered_while_the_limiter_is_full() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    server.input("s", "hello").await.ok();
    server.input("s", "hello").await.problem(429, "rate_limited");
    assert_crisis(&server.input("s", INTENT).await.ok());
    // From here on the person is in danger, and whatever they write is answered.
    for _ in 0..5 {
        assert_eq!(server.input("s", "ok").await.ok()["responder"], "crisis");
    }
}

#[tokio::test]
async fn over_the_bound_of_its_lane_danger_is_answered_unstored() {
    let server = Server::start().await;
    for _ in 0..60 {
        assert_crisis(&server.input("s", INTENT).await.ok());
    }
    let over = server.input("s", INTENT).await.ok();
    assert_crisis(&over);
    assert_eq!((&over["turn"], &over["storage"]), (&Value::Null, &json!("none")));
    assert_eq!(server.session("s").await["turn_count"], 60);
}

#[tokio::test]
async fn danger_is_answered_while_the_queue_is_full_and_the_lease_is_held() {
    let server = Server::with(&[("QUEUE_MAX", "0"), ("LOCK_WAIT_MS", "0")]).await;
    let texts = (0..20).map(|_| server.input("s", INTENT));
    for answer in futures_util::future::join_all(texts).await {
        assert_crisis(&answer.ok());
    }
}

#[tokio::test]
async fn danger_is_answered_in_a_text_that_is_too_long_with_unknown_fields_and_a_bad_key() {
    let server = Server::start().await;
    let long = format!("{} {INTENT}", "so tired of it all. ".repeat(1_000));
    let body = json!({"session_id": "s", "user_input": long, "unknown": [1, 2], "client_time": 7});
    let request = server.request(Method::POST, "/api/v1/input").header("idempotency-key", "k".repeat(300));
    let turn = server.send(request.json(&body)).await.ok();
    assert_crisis(&turn);
    assert_eq!(turn["truncated"], true);
    let stored = server.history("s").await[0]["client_input"].as_str().map(|text| text.chars().count());
    assert_eq!(stored, Some(8_000));
    let harmless = "all is well. ".repeat(1_000);
    let problem = server.input("s", &harmless).await.problem(422, "text_too_long");
    assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
}

#[tokio::test]
async fn a_level_is_kept_after_a_retraction_a_restart_and_in_a_new_session_of_the_client() {
    let server = Server::start().await;
    server.create(&json!({"session_id": "one", "client_id": "c"})).await.ok();
    let level = server.input("one", INTENT).await.ok()["safety"]["level"].clone();
    let retracted = server.input("one", "just kidding, I am fine").await.ok();
    assert_eq!((&retracted["safety"]["level"], &retracted["status"]), (&level, &json!("paused")));
    let server = server.restart().await;
    assert_eq!(server.session("one").await["safety_level"], level);
    let created = server.create(&json!({"session_id": "two", "client_id": "c"})).await.ok();
    assert_eq!(created["status"], "paused");
    assert_eq!(server.session("two").await["safety_level"], level);
    assert_eq!(server.input("two", "hello").await.ok()["responder"], "crisis");
    server.delete("/session/one").await.ok();
    server.delete("/session/two").await.ok();
    let third = server.create(&json!({"session_id": "three", "client_id": "c"})).await.ok();
    assert_eq!(third["status"], "paused", "deleting sessions does not forget the danger");
    let stranger = server.create(&json!({"session_id": "four", "client_id": "other"})).await.ok();
    assert_eq!(stranger["status"], "active");
}

#[tokio::test]
async fn a_session_without_a_client_remembers_danger_under_its_own_id() {
    let server = Server::start().await;
    let level = server.input("s", INTENT).await.ok()["safety"]["level"].clone();
    server.delete("/session/s").await.ok();
    let again = server.input("s", "hello").await.ok();
    assert_eq!((&again["turn"], &again["safety"]["level"]), (&json!(1), &level));
    assert_eq!(again["responder"], "crisis");
}

#[tokio::test]
async fn who_comes_back_under_the_id_of_a_removed_session_is_its_client() {
    let server = Server::start().await;
    server.create(&json!({"session_id": "s", "client_id": "c"})).await.ok();
    let level = server.input("s", INTENT).await.ok()["safety"]["level"].clone();
    server.delete("/session/s").await.ok();
    let again = server.input("s", "hello").await.ok();
    assert_eq!(
        (&again["turn"], &again["safety"]["level"], &again["responder"]),
        (&json!(1), &level, &json!("crisis"))
    );
    server.delete("/session/s").await.ok();
    let created = server.create(&json!({"session_id": "s"})).await.ok();
    assert_eq!(created["status"], "paused");
}

#[tokio::test]
async fn a_session_in_danger_outlives_its_ttl() {
    let server = Server::with(&[("INDEX_SWEEP_MS", "10")]).await;
    server.input("calm", "hello").await.ok();
    server.input("danger", INTENT).await.ok();
    server.clock.advance(Duration::from_hours(25));
    assert_eq!(server.get("/session/calm").await.status, 404);
    assert_eq!(server.session("danger").await["status"], "paused");
}

#[tokio::test]
async fn the_crisis_lines_follow_the_country_of_the_session() {
    let server = Server::with(&[("ATTUNE_COUNTRY", "DE")]).await;
    let british = json!({"session_id": "gb", "metadata": {"country": "GB"}});
    server.create(&british).await.ok();
    let lines = server.input("gb", INTENT).await.ok()["safety"]["resources"].clone();
    assert!(
        lines.as_array().is_some_and(|lines| lines.iter().any(|line| line["country"] == "GB")),
        "{lines}"
    );
    let lines = server.input("nowhere", INTENT).await.ok()["safety"]["resources"].clone();
    assert!(
        lines.as_array().is_some_and(|lines| lines.iter().any(|line| line["country"] == "DE")),
        "{lines}"
    );
    let refused = server.input("no good id", "hello").await.problem(422, "invalid_request");
    assert_eq!(refused["resources"][0]["country"], "DE");
}

#[tokio::test]
async fn danger_under_a_reused_key_is_stored_all_the_same() {
    let server = Server::start().await;
    server.input_with_key("s", "hello", "k").await.ok();
    let crisis = server.input_with_key("s", INTENT, "k").await.ok();
    assert_crisis(&crisis);
    assert_eq!((&crisis["turn"], &crisis["storage"]), (&json!(2), &json!("embedded")));
    assert_eq!(server.history("s").await[0]["client_input"], INTENT);
}

#[tokio::test]
async fn the_same_crisis_message_with_a_key_is_stored_once() {
    let server = Server::start().await;
    let first = server.input_with_key("s", INTENT, "k").await.ok();
    let again = server.input_with_key("s", INTENT, "k").await.ok();
    assert_eq!(again["therapist_response"], first["therapist_response"]);
    assert_eq!(
        (&again["replayed"], server.session("s").await["turn_count"].as_u64()),
        (&json!(true), Some(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_shows_a_session_going_on_in_danger() {
    let server = Server::start().await;
    let (raises, reads) = (40, 1_000);
    for n in 0..raises {
        server.create(&json!({"session_id": format!("s{n}"), "client_id": format!("c{n}")})).await.ok();
    }
    let raising = async {
        for n in 0..raises {
            server.input(&format!("s{n}"), INTENT).await.ok();
        }
    };
    let reading = async {
        for n in 0..reads {
            let id = n % raises;
            let status = server.get(&format!("/session/s{id}/status")).await.ok();
            let list = server.get("/sessions?limit=50").await.ok();
            let rows = list["sessions"].as_array().cloned().unwrap_or_default();
            for seen in rows.iter().chain([&status]) {
                let in_danger =
                    ["high", "crisis"].contains(&seen["safety_level"].as_str().unwrap_or_default());
                assert!(!(in_danger && seen["status"] == "active"), "{seen}");
            }
        }
    };
    tokio::join!(raising, reading);
}

#[tokio::test]
async fn the_answer_to_a_safety_question_is_never_refused() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    let asked = server.input("s", "I feel hopeless and I wish I wasn't here").await.ok();
    assert_eq!(
        (&asked["navigation"]["decision"], &asked["status"]),
        (&json!("safety_question"), &json!("active"))
    );
    assert!(asked["therapist_response"].as_str().is_some_and(|text| text.contains('?')));
    server.input("other", "hello").await.ok();
    server.input("other", "hello").await.problem(429, "rate_limited");
    let answered = server.input("s", "yes").await.ok();
    assert_crisis_level(&answered);
    assert_crisis_level(&server.input("s", "I don't know").await.ok());
}

fn assert_crisis_level(turn: &Value) {
    assert!(["high", "crisis"].contains(&turn["safety"]["level"].as_str().unwrap_or_default()));
    assert_eq!((&turn["responder"], &turn["status"]), (&json!("crisis"), &json!("paused")));
}

#[tokio::test]
async fn an_answer_to_the_safety_question_is_none_to_the_protocols_own() {
    let server = Server::start().await;
    server.input("s", "I want to feel calm").await.ok();
    let before = server.session("s").await;
    let asked = server.input("s", "I can't go on like this").await.ok();
    assert_eq!(asked["navigation"]["decision"], "safety_question");
    let answered = server.input("s", "no").await.ok();
    assert_eq!(answered["navigation"]["decision"], "safety_answered");
    let after = server.session("s").await;
    for field in ["step", "completion_criteria", "body_question_count"] {
        assert_eq!(before[field], after[field], "{field} rests");
    }
    server.input("s", "I can't go on like this").await.ok();
    let maybe = server.input("s", "maybe").await.ok();
    assert_eq!((&maybe["safety"]["level"], &maybe["status"]), (&json!("high"), &json!("paused")));
}
