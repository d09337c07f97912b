//! What clinicians do with a session: they see who is in danger first, clear a level with a reason, write notes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clinic::Clinic;
use crate::redis_server::RedisServer;
use crate::server::Answer;

const INTENT: &str = "I am going to kill myself tonight";
const WISH: &str = "I wish I was dead";

async fn get(clinic: &Clinic, path: &str) -> Answer {
    clinic.as_clinician(Method::GET, path, &Value::Null).await
}

async fn post(clinic: &Clinic, path: &str, body: &Value) -> Answer {
    clinic.as_clinician(Method::POST, path, body).await
}

/// Session ids of a list, page by page.
async fn walk(clinic: &Clinic, query: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = get(clinic, &format!("/sessions?{query}{from}")).await.ok();
        let rows = page["sessions"].as_array().cloned().unwrap_or_default();
        ids.extend(rows.iter().map(|row| row["session_id"].as_str().expect("an id").to_owned()));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn who_is_in_danger_stands_first_whatever_the_size_of_the_page() {
    let clinic = Clinic::open(&[]).await;
    for (session, text) in
        [("a", INTENT), ("b", "hello"), ("c", WISH), ("d", "hello"), ("e", INTENT), ("f", "hello")]
    {
        clinic.server.clock.advance(std::time::Duration::from_secs(1));
        clinic.say(session, text).await;
    }
    for limit in [1, 2, 3, 4, 6, 100] {
        assert_eq!(walk(&clinic, &format!("order=danger&limit={limit}")).await.concat(), "eacfdb", "{limit}");
        assert_eq!(walk(&clinic, &format!("order=newest&limit={limit}")).await.concat(), "fedcba", "{limit}");
    }
    assert_eq!(walk(&clinic, "order=danger&limit=1&safety_level=none").await.concat(), "fdb");
    assert_eq!(walk(&clinic, "order=danger&limit=1&status=paused").await.concat(), "ea");
    assert_eq!(get(&clinic, "/sessions?order=danger&limit=1").await.ok()["total_sessions"], 6);
    get(&clinic, "/sessions?order=worst").await.problem(422, "invalid_request");
    get(&clinic, "/sessions?order=danger&cursor=MTIzIHM").await.problem(422, "invalid_request");
}

/// What a clinician who looks at the session `s` now decides on.
async fn basis(clinic: &Clinic) -> Value {
    get(clinic, "/session/s").await.ok()["basis"].clone()
}

#[tokio::test]
async fn a_clearing_that_danger_has_overtaken_clears_nothing() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = Clinic::open(&[("REDIS_URL", &url)]).await;
        clinic.say("s", "I keep thinking about killing myself").await;
        for danger in [INTENT, INTENT] {
            let seen = basis(&clinic).await;
            clinic.say("s", danger).await;
            let decided = json!({ "reason": "safe with her sister", "basis": seen });
            post(&clinic, "/session/s/clear", &decided).await.problem(409, "overtaken");
            let session = get(&clinic, "/session/s").await.ok();
            assert_eq!((&session["safety_level"], &session["status"]), (&json!("crisis"), &json!("paused")));
        }
        let notes = get(&clinic, "/session/s/notes").await.ok();
        assert_eq!(notes["notes"], json!([]), "nothing was decided");
        assert!(get(&clinic, "/alerts?state=open").await.ok()["open_alerts"].as_u64() > Some(0));
        for bad in ["", "high", "high.1", "high.1.1.1", "worst.1.1", "high.-1.1"] {
            let decided = json!({ "reason": "x", "basis": bad });
            let told = post(&clinic, "/session/s/clear", &decided).await.problem(422, "invalid_request");
            assert_eq!(told["errors"][0]["field"], "basis");
        }
    }
}

#[tokio::test]
async fn a_session_full_of_notes_can_be_cleared() {
    let clinic = Clinic::open(&[]).await;
    clinic.say("s", INTENT).await;
    for _ in 0..100 {
        post(&clinic, "/session/s/notes", &json!({ "text": "one more" })).await.ok();
    }
    post(&clinic, "/session/s/notes", &json!({ "text": "too many" })).await.problem(409, "too_many_notes");
    let decided = json!({ "reason": "safe", "basis": basis(&clinic).await });
    assert_eq!(post(&clinic, "/session/s/clear", &decided).await.ok()["cleared"], true);
}

