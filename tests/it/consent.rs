//! Where consent is required nobody is talked with without it, nothing is stored, and danger is answered all the same.

use std::time::Duration;

use attune::config::Config;
use attune::domain::consent::ConsentText;
use reqwest::Method;
use serde_json::{Value, json};

use crate::model_rig::{Stream, told};
use crate::redis_server::RedisServer;
use crate::server::{Server, start};

const INTENT: &str = "I am going to kill myself tonight";
/// Words of its own, to look for in what is stored.
const WORDS: &str = "I am going to kill myself tonight behind the turquoise greenhouse";
const REQUIRED: (&str, &str) = ("ATTUNE_CONSENT", "required");

async fn required() -> Server {
    Server::with(&[REQUIRED]).await
}

/// What names the current text.
async fn current(server: &Server) -> Value {
    let text = server.get("/consent").await.ok();
    json!({ "version": text["version"], "hash": text["hash"] })
}

async fn give(server: &Server, id: &str) -> Value {
    let current = current(server).await;
    server.post(&format!("/session/{id}/consent"), &current).await.ok()
}

async fn withdraw(server: &Server, id: &str) -> Value {
    server.delete(&format!("/session/{id}/consent")).await.ok()
}

async fn create_with_consent(server: &Server, id: &str) {
    let consent = current(server).await;
    server.create(&json!({ "session_id": id, "consent": consent })).await.ok();
}

async fn is_refused(server: &Server, id: &str) {
    let problem = server.input(id, "I want to feel calm").await.problem(428, "consent_required");
    assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()), "crisis lines are there");
}

