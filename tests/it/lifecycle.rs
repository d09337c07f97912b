//! A session's life: made, paused, resumed, extended, completed, expired, succeeded, deleted.

use std::time::Duration;

use serde_json::{Value, json};

use crate::server::Server;

const DAY: u64 = 86_400;

#[tokio::test]
async fn a_paused_session_answers_and_does_not_go_on() {
    let server = Server::start().await;
    server.input("s", "I want to feel calm").await.ok();
    let step = server.session("s").await["step"].clone();
    let paused = server.post("/session/s/pause", &json!({"reason": "a call"})).await.ok();
    assert_eq!(paused, json!({"session_id": "s", "status": "paused"}));
    server.post("/session/s/pause", &json!({})).await.problem(409, "lifecycle_refused");
    let held = server.input("s", "I feel it in my chest").await.ok();
    assert_eq!((&held["navigation"]["decision"], &held["turn"]), (&json!("hold"), &json!(2)));
    assert_eq!(server.session("s").await["step"], step);
    assert_eq!(server.post("/session/s/resume", &json!({})).await.ok()["status"], "active");
    let on = server.input("s", "I am calm and free, with my family").await.ok();
    assert_ne!(on["navigation"]["decision"], "hold");
}

#[tokio::test]
async fn a_completed_session_says_a_closing_word_and_can_not_be_resumed() {
    let server = Server::start().await;
    server.input("s", "hello").await.ok();
    assert_eq!(server.post("/session/s/complete", &json!({})).await.ok()["status"], "completed");
    let closing = server.input("s", "thank you").await.ok();
    assert_eq!(
        (&closing["navigation"]["decision"], &closing["status"]),
        (&json!("closing"), &json!("completed"))
    );
    server.post("/session/s/resume", &json!({})).await.problem(409, "lifecycle_refused");
    let crisis = server.input("s", "I am going to kill myself tonight").await.ok();
    assert_eq!((&crisis["responder"], &crisis["status"]), (&json!("crisis"), &json!("completed")));
}

#[tokio::test]
async fn reading_keeps_nobody_alive_and_a_turn_does() {
    let server = Server::start().await;
    server.input("s", "hello").await.ok();
    server.clock.advance(Duration::from_secs(DAY / 2));
    assert_eq!(server.session("s").await["remaining_ttl"], DAY / 2);
    server.input("s", "I want to feel calm").await.ok();
    assert_eq!(server.session("s").await["remaining_ttl"], DAY);
}

