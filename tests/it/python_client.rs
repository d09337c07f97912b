//! What existing clients of the therapy API send and read: every key, type and status.

use serde_json::{Value, json};

use crate::server::Server;

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// The clients work as they are; where a credential is needed, with an API key in a header and nothing else changed.
async fn open_and_with_a_key() -> [Server; 2] {
    [Server::start().await, Server::with_key().await]
}

#[tokio::test]
async fn health_is_healthy_and_names_its_services() {
    for server in open_and_with_a_key().await {
        for path in ["/health", "/api/v1/health"] {
            let health = server.get(path).await.ok();
            assert_eq!(health["status"], "healthy");
            assert!(is_text(&health["timestamp"]));
            for service in ["ollama", "rag", "state_machine", "redis", "store"] {
                assert!(is_text(&health["services"][service]), "{service}");
            }
            assert_eq!(health["services"]["redis"], "not_configured");
        }
    }
}

#[tokio::test]
async fn create_takes_a_client_with_metadata_and_a_custom_id() {
    for server in open_and_with_a_key().await {
        let body = json!({"client_id": "c-1", "metadata": {"platform": "ios", "version": "1.0"}});
        let created = server.create(&body).await.ok();
        for field in ["session_id", "created_at", "message"] {
            assert!(is_text(&created[field]), "{field}");
        }
        assert_eq!(created["status"], "active");
        assert_eq!(created["disclosure"]["ai"], true);
        let custom = json!({"session_id": "custom", "client_id": "c-1", "metadata": {}});
        assert_eq!(server.create(&custom).await.ok()["session_id"], "custom");
        server.create(&custom).await.problem(409, "session_exists");
        let session = server.session("custom").await;
        assert_eq!(session["meta"]["created_via"], "create_endpoint");
    }
}

#[tokio::test]
async fn both_input_routes_answer_with_every_key_that_clients_read() {
    for server in open_and_with_a_key().await {
        let body =
            json!({"session_id": "a", "user_input": "I feel anxious all the time", "extra": {"old": true}});
        let by_body = server.post("/api/v1/input", &body).await.ok();
        let path = "/api/v1/session/a/input";
        let by_path = server.post(path, &json!({"user_input": "I want to feel calm"})).await.ok();
        let with_both = server.post("/session/a/input", &body).await.ok();
        for turn in [by_body, by_path, with_both] {
            assert_turn(&turn);
        }
    }
}

fn assert_turn(turn: &Value) {
    assert!(is_text(&turn["therapist_response"]));
    let read = &turn["preprocessing"];
    assert!(is_text(&read["emotional_state"]["primary_emotion"]));
    assert!(read["emotional_state"]["intensity"].as_u64().is_some_and(|intensity| intensity <= 3));
    assert!(read["emotional_state"]["categories"].is_array());
    assert!(is_text(&read["input_category"]));
    for check in ["self_harm", "thinking_mode", "past_tense", "i_dont_know"] {
        let check = &read["safety_checks"][format!("{check}_detected")];
        assert!(check["detected"].is_boolean() && check["phrases_found"].is_array(), "{check}");
    }
    for field in ["decision", "next_state", "reasoning"] {
        assert!(is_text(&turn["navigation"][field]), "{field}");
    }
    let progress = &turn["session_progress"];
    assert_eq!(progress["current_substate"], turn["navigation"]["next_state"]);
    assert!(progress["body_question_count"].is_u64());
    let criteria = progress["completion_criteria"].as_object().expect("an object");
    assert!(criteria.len() == 12 && criteria.values().all(Value::is_boolean));
    assert!(turn["turn"].is_u64() && turn["session_id"] == "a" && turn["successor_of"].is_null());
    assert_eq!((&turn["responder"], &turn["storage"]), (&json!("scripted"), &json!("embedded")));
    assert_eq!((&turn["replayed"], &turn["truncated"]), (&json!(false), &json!(false)));
    assert!(turn["safety"]["resources"].is_array() && turn["safety"]["level"] == "none");
    assert!(turn["processing_ms"].is_number() && turn["model_ms"].is_number());
}

#[tokio::test]
async fn status_sessions_and_delete_know_a_session_made_through_input() {
    for server in open_and_with_a_key().await {
        server.input("made-by-input", "Hello").await.ok();
        for path in ["/session/made-by-input/status", "/api/v1/session/made-by-input/status"] {
            let status = server.get(path).await.ok();
            for field in ["session_id", "status", "current_substate", "created_at", "last_interaction"] {
                assert!(is_text(&status[field]), "{field}");
            }
            assert_eq!((&status["turn_count"], &status["body_question_count"]), (&json!(1), &json!(0)));
            assert_eq!(status["completion_criteria"].as_object().map(serde_json::Map::len), Some(12));
        }
        let list = server.get("/api/v1/sessions").await.ok();
        assert_eq!(list["total_sessions"], 1);
        assert_eq!(list["sessions"][0]["session_id"], "made-by-input");
        assert!(is_text(&list["timestamp"]));
        let deleted = server.delete("/api/v1/session/made-by-input").await.ok();
        assert!(is_text(&deleted["message"]) && deleted["receipt"]["verified"] == true);
        let second = server.delete("/api/v1/session/made-by-input").await;
        let unknown = server.delete("/api/v1/session/never-was").await;
        let without_ids = |mut problem: Value| {
            problem["instance"] = Value::Null;
            problem
        };
        let (second, unknown) = (second.problem(404, "not_found"), unknown.problem(404, "not_found"));
        assert_eq!(without_ids(second), without_ids(unknown));
    }
}