fn is_unstored_crisis(turn: &Value) {
    assert_eq!(
        (&turn["responder"], &turn["storage"], &turn["turn"]),
        (&json!("crisis"), &json!("none"), &json!(null))
    );
    assert!(turn["safety"]["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
}

#[tokio::test]
async fn the_text_is_anyones_to_read() {
    let server = Server::with(&[REQUIRED, ("ATTUNE_AUTH", "required"), BOOTSTRAP]).await;
    let shown = server.get("/api/v1/consent").await.ok();
    let text = ConsentText::embedded().expect("sound");
    let expected = json!({ "version": text.version, "hash": text.hash, "text": text.text, "required": true });
    assert_eq!(shown, expected);
    assert_eq!(Server::start().await.get("/consent").await.ok()["required"], false);
}

const BOOTSTRAP: (&str, &str) =
    ("ATTUNE_BOOTSTRAP_KEY", "attune_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_consent_an_input_leaves_no_session_no_turn_and_takes_no_permit_on_either_store() {
    for is_redis in [false, true] {
        let redis = is_redis.then(|| RedisServer::with_clock(start()));
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let server = Server::with(&[REQUIRED, ("REDIS_URL", &url), ("RATE_LIMIT_PER_MINUTE", "1")]).await;
        server.create(&json!({ "session_id": "made" })).await.ok();
        for id in ["unknown", "made"] {
            for _ in 0..3 {
                is_refused(&server, id).await;
            }
        }
        server.get("/session/unknown").await.problem(404, "not_found");
        let made = server.session("made").await;
        assert_eq!((&made["turn_count"], &made["revision"]), (&json!(0), &json!(1)));
        assert!(server.history("made").await.is_empty());
        give(&server, "made").await;
        assert_eq!(server.input("made", "I want to feel calm").await.ok()["turn"], 1, "the permit was there");
        server.input("made", "I want to feel calm").await.problem(429, "rate_limited");
    }
}

#[tokio::test]
async fn a_refused_input_can_be_sent_again_under_its_key_once_there_is_consent() {
    let server = required().await;
    server.create(&json!({ "session_id": "s" })).await.ok();
    server.input_with_key("s", "I want to feel calm", "k").await.problem(428, "consent_required");
    give(&server, "s").await;
    let turn = server.input_with_key("s", "I want to feel calm", "k").await.ok();
    assert_eq!((&turn["turn"], &turn["replayed"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn consent_is_to_the_current_text_and_in_a_session_that_there_is() {
    let server = required().await;
    let current = current(&server).await;
    server.post("/session/s/consent", &current).await.problem(404, "not_found");
    server.get("/session/s/consent").await.problem(404, "not_found");
    server.delete("/session/s/consent").await.problem(404, "not_found");
    server.get("/session/s").await.problem(404, "not_found");
    server.create(&json!({ "session_id": "s" })).await.ok();
    for other in [
        json!({ "version": "0", "hash": current["hash"] }),
        json!({ "version": current["version"], "hash": "0" }),
    ] {
        server.post("/session/s/consent", &other).await.problem(409, "consent_outdated");
        let create = json!({ "session_id": "other", "consent": other });
        server.create(&create).await.problem(409, "consent_outdated");
    }
    server.get("/session/other").await.problem(404, "not_found");
    server.post("/session/s/consent", &json!({})).await.problem(422, "invalid_request");
    let none = server.get("/session/s/consent").await.ok();
    assert_eq!(none, json!({ "session_id": "s", "consent": null, "stands": false }));
}

#[tokio::test]
async fn consent_is_given_withdrawn_and_given_again_and_a_repeat_changes_nothing() {
    let server = required().await;
    server.create(&json!({ "session_id": "s" })).await.ok();
    let given = give(&server, "s").await;
    assert_eq!((&given["stands"], &given["consent"]["revoked_at"]), (&json!(true), &json!(null)));
    server.clock.advance(Duration::from_mins(1));
    assert_eq!(give(&server, "s").await, given);
    assert_eq!(server.get("/session/s/consent").await.ok(), given);
    server.input("s", "I want to feel calm").await.ok();
    let withdrawn = withdraw(&server, "s").await;
    assert_eq!((&withdrawn["stands"], &withdrawn["consent"]["at"]), (&json!(false), &given["consent"]["at"]));
    assert!(withdrawn["consent"]["revoked_at"].is_string());
    server.clock.advance(Duration::from_mins(1));
    assert_eq!(withdraw(&server, "s").await, withdrawn);
    is_refused(&server, "s").await;
    assert_eq!(server.history("s").await.len(), 1, "what was said can be read");
    assert_eq!(give(&server, "s").await["stands"], true);
    assert_eq!(server.input("s", "with my family").await.ok()["turn"], 2);
    withdraw(&server, "s").await;
    server.delete("/session/s").await.ok();
}

#[tokio::test]
async fn create_carries_consent_and_a_restart_keeps_it() {
    let server = required().await;
    create_with_consent(&server, "s").await;
    let server = server.restart().await;
    assert_eq!(server.get("/session/s/consent").await.ok()["stands"], true);
    assert_eq!(server.input("s", "I want to feel calm").await.ok()["turn"], 1);
}

#[tokio::test]
async fn another_text_needs_another_consent_and_danger_none() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "version = \"7\"\ntext = \"Our own words.\"").expect("written");
    let server = required().await;
    create_with_consent(&server, "s").await;
    server.input("s", "I want to feel calm").await.ok();
    let path = file.path().display().to_string();
    let server = server.restart_with(&[("ATTUNE_CONSENT_FILE", &path)]).await;
    let shown = server.get("/consent").await.ok();
    assert_eq!((&shown["version"], &shown["text"]), (&json!("7"), &json!("Our own words.")));
    is_refused(&server, "s").await;
    is_unstored_crisis(&server.input("s", INTENT).await.ok());
    assert_eq!(give(&server, "s").await["stands"], true);
    assert_eq!(server.input("s", "ok").await.ok()["turn"], 2);
}

#[tokio::test]
async fn a_successor_carries_the_consent_over_and_a_withdrawal_counts_in_it() {
    let server =
        Server::with(&[REQUIRED, ("SESSION_TTL", "20d"), ("SESSION_IDLE", "1d"), ("INDEX_SWEEP_MS", "20")])
            .await;
    create_with_consent(&server, "s").await;
    server.input("s", "I want to feel calm").await.ok();
    server.clock.advance(Duration::from_hours(25));
    while server.session("s").await["status"] != "expired" {
        tokio::task::yield_now().await;
    }
    let back = server.input("s", "hello again").await.ok();
    assert_eq!((&back["session_id"], &back["turn"]), (&json!("s.2"), &json!(1)));
    assert_eq!(server.get("/session/s.2/consent").await.ok()["stands"], true);
    withdraw(&server, "s").await;
    for id in ["s", "s.2"] {
        assert_eq!(server.get(&format!("/session/{id}/consent")).await.ok()["stands"], false, "{id}");
        is_refused(&server, id).await;
    }
    server.clock.advance(Duration::from_hours(25));
    while server.session("s.2").await["status"] != "expired" {
        tokio::task::yield_now().await;
    }
    is_refused(&server, "s").await;
    server.get("/session/s.3").await.problem(404, "not_found");
}

async fn open_alerts(server: &Server) -> Vec<Value> {
    let page = server.get("/api/v1/alerts?state=open").await.ok();
    page["alerts"].as_array().cloned().expect("a list")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn danger_without_consent_is_answered_raised_and_stored_nowhere_on_either_store() {
    for is_redis in [false, true] {
        let redis = is_redis.then(|| RedisServer::with_clock(start()));
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let mut server = Server::with(&[REQUIRED, ("REDIS_URL", &url)]).await;
        server.create(&json!({ "session_id": "made", "metadata": { "country": "GB" } })).await.ok();
        for (at, id) in ["unknown", "made"].into_iter().enumerate() {
            let first = server.input_with_key(id, WORDS, "k").await.ok();
            is_unstored_crisis(&first);
            assert_eq!((&first["safety"]["level"], &first["status"]), (&json!("crisis"), &json!("paused")));
            assert_eq!(open_alerts(&server).await.len(), at + 1, "{id}");
            // Whoever is in danger is answered, whatever they write.
            let next = server.input(id, "ok").await.ok();
            is_unstored_crisis(&next);
            assert_ne!(first["therapist_response"], next["therapist_response"], "the dialogue goes on");
        }
        server.get("/session/unknown").await.problem(404, "not_found");
        let made = server.session("made").await;
        assert_eq!((&made["turn_count"], &made["safety_level"]), (&json!(0), &json!("crisis")));
        let lines = server.input("made", "ok").await.ok()["safety"]["resources"].clone();
        assert_eq!(lines[0]["country"], "GB", "the session's own country counts");
        server.stop().await;
        let stored = redis.as_ref().map_or_else(|| server.files(), RedisServer::dump);
        let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds("made") && !holds("turquoise"), "no word of it is stored");
    }
}

#[tokio::test]
async fn a_level_that_was_raised_without_consent_stands_when_there_is_one() {
    let server = required().await;
    is_unstored_crisis(&server.input("s", INTENT).await.ok());
    create_with_consent(&server, "s").await;
    assert_eq!(server.session("s").await["status"], "paused");
    let stored = server.input("s", "ok").await.ok();
    assert_eq!((&stored["responder"], &stored["turn"]), (&json!("crisis"), &json!(1)));
}

#[tokio::test]
async fn a_yes_to_a_question_that_is_stored_nowhere_is_heard() {
    let server = required().await;
    let asked = server.input("s", "I wish I was dead").await.ok();
    is_unstored_crisis(&asked);
    assert_eq!(
        (&asked["navigation"]["decision"], &asked["safety"]["level"]),
        (&json!("safety_question"), &json!("elevated"))
    );
    let heard = server.input("s", "yes").await.ok();
    is_unstored_crisis(&heard);
    assert_ne!(heard["safety"]["level"], "elevated", "{}", heard["therapist_response"]);
    assert_eq!(open_alerts(&server).await.len(), 1);
    let calm = Server::with(&[REQUIRED]).await;
    is_unstored_crisis(&calm.input("s", "I wish I was dead").await.ok());
    let no = calm.input("s", "no").await;
    assert!(no.status == 428 || no.json()["storage"] == "none");
    assert!(open_alerts(&calm).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_events_too_the_refusal_is_a_problem_and_danger_is_told() {
    let server = required().await;
    let request = server.request(Method::POST, "/api/v1/input").header("accept", "text/event-stream");
    let body = json!({ "session_id": "s", "user_input": "hello" });
    server.send(request.json(&body)).await.problem(428, "consent_required");
    for text in [INTENT, "ok"] {
        let events = Stream::open(&server, "s", text, &[]).await.rest().await;
        let (text, turn) = told(&events);
        is_unstored_crisis(&turn);
        assert_eq!(turn["therapist_response"], text);
    }
}

#[tokio::test]
async fn where_it_is_off_nobody_is_asked_and_what_is_given_is_kept() {
    let server = Server::start().await;
    assert_eq!(server.input("s", "I want to feel calm").await.ok()["turn"], 1);
    assert_eq!(give(&server, "s").await["stands"], true);
    withdraw(&server, "s").await;
    assert_eq!(server.input("s", "I don't know").await.ok()["turn"], 2);
    let server = server.restart_with(&[REQUIRED]).await;
    is_refused(&server, "s").await;
}

#[tokio::test]
async fn a_text_that_cannot_be_used_stops_the_start_and_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "version = \"7\"").expect("written");
    let named = file.path().display().to_string();
    for path in [named.as_str(), "/nowhere/consent.toml"] {
        let pairs = [("ATTUNE_ADDR", "127.0.0.1:0"), ("ATTUNE_CONSENT_FILE", path)];
        let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_variables(variables.into()).expect("sound");
        let fault = attune::app::open_knowledge(&config).err().map(|fault| fault.to_string());
        let told = fault.is_some_and(|told| told.contains("ATTUNE_CONSENT_FILE") && told.contains(path));
        assert!(told, "{path}");
    }
}
