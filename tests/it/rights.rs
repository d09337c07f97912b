//! A person's rights: everything in one answer, and nothing left where they want it gone.

use attune::http::openapi::export_schema;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::redis_server::RedisServer;
use crate::server::{Answer, Server};

const BOOTSTRAP: &str = "attune_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const PASSWORD: &str = "a password of a test";
/// A word of its own in everything that is kept of somebody.
const MARKS: usize = 20;

fn mark(n: usize) -> String {
    format!("zephyrine{n:02}quartz")
}

/// A server on which somebody has talked, consented, and been looked after.
struct Life {
    server: Server,
    app: String,
    cookie: String,
    csrf: String,
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_else(|| panic!("no {field}")).to_owned()
}

impl Life {
    async fn lived(variables: &[(&str, &str)]) -> Self {
        let own = [("ATTUNE_AUTH", "required"), ("ATTUNE_BOOTSTRAP_KEY", BOOTSTRAP)];
        let server = Server::with(&[&own, variables].concat()).await;
        let admin =
            |path: &str, body: Value| server.request(Method::POST, path).bearer_auth(BOOTSTRAP).json(&body);
        let app = text(&server.send(admin("/keys", json!({ "label": "app" }))).await.ok(), "key");
        server.send(admin("/clinicians", json!({ "name": "ana", "password": PASSWORD }))).await.ok();
        let login = server.post("/login", &json!({ "name": "ana", "password": PASSWORD })).await;
        let cookie =
            login.header("set-cookie").expect("a cookie").split(';').next().expect("a value").to_owned();
        let csrf = text(&login.ok(), "csrf_token");
        let life = Self { server, app, cookie, csrf };
        let created = json!({
            "session_id": "s", "client_id": mark(0), "metadata": { "platform": mark(1), "country": "DE" }
        });
        life.as_app(Method::POST, "/session/create", &created).await.ok();
        let consent = life.server.get("/consent").await.ok();
        let given = json!({ "version": consent["version"], "hash": consent["hash"] });
        life.as_app(Method::POST, "/session/s/consent", &given).await.ok();
        for n in 2..MARKS - 1 {
            let said = json!({ "user_input": format!("I want to feel calm about {}", mark(n)) });
            let request =
                life.server.request(Method::POST, "/session/s/input").bearer_auth(&life.app).json(&said);
            life.server.send(request.header("idempotency-key", format!("key{n}"))).await.ok();
        }
        life.as_clinician(Method::POST, "/session/s/notes", &json!({ "text": mark(MARKS - 1) })).await.ok();
        life.as_clinician(Method::GET, "/session/s/history", &Value::Null).await.ok();
        life
    }

    async fn send(&self, request: RequestBuilder, body: &Value) -> Answer {
        self.server.send(if body.is_null() { request } else { request.json(body) }).await
    }

    async fn as_app(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(self.server.request(method, path).bearer_auth(&self.app), body).await
    }

    async fn as_clinician(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.server.request(method, path).header("cookie", &self.cookie);
        self.send(request.header("x-csrf-token", &self.csrf), body).await
    }

    /// Once what was done is sealed.
    async fn export(&self) -> Value {
        loop {
            let export = self.as_app(Method::GET, "/session/s/export", &Value::Null).await.ok();
            let is_read = |record: &Value| record["action"] == "read_history";
            if export["accesses"].as_array().is_some_and(|records| records.iter().any(is_read)) {
                return export;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_holds_everything_and_fits_its_published_schema() {
    let schema = jsonschema::validator_for(&export_schema()).expect("a sound schema");
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let life = Life::lived(&[("REDIS_URL", &url)]).await;
        let export = life.export().await;
        let faults: Vec<String> =
            schema.iter_errors(&export).map(|fault| fault.instance_path().to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
        let whole = export.to_string();
        for n in 0..MARKS {
            assert!(whole.contains(&mark(n)), "mark {n} is missing");
        }
        let turns = export["turns"].as_array().expect("turns");
        let numbers: Vec<u64> = turns.iter().filter_map(|turn| turn["turn"].as_u64()).collect();
        assert_eq!(numbers, (1..=(MARKS - 3) as u64).collect::<Vec<_>>());
        assert!(turns.iter().all(|turn| turn["navigation_decision"].is_string()));
        assert!(export["consent"]["hash"].is_string() && export["disclosure"]["times_told"] == 1);
        let by_ana = |record: &Value| record["name"] == "ana" && record["action"] == "read_history";
        assert!(export["accesses"].as_array().expect("records").iter().any(by_ana));
        life.as_app(Method::GET, "/session/nobody/export", &Value::Null).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_is_no_export_does_not_fit_the_schema() {
    let schema = jsonschema::validator_for(&export_schema()).expect("a sound schema");
    let life = Life::lived(&[]).await;
    let export = life.export().await;
    for member in ["format", "turns", "session", "accesses", "notes"] {
        let mut spoilt = export.clone();
        spoilt.as_object_mut().expect("an object").remove(member);
        assert!(!schema.is_valid(&spoilt), "{member} is not needed");
    }
    let mut spoilt = export;
    spoilt["turns"][0]["turn"] = json!("one");
    assert!(!schema.is_valid(&spoilt));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_leaves_none_of_twenty_marks_in_either_store_or_any_answer_and_a_second_time_is_calm() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let mut life = Life::lived(&[("REDIS_URL", &url)]).await;
        let receipt = life.as_app(Method::DELETE, "/session/s", &Value::Null).await.ok()["receipt"].clone();
        assert_eq!((&receipt["verified"], &receipt["exchanges"]), (&json!(true), &json!(MARKS - 3)));
        for path in ["", "/status", "/history", "/export", "/consent"] {
            let gone = life.as_app(Method::GET, &format!("/session/s{path}"), &Value::Null).await;
            gone.problem(404, "not_found");
        }
        life.as_app(Method::DELETE, "/session/s", &Value::Null).await.problem(404, "not_found");
        let listed = life.as_app(Method::GET, "/sessions", &Value::Null).await.ok().to_string();
        let audit = life.server.request(Method::GET, "/audit?limit=500").bearer_auth(BOOTSTRAP);
        let audit = life.server.send(audit).await.ok().to_string();
        let stored = match &redis {
            Some(redis) => String::from_utf8_lossy(&redis.dump()).into_owned(),
            None => life.server.tables().await,
        };
        for n in 0..MARKS {
            for text in [&listed, &audit, &stored] {
                assert!(!text.contains(&mark(n)), "mark {n} is left");
            }
        }
    }
}
