//! What somebody tries who wants in, wants to stay in, or wants to be forgotten by what is written down.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clinic::{BOOTSTRAP, Clinic, Login, PASSWORD, as_admin, log_in, send, text};
use crate::redis_server::RedisServer;
use crate::server::{Answer, Server};

const INTENT: &str = "I am going to kill myself tonight";
const HARMLESS: &str = "I want to feel calm";

async fn with(server: &Server, credential: &str, method: Method, path: &str, body: &Value) -> Answer {
    send(server, server.request(method, path).bearer_auth(credential), body).await
}

/// A session of the clinic's app, and its client's token.
async fn session(clinic: &Clinic, id: &str) -> String {
    let created = clinic.as_app(Method::POST, "/session/create", &json!({ "session_id": id })).await.ok();
    text(&created, "session_token")
}

async fn say(clinic: &Clinic, token: &str, id: &str, words: &str) -> Answer {
    let body = json!({ "user_input": words });
    with(&clinic.server, token, Method::POST, &format!("/session/{id}/input"), &body).await
}

#[tokio::test]
async fn a_name_makes_nobody_an_operator() {
    let clinic = Clinic::open(&[]).await;
    let asked =
        json!({ "name": "bootstrap", "role": "admin", "password": PASSWORD, "organisation": "other" });
    clinic.as_admin(Method::POST, "/clinicians", &asked).await.ok();
    let body = json!({ "name": "bootstrap", "password": PASSWORD, "organisation": "other" });
    let login = Login::by(&clinic.server.post("/login", &body).await);
    let on = |method: Method, path: &str| login.on(clinic.server.request(method, path));
    let foreign = json!({ "label": "x", "organisation": "default" });
    let refused = clinic.server.send(on(Method::POST, "/keys").json(&foreign)).await;
    assert_eq!(refused.problem(422, "invalid_request")["errors"][0]["field"], "organisation");
    for path in
        ["/audit?organisation=default", "/keys?organisation=default", "/clinicians?organisation=default"]
    {
        clinic.server.send(on(Method::GET, path)).await.problem(422, "invalid_request");
    }
    clinic.server.send(on(Method::GET, "/metrics")).await.problem(403, "forbidden");
    clinic.server.send(on(Method::GET, "/keys")).await.ok();
}

/// Sends the head and a part of a body, does something, and sends the rest.
async fn late(
    server: &Server,
    (path, credential): (&str, &str),
    body: &Value,
    meanwhile: impl Future<Output = ()>,
) -> String {
    let body = body.to_string();
    let mut stream = TcpStream::connect(server.addr()).await.expect("it listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {credential}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&body.as_bytes()[..5]).await.expect("sent");
    // By now whoever asks was let in, and the body is late.
    tokio::time::sleep(Duration::from_millis(500)).await;
    meanwhile.await;
    stream.write_all(&body.as_bytes()[5..]).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_while_its_body_arrives_does_nothing() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = Clinic::open(&[("REDIS_URL", &url)]).await;
        let made =
            clinic.as_admin(Method::POST, "/keys", &json!({ "label": "x", "role": "admin" })).await.ok();
        let (key, id) = (text(&made, "key"), text(&made, "id"));
        let revoke = async {
            clinic.as_admin(Method::DELETE, &format!("/keys/{id}"), &Value::Null).await.ok();
        };
        let asked = json!({ "label": "for later", "role": "admin" });
        let answer = late(&clinic.server, ("/keys", &key), &asked, revoke).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        let token = session(&clinic, "s").await;
        say(&clinic, &token, "s", HARMLESS).await.ok();
        let erase = async {
            with(&clinic.server, &token, Method::DELETE, "/session/s", &Value::Null).await.ok();
        };
        let words = json!({ "user_input": HARMLESS });
        let answer = late(&clinic.server, ("/session/s/input", &token), &words, erase).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        clinic.as_app(Method::GET, "/session/s", &Value::Null).await.problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_on_their_way_do_not_bring_an_erased_session_back() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = Clinic::open(&[("REDIS_URL", &url), ("RATE_LIMIT_PER_MINUTE", "0")]).await;
        for round in 0..6 {
            let id = format!("s{round}");
            let token = session(&clinic, &id).await;
            let talk = async {
                for _ in 0..4 {
                    let said =
                        futures_util::future::join_all((0..3).map(|_| say(&clinic, &token, &id, HARMLESS)))
                            .await;
                    assert!(said.iter().all(|answer| [200, 401, 409].contains(&answer.status.as_u16())));
                }
            };
            let erase = async {
                tokio::time::sleep(Duration::from_millis(5 * round)).await;
                let path = format!("/session/{id}");
                with(&clinic.server, &token, Method::DELETE, &path, &Value::Null).await.ok();
            };
            tokio::join!(talk, erase);
            let path = format!("/session/{id}");
            clinic.as_app(Method::GET, &path, &Value::Null).await.problem(404, "not_found");
        }
    }
}