#[tokio::test]
async fn an_extended_ttl_is_kept_by_later_turns() {
    let server = Server::start().await;
    server.input("s", "hello").await.ok();
    let extended = server.post("/session/s/extend", &json!({"ttl": 7 * DAY})).await.ok();
    assert_eq!(extended["remaining_ttl"], 7 * DAY);
    server.clock.advance(Duration::from_secs(DAY));
    server.input("s", "I want to feel calm").await.ok();
    let session = server.session("s").await;
    assert_eq!((&session["ttl"], &session["remaining_ttl"]), (&json!(7 * DAY), &json!(7 * DAY)));
    server.post("/session/s/extend", &json!({"ttl": 59})).await.problem(422, "invalid_request");
    server.post("/session/s/extend", &json!({"ttl": 2_592_001})).await.problem(422, "invalid_request");
    server.post("/session/unknown/extend", &json!({"ttl": 60})).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_expired_session_goes_on_in_a_successor_that_greets() {
    let server = Server::with(&[("INDEX_SWEEP_MS", "20")]).await;
    let create = json!({"session_id": "s", "client_id": "c", "metadata": {"country": "NL"}});
    server.create(&create).await.ok();
    server.input("s", "I want to feel calm").await.ok();
    server.clock.advance(Duration::from_secs(DAY * 47 / 48));
    wait_for_status(&server, "s", "expired").await;
    let back = server.input("s", "I am here again").await.ok();
    assert_eq!((&back["session_id"], &back["successor_of"]), (&json!("s.2"), &json!("s")));
    assert_eq!((&back["navigation"]["decision"], &back["turn"]), (&json!("welcome_back"), &json!(1)));
    assert_eq!(server.session("s.2").await["meta"]["country"], "NL");
    let next = server.input("s", "I want to feel calm").await.ok();
    assert_eq!((&next["session_id"], &next["turn"]), (&json!("s.2"), &json!(2)));
    assert_eq!(server.session("s").await["status"], "expired", "reading the old id means the old record");
    server.delete("/session/s").await.ok();
    assert_eq!(server.session("s.2").await["turn_count"], 2);
}

pub async fn wait_for_status(server: &Server, id: &str, status: &str) {
    for _ in 0..500 {
        if server.session(id).await["status"] == status {
            return;
        }
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} did not become {status}");
}

#[tokio::test]
async fn after_its_ttl_nothing_of_a_session_is_left() {
    let server = Server::with(&[("INDEX_SWEEP_MS", "20")]).await;
    server.input("s", "a sentence that nobody should find").await.ok();
    server.clock.advance(Duration::from_secs(DAY + 1));
    assert_eq!(server.get("/session/s").await.status, 404);
    assert_eq!(server.get("/session/s/history").await.status, 404);
    let fresh = server.input("s", "hello").await.ok();
    assert_eq!((&fresh["turn"], &fresh["successor_of"]), (&json!(1), &Value::Null));
    assert_eq!(server.history("s").await.len(), 1);
}

#[tokio::test]
async fn the_list_filters_pages_and_counts() {
    let server = Server::start().await;
    for n in 0..7 {
        server.clock.advance(Duration::from_secs(1));
        server.input(&format!("s{n}"), "hello").await.ok();
    }
    server.post("/session/s2/complete", &json!({})).await.ok();
    server.input("s5", "I am going to kill myself tonight").await.ok();
    let ids = |page: &Value| -> Vec<String> {
        let rows = page["sessions"].as_array().cloned().unwrap_or_default();
        rows.iter().filter_map(|row| row["session_id"].as_str().map(str::to_owned)).collect()
    };
    let first = server.get("/sessions?limit=3").await.ok();
    assert_eq!((&first["total_sessions"], first["sessions"].as_array().map(Vec::len)), (&json!(7), Some(3)));
    let mut seen = ids(&first);
    let mut cursor = first["next_cursor"].clone();
    while let Some(next) = cursor.as_str() {
        let page = server.get(&format!("/sessions?limit=3&cursor={next}")).await.ok();
        seen.extend(ids(&page));
        cursor = page["next_cursor"].clone();
    }
    assert_eq!(seen.len(), 7);
    let completed = server.get("/sessions?status=completed").await.ok();
    assert_eq!((ids(&completed), &completed["total_sessions"]), (vec!["s2".to_owned()], &json!(1)));
    let crisis = server.get("/sessions?safety_level=crisis&status=paused").await.ok();
    assert_eq!(ids(&crisis), ["s5"]);
    assert_eq!(ids(&server.get("/sessions?q=s3").await.ok()), ["s3"]);
    let since = "2026-03-01T12%3A00%3A06Z";
    assert_eq!(server.get(&format!("/sessions?active_since={since}")).await.ok()["total_sessions"], 2);
}

#[tokio::test]
async fn a_page_of_history_tells_where_the_next_begins() {
    let server = Server::with(&[("HISTORY_MAX", "5")]).await;
    for n in 0..8 {
        server.input("s", &format!("I want to feel calm {n}")).await.ok();
    }
    let page = server.get("/session/s/history?limit=3").await.ok();
    let turns = |page: &Value| -> Vec<u64> {
        let exchanges = page["exchanges"].as_array().cloned().unwrap_or_default();
        exchanges.iter().filter_map(|exchange| exchange["turn"].as_u64()).collect()
    };
    assert_eq!((turns(&page), &page["next_before"]), (vec![8, 7, 6], &json!(6)));
    let rest = server.get("/session/s/history?limit=3&before=6").await.ok();
    assert_eq!((turns(&rest), &rest["next_before"]), (vec![5, 4], &Value::Null));
    assert_eq!(rest["history_trimmed"], true);
}

#[tokio::test]
async fn days_are_counted() {
    let server = Server::start().await;
    server.input("s", "hello").await.ok();
    server.input("s", "I am going to kill myself tonight").await.ok();
    let days = server.get("/api/v1/analytics/daily").await.ok();
    let counts = &days["days"][0]["counts"];
    assert_eq!(days["days"][0]["date"], "2026-03-01");
    assert_eq!((&counts["total_inputs"], &counts["event:turn"]), (&json!(2), &json!(2)));
    assert_eq!(counts["event:session_created"], 1);
    assert_eq!(counts["event:level:crisis"], 1);
    assert_eq!(counts["event:decision:crisis_support"], 1);
}

#[tokio::test]
async fn deleting_leaves_no_word_in_the_files_that_are_read() {
    let server = Server::start().await;
    server.input_with_key("s", "a marker sentence", "k").await.ok();
    let receipt = server.delete("/session/s").await.ok()["receipt"].clone();
    let removed = json!({
        "exchanges": 1, "stored_replies": 1, "notes": 0, "credentials": 0, "messages": 0,
        "safety_memory_kept": false, "verified": true
    });
    assert_eq!(receipt, removed);
    let again = server.input_with_key("s", "a marker sentence", "k").await.ok();
    assert_eq!((&again["turn"], &again["replayed"]), (&json!(1), &json!(false)));
}