#[tokio::test]
async fn a_clinician_clears_a_level_with_a_reason_and_everybody_goes_on() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = Clinic::open(&[("REDIS_URL", &url)]).await;
        clinic.say("s", "hello").await;
        clinic.say("s", INTENT).await;
        let basis = basis(&clinic).await;
        let empty = post(&clinic, "/session/s/clear", &json!({ "reason": " ", "basis": basis })).await;
        assert_eq!(empty.problem(422, "invalid_request")["errors"][0]["field"], "reason");
        post(&clinic, "/session/s/clear", &json!({})).await.problem(422, "invalid_request");
        assert_eq!(get(&clinic, "/session/s").await.ok()["status"], "paused", "no reason, no clearing");
        let reason = "Spoke on the phone, safe with her sister tonight.";
        let decided = json!({ "reason": reason, "basis": basis });
        let cleared = post(&clinic, "/session/s/clear", &decided).await.ok();
        assert_eq!((&cleared["cleared"], &cleared["status"]), (&json!(true), &json!("active")));
        let session = get(&clinic, "/session/s").await.ok();
        assert_eq!((&session["safety_level"], &session["status"]), (&json!("none"), &json!("active")));
        let notes = get(&clinic, "/session/s/notes").await.ok();
        let note = &notes["notes"][0];
        assert_eq!(
            (&note["by"], &note["kind"], &note["text"]),
            (&json!("ana"), &json!("cleared"), &json!(reason))
        );
        let again = post(&clinic, "/session/s/clear", &decided).await.ok();
        assert_eq!(again["cleared"], false);
        let alerts = get(&clinic, "/alerts").await.ok();
        assert_eq!(alerts["alerts"][0]["state"], "cleared");
        assert_ne!(clinic.say("s", "I want to feel calm").await["responder"], "crisis");
        post(&clinic, "/session/nobody/clear", &decided).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn notes_are_for_clinicians_alone_and_an_app_never_sees_them() {
    let clinic = Clinic::open(&[]).await;
    clinic.say("s", "hello").await;
    let text = "Asked for a call on Monday; prefers the morning.";
    let note = post(&clinic, "/session/s/notes", &json!({ "text": text })).await.ok();
    assert_eq!((&note["by"], &note["kind"]), (&json!("ana"), &json!("note")));
    for path in ["/session/s", "/session/s/status", "/session/s/history"] {
        let seen =
            clinic.server.send(clinic.server.request(Method::GET, path).bearer_auth(&clinic.app)).await.ok();
        assert!(!seen.to_string().contains("Monday"), "{path}");
    }
    let read = clinic.server.request(Method::GET, "/session/s/notes").bearer_auth(&clinic.app);
    clinic.server.send(read).await.problem(403, "forbidden");
    for bad in [json!({ "text": "" }), json!({ "text": "x".repeat(1_001) }), json!({})] {
        post(&clinic, "/session/s/notes", &bad).await.problem(422, "invalid_request");
    }
    for _ in 1..100 {
        post(&clinic, "/session/s/notes", &json!({ "text": "one more" })).await.ok();
    }
    post(&clinic, "/session/s/notes", &json!({ "text": "too many" })).await.problem(409, "too_many_notes");
}

#[tokio::test]
async fn an_alert_has_an_owner_who_can_let_go_of_it() {
    let clinic = Clinic::open(&[]).await;
    clinic.say("s", INTENT).await;
    let alerts = get(&clinic, "/alerts").await.ok();
    let alert = &alerts["alerts"][0];
    assert_eq!(alert["owner"], Value::Null);
    let path = format!("/alerts/{}/own", alert["id"].as_str().expect("an id"));
    assert_eq!(post(&clinic, &path, &json!({})).await.ok()["owner"], "ana");
    assert_eq!(get(&clinic, "/alerts").await.ok()["alerts"][0]["owner"], "ana");
    assert_eq!(post(&clinic, &path, &json!({ "release": true })).await.ok()["owner"], Value::Null);
    post(&clinic, "/alerts/none/own", &json!({})).await.problem(404, "not_found");
}