/// Sessions that expire as soon as nobody speaks in them.
const HASTY: [(&str, &str); 2] = [("SESSION_IDLE", "1"), ("INDEX_SWEEP_MS", "50")];

/// Waits until a session has expired.
async fn expire(clinic: &Clinic, id: &str) {
    clinic.server.clock.advance(Duration::from_secs(2));
    loop {
        let status = clinic.as_app(Method::GET, &format!("/session/{id}/status"), &Value::Null).await.ok();
        if status["status"] == "expired" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A session that has expired, and its successor; the token of the first.
async fn line(clinic: &Clinic, id: &str) -> String {
    let token = session(clinic, id).await;
    say(clinic, &token, id, HARMLESS).await.ok();
    expire(clinic, id).await;
    let turn = say(clinic, &token, id, HARMLESS).await.ok();
    assert_eq!(turn["session_id"], format!("{id}.2"));
    token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freed_id_opens_nobody_elses_conversation() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = Clinic::open(&[&HASTY[..], &[("REDIS_URL", &url)]].concat()).await;
        line(&clinic, "room").await;
        let erased = clinic.as_app(Method::DELETE, "/session/room", &Value::Null).await.ok();
        assert_eq!(erased["line"], json!(["room.2"]), "what stands is told");
        let create = json!({ "session_id": "room", "client_id": "somebody else" });
        clinic.as_app(Method::POST, "/session/create", &create).await.problem(409, "session_exists");
        clinic.as_app(Method::DELETE, "/session/room.2", &Value::Null).await.ok();
        clinic.as_app(Method::POST, "/session/create", &create).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_one_conversation_to_the_person() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = Clinic::open(&[&HASTY[..], &[("REDIS_URL", &url)]].concat()).await;
        // An id that looks like a successor's is one's own all the same.
        for id in ["person", "user.7"] {
            let token = line(&clinic, id).await;
            let path = format!("/session/{id}/export");
            let export = with(&clinic.server, &token, Method::GET, &path, &Value::Null).await.ok();
            assert_eq!(export["line"], json!([format!("{id}.2")]));
            with(&clinic.server, &token, Method::GET, &format!("/session/{id}.2"), &Value::Null).await.ok();
            let erased =
                with(&clinic.server, &token, Method::DELETE, &format!("/session/{id}"), &Value::Null)
                    .await
                    .ok();
            assert_eq!((&erased["receipt"]["exchanges"], &erased["line"]), (&json!(2), &json!([])));
            for gone in [id.to_owned(), format!("{id}.2")] {
                clinic
                    .as_app(Method::GET, &format!("/session/{gone}"), &Value::Null)
                    .await
                    .problem(404, "not_found");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_holds_a_token_of_any_of_the_line_is_out_when_they_are_revoked() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = Clinic::open(&[&HASTY[..], &[("REDIS_URL", &url)]].concat()).await;
        let first = line(&clinic, "s").await;
        let minted = clinic.as_app(Method::POST, "/session/s.2/tokens", &Value::Null).await.ok();
        let second = text(&minted, "session_token");
        expire(&clinic, "s.2").await;
        assert_eq!(say(&clinic, &second, "s.2", HARMLESS).await.ok()["session_id"], "s.3");
        let minted = clinic.as_app(Method::POST, "/session/s.3/tokens", &Value::Null).await.ok();
        let third = text(&minted, "session_token");
        for token in [&first, &second, &third] {
            with(&clinic.server, token, Method::GET, "/session/s.3", &Value::Null).await.ok();
        }
        let revoked = clinic.as_app(Method::DELETE, "/session/s.3/tokens", &Value::Null).await.ok();
        assert_eq!(revoked["revoked"], 3);
        for token in [&first, &second, &third] {
            with(&clinic.server, token, Method::GET, "/session/s.3", &Value::Null)
                .await
                .problem(401, "unauthorized");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_locks_nobody_out_whose_password_is_right() {
    let clinic = Clinic::open(&[]).await;
    let flood = async {
        let guess = |n: usize| async move { n };
        let names = futures_util::future::join_all((0..60).map(guess)).await;
        let logins = names.iter().map(|n| {
            let server = &clinic.server;
            async move { log_in(server, &format!("nobody{n}"), PASSWORD).await }
        });
        futures_util::future::join_all(logins).await
    };
    let honest = async {
        for _ in 0..10 {
            let status = log_in(&clinic.server, "ana", PASSWORD).await.status;
            assert!(status == 200 || status == 429, "{status}");
        }
    };
    tokio::join!(flood, honest);
    log_in(&clinic.server, "ana", PASSWORD).await.ok();
}

#[tokio::test]
async fn what_was_made_for_whom_is_in_the_audit_of_the_organisation_that_it_is_in() {
    let clinic = Clinic::open(&[]).await;
    let asked = json!({ "label": "theirs", "role": "admin", "organisation": "other" });
    let made = clinic.as_admin(Method::POST, "/keys", &asked).await.ok();
    let (key, id) = (text(&made, "key"), text(&made, "id"));
    let added = json!({ "name": "eve", "role": "admin", "password": PASSWORD });
    clinic.as_admin(Method::POST, "/clinicians", &added).await.ok();
    let csrf = clinic.server.request(Method::POST, "/session/s/notes").header("cookie", &clinic.ana.cookie);
    clinic.server.send(csrf.json(&json!({ "text": "x" }))).await.problem(403, "forbidden");
    let records = clinic.records().await;
    let of = |action: &str, outcome: &str| {
        let is_it = |record: &&Value| record["action"] == action && record["outcome"] == outcome;
        records.iter().filter(is_it).cloned().collect::<Vec<_>>()
    };
    let eve = of("add_clinician", "asked")
        .into_iter()
        .find(|record| record["object"] == "eve")
        .expect("written down");
    assert_eq!(eve["to"], "admin");
    assert!(
        of("create_key", "asked").iter().all(|record| record["object"] != id.as_str()),
        "it is another's"
    );
    assert_eq!(of("add_note", "refused").len(), 1, "a page of another site may have sent it");
    let theirs = loop {
        let page = with(&clinic.server, &key, Method::GET, "/audit", &Value::Null).await.ok();
        let records = page["records"].as_array().cloned().unwrap_or_default();
        if let Some(made) = records.into_iter().find(|record| record["action"] == "create_key") {
            break made;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(
        (&theirs["object"], &theirs["to"], &theirs["name"]),
        (&json!(id), &json!("admin"), &json!("bootstrap"))
    );
}

#[tokio::test]
async fn a_callers_own_id_for_a_request_is_not_in_the_audit() {
    let clinic = Clinic::open(&[]).await;
    let read = clinic.server.request(Method::GET, "/keys").bearer_auth(BOOTSTRAP);
    clinic.server.send(read.header("x-request-id", "my-wife-left-me")).await.ok();
    let records = clinic.records().await;
    assert!(records.iter().any(|record| record["action"] == "list_keys"));
    assert!(!format!("{records:?}").contains("wife"));
}

#[tokio::test]
async fn one_person_cannot_fill_what_is_written_down() {
    let clinic = Clinic::open(&[]).await;
    let token = session(&clinic, "s").await;
    let mut refused = 0;
    for _ in 0..120 {
        let notes = with(&clinic.server, &token, Method::GET, "/session/s/notes", &Value::Null).await;
        refused += usize::from(notes.status == 429);
        assert!(notes.status == 403 || notes.status == 429);
    }
    assert!(refused > 30, "{refused}");
    let written = clinic.records().await.iter().filter(|record| record["action"] == "read_notes").count();
    assert!(written <= 120 - refused);
    say(&clinic, &token, "s", HARMLESS).await.ok();
}

#[tokio::test]
async fn whoever_made_keys_means_them_and_a_proxy_is_no_loopback() {
    let mut server = Server::start().await;
    server.get("/sessions").await.ok();
    as_admin(&server, Method::GET, "/sessions", &Value::Null).await.problem(401, "unauthorized");
    let made = server.post("/keys", &json!({ "label": "app" })).await.ok();
    server = server.restart().await;
    server.get("/sessions").await.problem(401, "unauthorized");
    with(&server, &text(&made, "key"), Method::GET, "/sessions", &Value::Null).await.ok();
    server = server.restart_with(&[("ATTUNE_AUTH", "open")]).await;
    server.get("/sessions").await.ok();
    let behind = Clinic::open(&[("TRUSTED_PROXIES", "127.0.0.1/32")]).await;
    let set =
        log_in(&behind.server, "ana", PASSWORD).await.header("set-cookie").expect("a cookie").to_owned();
    assert!(set.contains("Secure"), "TLS ends at the proxy");
}

#[tokio::test]
async fn an_input_route_is_one_however_its_path_is_spelled_and_nothing_else_is() {
    let limited = [("ADDRESS_RATE_PER_SECOND", "1"), ("ADDRESS_BURST", "3")];
    let server = Server::with(&limited).await;
    for _ in 0..4 {
        server.get("/nothing/input").await;
    }
    assert_eq!(server.get("/nothing/input").await.status, 429, "it takes no words");
    let words = json!({ "user_input": INTENT });
    for path in ["/session/s/input", "/session/s/%69nput"] {
        let told = server.client.post(server.url(path)).json(&words).send().await.expect("answered");
        assert_eq!(told.status(), 200, "{path}");
        let refused = server.client.post(server.url(path)).json(&json!({})).send().await.expect("answered");
        let body: Value = refused.json().await.expect("JSON");
        assert!(body["resources"].is_array(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_store_cannot_say_who_it_is_danger_is_answered_and_raised_for_those_it_knows() {
    let redis = RedisServer::start();
    let clinic = Clinic::open(&[
        ("REDIS_URL", &redis.url()),
        ("REDIS_TIMEOUT_MS", "1000"),
        ("ATTUNE_STORE_FALLBACK", "reject"),
    ])
    .await;
    let token = session(&clinic, "s").await;
    say(&clinic, &token, "s", HARMLESS).await.ok();
    let stranger = format!("attune_session_{}", "B".repeat(43));
    redis.freeze();
    for credential in [&token, &clinic.app, &stranger] {
        let began = std::time::Instant::now();
        let told = say(&clinic, credential, "s", INTENT).await.ok();
        assert_eq!((&told["responder"], &told["storage"]), (&json!("crisis"), &json!("none")));
        assert!(told["safety"]["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
        assert!(began.elapsed() < Duration::from_secs(5), "it hangs");
        let body = json!({ "session_id": "s", "user_input": INTENT });
        with(&clinic.server, credential, Method::POST, "/api/v1/input", &body).await.ok();
    }
    let events = clinic.server.request(Method::POST, "/session/s/input").bearer_auth(&stranger);
    let events = events.header("accept", "text/event-stream").json(&json!({ "user_input": INTENT }));
    let events = clinic.server.send(events).await;
    assert!(String::from_utf8_lossy(&events.bytes).contains("event: turn"));
    let harmless = say(&clinic, &token, "s", HARMLESS).await.problem(503, "store_unavailable");
    assert!(harmless["resources"].is_array());
    clinic.as_admin(Method::GET, "/keys", &Value::Null).await.problem(503, "store_unavailable");
    redis.thaw();
    loop {
        let read = clinic.as_app(Method::GET, "/session/s", &Value::Null).await;
        if read.status == 200 && read.json()["safety_level"] == "crisis" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    with(&clinic.server, &stranger, Method::GET, "/session/s", &Value::Null)
        .await
        .problem(401, "unauthorized");
}
