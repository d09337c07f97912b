//! What clinicians do with a session: they see who is in danger first, clear a level with a reason, write notes.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::redis_server::RedisServer;
use crate::server::{Answer, Server};

const BOOTSTRAP: &str = "attune_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const PASSWORD: &str = "a password of a test";
const INTENT: &str = "I am going to kill myself tonight";
const WISH: &str = "I wish I was dead";

/// A server with an app and a clinician.
struct Clinic {
    server: Server,
    app: String,
    cookie: String,
    csrf: String,
}

impl Clinic {
    async fn open(variables: &[(&str, &str)]) -> Self {
        let own = [("ATTUNE_AUTH", "required"), ("ATTUNE_BOOTSTRAP_KEY", BOOTSTRAP)];
        let server = Server::with(&[&own, variables].concat()).await;
        let admin =
            |path: &str, body: Value| server.request(Method::POST, path).bearer_auth(BOOTSTRAP).json(&body);
        let made = server.send(admin("/keys", json!({ "label": "app" }))).await.ok();
        server.send(admin("/clinicians", json!({ "name": "ana", "password": PASSWORD }))).await.ok();
        let login = server.post("/login", &json!({ "name": "ana", "password": PASSWORD })).await;
        let cookie =
            login.header("set-cookie").expect("a cookie").split(';').next().expect("a value").to_owned();
        let csrf = login.ok()["csrf_token"].as_str().expect("a token").to_owned();
        Self { app: made["key"].as_str().expect("a key").to_owned(), server, cookie, csrf }
    }

    async fn say(&self, session: &str, text: &str) -> Value {
        let body = json!({ "session_id": session, "user_input": text });
        self.server
            .send(self.server.request(Method::POST, "/api/v1/input").bearer_auth(&self.app).json(&body))
            .await
            .ok()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.server.request(method, path).header("cookie", &self.cookie).header("x-csrf-token", &self.csrf)
    }

    async fn get(&self, path: &str) -> Answer {
        self.server.send(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.server.send(self.request(Method::POST, path).json(body)).await
    }

    /// Session ids of a list, page by page.
    async fn walk(&self, query: &str) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = self.get(&format!("/sessions?{query}{from}")).await.ok();
            let rows = page["sessions"].as_array().cloned().unwrap_or_default();
            ids.extend(rows.iter().map(|row| row["session_id"].as_str().expect("an id").to_owned()));
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return ids;
            }
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
        assert_eq!(clinic.walk(&format!("order=danger&limit={limit}")).await.concat(), "eacfdb", "{limit}");
        assert_eq!(clinic.walk(&format!("order=newest&limit={limit}")).await.concat(), "fedcba", "{limit}");
    }
    assert_eq!(clinic.walk("order=danger&limit=1&safety_level=none").await.concat(), "fdb");
    assert_eq!(clinic.walk("order=danger&limit=1&status=paused").await.concat(), "ea");
    assert_eq!(clinic.get("/sessions?order=danger&limit=1").await.ok()["total_sessions"], 6);
    clinic.get("/sessions?order=worst").await.problem(422, "invalid_request");
    clinic.get("/sessions?order=danger&cursor=MTIzIHM").await.problem(422, "invalid_request");
}

#[tokio::test]
async fn a_clinician_clears_a_level_with_a_reason_and_everybody_goes_on() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = Clinic::open(&[("REDIS_URL", &url)]).await;
        clinic.say("s", "hello").await;
        clinic.say("s", INTENT).await;
        let empty = clinic.post("/session/s/clear", &json!({ "reason": " " })).await;
        assert_eq!(empty.problem(422, "invalid_request")["errors"][0]["field"], "reason");
        clinic.post("/session/s/clear", &json!({})).await.problem(422, "invalid_request");
        assert_eq!(clinic.get("/session/s").await.ok()["status"], "paused", "no reason, no clearing");
        let reason = "Spoke on the phone, safe with her sister tonight.";
        let cleared = clinic.post("/session/s/clear", &json!({ "reason": reason })).await.ok();
        assert_eq!((&cleared["cleared"], &cleared["status"]), (&json!(true), &json!("active")));
        let session = clinic.get("/session/s").await.ok();
        assert_eq!((&session["safety_level"], &session["status"]), (&json!("none"), &json!("active")));
        let notes = clinic.get("/session/s/notes").await.ok();
        let note = &notes["notes"][0];
        assert_eq!(
            (&note["by"], &note["kind"], &note["text"]),
            (&json!("ana"), &json!("cleared"), &json!(reason))
        );
        let again = clinic.post("/session/s/clear", &json!({ "reason": reason })).await.ok();
        assert_eq!(again["cleared"], false);
        let alerts = clinic.get("/alerts").await.ok();
        assert_eq!(alerts["alerts"][0]["state"], "cleared");
        assert_ne!(clinic.say("s", "I want to feel calm").await["responder"], "crisis");
        clinic.post("/session/nobody/clear", &json!({ "reason": "x" })).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn notes_are_for_clinicians_alone_and_an_app_never_sees_them() {
    let clinic = Clinic::open(&[]).await;
    clinic.say("s", "hello").await;
    let text = "Asked for a call on Monday; prefers the morning.";
    let note = clinic.post("/session/s/notes", &json!({ "text": text })).await.ok();
    assert_eq!((&note["by"], &note["kind"]), (&json!("ana"), &json!("note")));
    for path in ["/session/s", "/session/s/status", "/session/s/history"] {
        let seen =
            clinic.server.send(clinic.server.request(Method::GET, path).bearer_auth(&clinic.app)).await.ok();
        assert!(!seen.to_string().contains("Monday"), "{path}");
    }
    let read = clinic.server.request(Method::GET, "/session/s/notes").bearer_auth(&clinic.app);
    clinic.server.send(read).await.problem(403, "forbidden");
    for bad in [json!({ "text": "" }), json!({ "text": "x".repeat(1_001) }), json!({})] {
        clinic.post("/session/s/notes", &bad).await.problem(422, "invalid_request");
    }
    for _ in 1..100 {
        clinic.post("/session/s/notes", &json!({ "text": "one more" })).await.ok();
    }
    clinic.post("/session/s/notes", &json!({ "text": "too many" })).await.problem(409, "too_many_notes");
}

#[tokio::test]
async fn an_alert_has_an_owner_who_can_let_go_of_it() {
    let clinic = Clinic::open(&[]).await;
    clinic.say("s", INTENT).await;
    let alerts = clinic.get("/alerts").await.ok();
    let alert = &alerts["alerts"][0];
    assert_eq!(alert["owner"], Value::Null);
    let path = format!("/alerts/{}/own", alert["id"].as_str().expect("an id"));
    assert_eq!(clinic.post(&path, &json!({})).await.ok()["owner"], "ana");
    assert_eq!(clinic.get("/alerts").await.ok()["alerts"][0]["owner"], "ana");
    assert_eq!(clinic.post(&path, &json!({ "release": true })).await.ok()["owner"], Value::Null);
    clinic.post("/alerts/none/own", &json!({})).await.problem(404, "not_found");
}
