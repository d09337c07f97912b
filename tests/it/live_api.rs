//! The HTTP side of plain chats, as their older clients ask for it: on either store, under both prefixes, with and
//! without a slash at the end.

use std::time::Duration;

use attune::domain::chat::ShutdownReason;
use attune::domain::time::Timestamp;
use attune::store::{Heard, Store};
use reqwest::Method;
use serde_json::{Value, json};

use crate::clinic::{BOOTSTRAP, shut, text};
use crate::redis_server::RedisServer;
use crate::server::{Answer, Server, start};
use crate::store_contract::chats::{say, saying};
use crate::world::key;

const PREFIXES: [&str; 2] = ["/api", "/chat/api"];
const ENDS: [&str; 2] = ["", "/"];

/// Every spelling of a path.
fn spellings(path: &str) -> impl Iterator<Item = String> {
    PREFIXES.iter().flat_map(move |prefix| ENDS.iter().map(move |end| format!("{prefix}{path}{end}")))
}

/// Servers on either store, all on one clock that stands.
struct Deployment {
    redis: Option<RedisServer>,
    server: Server,
}

impl Deployment {
    async fn on(is_redis: bool) -> Self {
        let redis = is_redis.then(|| RedisServer::with_clock(start()));
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let server = Server::with(&[("CHANNEL_REDIS_URL", &url)]).await;
        Self { redis, server }
    }

    async fn both() -> [Self; 2] {
        [Self::on(false).await, Self::on(true).await]
    }

    /// With something in its store, and started anew.
    async fn after(self, work: impl AsyncFnOnce(&dyn Store)) -> Self {
        Self { server: self.server.while_stopped(work).await, ..self }
    }

    fn wind(&self, by: Duration) {
        // Redis keeps what ends through its last millisecond.
        let by = by + Duration::from_millis(1);
        self.redis.iter().for_each(|redis| redis.wind(by));
        self.server.clock.advance(by);
    }

    async fn read(&self, id: &str) -> Value {
        self.server.get(&format!("/api/sessions/{id}/")).await.ok()["data"].clone()
    }

    async fn contents(&self, id: &str, query: &str) -> Vec<String> {
        let page = self.server.get(&format!("/api/sessions/{id}/messages/{query}")).await.ok();
        let messages = page["messages"].as_array().expect("a list");
        assert_eq!(page["count"], messages.len());
        messages.iter().map(|message| text(message, "content")).collect()
    }
}

async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    server.send(server.request(Method::POST, path).json(body)).await
}

/// A refusal with the members that these clients read.
fn refused(answer: &Answer, status: u16, error: &str, id: Option<&str>) {
    let body = answer.problem(status, error);
    assert_eq!((&body["success"], body["session_id"].as_str()), (&json!(false), id), "{body}");
}

fn epoch_seconds(time: Timestamp) -> f64 {
    time.since(Timestamp::default()).as_secs_f64()
}

fn about(value: &Value, expected: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - expected).abs() < 0.5)
}

#[tokio::test]
async fn a_chat_is_read_by_every_spelling_after_a_restart_too() {
    for deployment in Deployment::both().await {
        let deployment = deployment
            .after(async |store| {
                for number in 1..=3 {
                    say(store, "my-session", &format!("line {number}")).await;
                }
            })
            .await;
        deployment.wind(Duration::from_secs(600));
        for path in spellings("/sessions/my-session") {
            let body = deployment.server.get(&path).await.ok();
            assert_eq!(
                (&body["success"], &body["session_id"]),
                (&json!(true), &json!("my-session")),
                "{path}"
            );
            let (data, began) = (&body["data"], epoch_seconds(start()));
            assert_eq!((&data["data"]["count"], &data["ttl"]), (&json!(3), &json!(3_600)), "{path}");
            assert!(about(&data["remaining_ttl"], 3_000.0), "{data}");
            assert!(
                about(&data["created_at"], began) && about(&data["data"]["last_activity"], began),
                "{data}"
            );
            assert!(data["data"].get("disconnected_at").is_none());
        }
        for path in spellings("/sessions/my-session/messages") {
            let body = deployment.server.get(&path).await.ok();
            assert_eq!(body["count"], 3);
            let message = &body["messages"][0];
            assert_eq!(message["content"], "line 1");
            assert_eq!((&message["isSent"], &message["sessionId"]), (&json!(true), &json!("my-session")));
            assert!(
                about(&message["timestamp"], epoch_seconds(start()) * 1_000.0),
                "milliseconds: {message}"
            );
            assert!(message.get("isBroadcast").is_none());
        }
    }
}

#[tokio::test]
async fn pages_of_messages_go_back_in_time() {
    for deployment in Deployment::both().await {
        let deployment = deployment
            .after(async |store| {
                for number in 0..5 {
                    say(store, "s", &number.to_string()).await;
                }
            })
            .await;
        let page = deployment.server.get("/api/sessions/s/messages/?limit=2").await.ok();
        let first = page["messages"][0]["timestamp"].as_i64().expect("a time");
        assert_eq!(deployment.contents("s", "?limit=2").await, ["3", "4"]);
        assert_eq!(deployment.contents("s", &format!("?limit=2&before={first}")).await, ["1", "2"]);
        for query in ["?limit=0", "?limit=501", "?limit=x", "?before=-1", "?before=now"] {
            let answer = deployment.server.get(&format!("/api/sessions/s/messages/{query}")).await;
            refused(&answer, 400, "bad_request", Some("s"));
        }
    }
}

#[tokio::test]
async fn an_extension_sets_the_ttl_by_every_spelling_and_a_later_message_keeps_it() {
    for deployment in Deployment::both().await {
        let deployment = deployment
            .after(async |store| {
                say(store, "s", "hello").await;
            })
            .await;
        for path in spellings("/sessions/s/extend") {
            let body = post(&deployment.server, &path, &json!({ "ttl": 7_200 })).await.ok();
            assert_eq!((&body["success"], &body["remaining_ttl"]), (&json!(true), &json!(7_200)), "{path}");
            assert!(body["message"].is_string());
        }
        deployment.wind(Duration::from_secs(3_600));
        let deployment = deployment
            .after(async |store| {
                say(store, "s", "again").await;
            })
            .await;
        let data = deployment.read("s").await;
        assert_eq!((&data["ttl"], &data["remaining_ttl"]), (&json!(7_200), &json!(7_200)));
        for body in [json!({}), json!({ "ttl": null })] {
            let body = post(&deployment.server, "/api/sessions/s/extend/", &body).await.ok();
            assert_eq!(body["remaining_ttl"], 3_600, "the default");
        }
        let without_a_body = deployment.server.request(Method::POST, "/api/sessions/s/extend/");
        assert_eq!(deployment.server.send(without_a_body).await.ok()["remaining_ttl"], 3_600);
        deployment.wind(Duration::from_secs(3_600));
        refused(&deployment.server.get("/api/sessions/s/").await, 404, "not_found", Some("s"));
        refused(&deployment.server.get("/api/sessions/s/messages/").await, 404, "not_found", Some("s"));
        let late = post(&deployment.server, "/api/sessions/s/extend/", &json!({ "ttl": 60 })).await;
        refused(&late, 404, "not_found", Some("s"));
    }
}

#[tokio::test]
async fn a_wrong_ttl_and_what_is_not_json_are_refused_with_400_and_change_nothing() {
    let deployment = Deployment::on(false).await;
    let deployment = deployment
        .after(async |store| {
            say(store, "s", "hello").await;
        })
        .await;
    for ttl in [json!(0), json!(-1), json!(2_592_001), json!("60"), json!(1.5), json!(1e30), json!([60])] {
        let answer = post(&deployment.server, "/api/sessions/s/extend/", &json!({ "ttl": ttl })).await;
        refused(&answer, 400, "bad_request", Some("s"));
    }
    for body in ["{", "nonsense", "{\"ttl\":60} x"] {
        let request = deployment.server.request(Method::POST, "/chat/api/sessions/s/extend");
        let answer =
            deployment.server.send(request.header("content-type", "application/json").body(body)).await;
        refused(&answer, 400, "invalid_json", Some("s"));
    }
    assert_eq!(deployment.read("s").await["remaining_ttl"], 3_600);
    refused(&deployment.server.get("/api/sessions/no%20id/").await, 404, "not_found", None);
    let answer = deployment.server.send(deployment.server.request(Method::PUT, "/api/sessions/s/")).await;
    refused(&answer, 405, "method_not_allowed", Some("s"));
    let stands_longer = Deployment::on(false).await;
    let server = stands_longer.server.restart_with(&[("REDIS_SESSION_TTL", "2h")]).await;
    assert_eq!(server.get("/api/redis/status/").await.ok()["default_ttl"], 7_200);
}

#[tokio::test]
async fn a_deleted_chat_is_gone_with_its_messages_and_a_second_time_it_is_404() {
    for deployment in Deployment::both().await {
        let ids: Vec<String> = (0..8).map(|number| format!("s{number}")).collect();
        let deployment = deployment
            .after(async |store| {
                for id in &ids {
                    say(store, id, "a marker sentence").await;
                }
            })
            .await;
        let by_verb = ids.iter().zip(["/delete", ""].iter().cycle());
        for ((id, path), spelling) in by_verb.zip((0..4).flat_map(|n| [n, n])) {
            let path = spellings(&format!("/sessions/{id}{path}")).nth(spelling).expect("one of four");
            let body = deployment.server.delete(&path).await.ok();
            assert!(body["success"] == true && body["message"].is_string(), "{path}: {body}");
            refused(&deployment.server.delete(&path).await, 404, "not_found", Some(id));
            refused(
                &deployment.server.get(&format!("/api/sessions/{id}/messages/")).await,
                404,
                "not_found",
                Some(id),
            );
        }
        if let Some(redis) = &deployment.redis {
            assert_eq!(redis.command(&["KEYS", "session:*"]).texts(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_chat_is_the_same_on_a_second_server() {
    let deployment = Deployment::on(true).await;
    let deployment = deployment
        .after(async |store| {
            say(store, "s", "hello").await;
        })
        .await;
    let second = deployment.server.another().await;
    assert_eq!(
        second.get("/api/sessions/s/").await.ok(),
        deployment.server.get("/api/sessions/s/").await.ok()
    );
    post(&second, "/api/sessions/s/extend/", &json!({ "ttl": 7_200 })).await.ok();
    assert_eq!(deployment.read("s").await["remaining_ttl"], 7_200);
    deployment.server.delete("/api/sessions/s/").await.ok();
    refused(&second.get("/api/sessions/s/").await, 404, "not_found", Some("s"));
}

#[tokio::test]
async fn why_and_when_a_chat_was_left_is_shown() {
    let deployment = Deployment::on(false).await;
    let left = Timestamp::from_millis(start().millis() + 1_500);
    let deployment = deployment
        .after(async |store| {
            say(store, "s", "hello").await;
            let why = Some((left, Some(ShutdownReason::ServerShutdown)));
            store.note_presence(&key("s"), why).await.expect("noted");
        })
        .await;
    let data = deployment.read("s").await["data"].clone();
    assert_eq!(data["shutdown_reason"], "server_shutdown");
    assert_eq!(data["disconnected_at"].as_f64(), Some(epoch_seconds(left)));
}

#[tokio::test]
async fn a_therapy_session_is_shown_as_a_chat_and_both_are_extended_and_deleted_together() {
    for deployment in Deployment::both().await {
        deployment.server.input("s", "I want to feel calm").await.ok();
        let data = deployment.read("s").await;
        assert_eq!((&data["data"]["count"], &data["ttl"]), (&json!(1), &json!(86_400)));
        let said = deployment.contents("s", "").await;
        assert_eq!((said.len(), said[0].as_str()), (2, "I want to feel calm"));
        let deployment = deployment.after(async |store| assert_eq!(say(store, "s", "a word").await, 2)).await;
        deployment.wind(Duration::from_secs(60));
        deployment.server.input("s", "I want to feel calm").await.ok();
        let data = deployment.read("s").await;
        assert_eq!((&data["data"]["count"], &data["remaining_ttl"]), (&json!(2), &json!(86_400)));
        let page = deployment.server.get("/api/sessions/s/messages/").await.ok();
        let voices: Vec<&Value> =
            page["messages"].as_array().expect("a list").iter().map(|m| &m["isSent"]).collect();
        assert_eq!(voices, [true, false, true, false], "each turn once, the chat's words not beside them");
        let short = post(&deployment.server, "/api/sessions/s/extend/", &json!({ "ttl": 30 })).await;
        refused(&short, 400, "bad_request", Some("s"));
        let extended =
            post(&deployment.server, "/api/sessions/s/extend/", &json!({ "ttl": 7_200 })).await.ok();
        assert_eq!(extended["remaining_ttl"], 7_200);
        assert_eq!(deployment.server.session("s").await["remaining_ttl"], 7_200);
        if let Some(redis) = &deployment.redis {
            assert_eq!(redis.command(&["TTL", "session:s"]).int(), 7_200);
            assert_eq!(redis.command(&["EXISTS", "session:s:messages"]).int(), 0, "no word lies there twice");
        }
        deployment.server.delete("/api/sessions/s/delete/").await.ok();
        deployment.server.get("/session/s").await.problem(404, "not_found");
        refused(&deployment.server.get("/api/sessions/s/").await, 404, "not_found", Some("s"));
        if let Some(redis) = &deployment.redis {
            assert_eq!(redis.command(&["KEYS", "*session:s*"]).texts(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn erasing_a_therapy_session_takes_its_chat_with_it_and_says_so() {
    for deployment in Deployment::both().await {
        deployment.server.input("s", "I want to feel calm").await.ok();
        let deployment = deployment
            .after(async |store| {
                say(store, "s", "a word").await;
            })
            .await;
        post(&deployment.server, "/api/broadcast/", &json!({ "message": "to all of you" })).await.ok();
        let export = deployment.server.get("/session/s/export").await.ok();
        assert_eq!(export["messages"][0]["content"], "to all of you");
        let receipt = deployment.server.delete("/session/s").await.ok()["receipt"].clone();
        assert_eq!((&receipt["messages"], &receipt["verified"]), (&json!(1), &json!(true)));
        refused(&deployment.server.get("/api/sessions/s/").await, 404, "not_found", Some("s"));
    }
}

#[tokio::test]
async fn a_broadcast_is_kept_in_every_chat_and_told_in_the_answer() {
    for deployment in Deployment::both().await {
        let deployment = deployment
            .after(async |store| {
                for number in 0..3 {
                    say(store, &format!("s{number}"), "hello").await;
                }
            })
            .await;
        let asked = json!({ "message": "maintenance at six", "title": "Soon", "level": "warning" });
        for path in spellings("/broadcast") {
            let body = post(&deployment.server, &path, &asked).await.ok();
            let data = &body["data"];
            assert_eq!((&body["success"], &data["sessions_updated"]), (&json!(true), &json!(3)), "{path}");
            assert_eq!((&data["message"], &data["level"]), (&asked["message"], &asked["level"]));
            assert!(data["title"] == "Soon" && about(&data["timestamp"], epoch_seconds(start())));
        }
        let plain = post(&deployment.server, "/api/broadcast/", &json!({ "message": "hello" })).await.ok();
        assert_eq!(plain["data"]["level"], "info");
        let page = deployment.server.get("/api/sessions/s1/messages/").await.ok();
        let last = &page["messages"][4];
        assert_eq!((&last["isBroadcast"], &last["broadcastLevel"]), (&json!(true), &json!("warning")));
        assert_eq!((&page["count"], &last["isSent"]), (&json!(6), &json!(false)));
        assert_eq!(deployment.read("s1").await["data"]["count"], 1);
    }
}

#[tokio::test]
async fn a_broadcast_that_does_not_fit_is_refused_with_400_and_told_nobody() {
    let deployment = Deployment::on(false).await;
    let deployment = deployment
        .after(async |store| {
            say(store, "s", "hello").await;
        })
        .await;
    for body in [
        json!({}),
        json!({ "message": "" }),
        json!({ "message": " \n" }),
        json!({ "message": "a".repeat(2_001) }),
        json!({ "message": 5 }),
        json!({ "message": "a", "level": "loud" }),
        json!({ "message": "a", "title": "b".repeat(121) }),
    ] {
        let answer = post(&deployment.server, "/api/broadcast/", &body).await;
        refused(&answer, 400, "bad_request", None);
    }
    assert_eq!(deployment.contents("s", "").await, ["hello"]);
}

#[tokio::test]
async fn the_status_of_redis_is_told_with_either_store_and_without_a_password() {
    let deployment = Deployment::on(false).await;
    for path in spellings("/redis/status") {
        let body = deployment.server.get(&path).await.ok();
        let expected = json!({
            "success": true, "redis_connected": false, "storage": "embedded", "default_ttl": 3_600
        });
        assert_eq!(body, expected, "{path}");
    }
    let deployment = Deployment::on(true).await;
    let redis = deployment.redis.as_ref().expect("it is there");
    redis.command(&["CONFIG", "SET", "requirepass", "a-secret-word"]);
    let url = redis.url().replace("redis://", "redis://:a-secret-word@");
    let server = Server::with(&[("CHANNEL_REDIS_URL", &url)]).await;
    let body = server.get("/api/redis/status/").await.ok();
    let shown = url.replace(":a-secret-word", "***");
    assert_eq!((&body["redis_connected"], &body["redis_url"]), (&json!(true), &json!(shown)));
}

#[tokio::test]
async fn while_redis_is_away_everything_is_503_and_nothing_is_said_to_be_gone() {
    let mut deployment = Deployment::on(true).await;
    deployment.redis.as_mut().expect("it is there").kill();
    let server = &deployment.server;
    let status = server.get("/api/redis/status/").await;
    refused(&status, 503, "store_unavailable", None);
    assert_eq!(status.json()["redis_connected"], false);
    for path in ["/api/sessions/s/", "/api/sessions/s/messages/"] {
        refused(&server.get(path).await, 503, "store_unavailable", Some("s"));
    }
    let extension = post(server, "/api/sessions/s/extend/", &json!({ "ttl": 60 })).await;
    refused(&extension, 503, "store_unavailable", Some("s"));
    refused(&server.delete("/api/sessions/s/delete/").await, 503, "store_unavailable", Some("s"));
    let broadcast = post(server, "/api/broadcast/", &json!({ "message": "hello" })).await;
    refused(&broadcast, 503, "store_unavailable", None);
}

#[tokio::test]
async fn spoiled_data_begin_again_from_nothing_and_are_counted() {
    let deployment = Deployment::on(true).await;
    let redis = deployment.redis.as_ref().expect("it is there");
    redis.command(&["SET", "session:s", "{\"data\":{\"count\":\"many\"", "EX", "600"]);
    assert_eq!(deployment.read("s").await["data"]["count"], 0);
    let metrics = deployment.server.get("/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.bytes).contains("attune_chats_set_aside 1\n"));
}

#[tokio::test]
async fn a_foreign_chat_is_answered_like_one_that_is_not_there() {
    let server = shut(&[]).await;
    let made = json!({ "label": "a test", "role": "app", "organisation": "default" });
    let made = server.request(Method::POST, "/keys").bearer_auth(BOOTSTRAP).json(&made);
    let app = text(&server.send(made).await.ok(), "key");
    let created = server.request(Method::POST, "/session/create").bearer_auth(&app);
    let created = server.send(created.json(&json!({ "session_id": "ours" }))).await.ok();
    let client = text(&created, "session_token");
    let server = server
        .while_stopped(async |store| {
            say(store, "theirs", "hello").await;
        })
        .await;
    let by_client = async |method: Method, id: &str, path: &str| {
        let request = server.request(method, &format!("/api/sessions/{id}{path}"));
        server.send(request.bearer_auth(&client)).await
    };
    for (method, path) in [(Method::GET, "/"), (Method::GET, "/messages/"), (Method::DELETE, "/delete/")] {
        let [foreign, unknown] = ["theirs", "nobody"].map(|id| by_client(method.clone(), id, path));
        let (foreign, unknown) = (foreign.await, unknown.await);
        refused(&foreign, 404, "not_found", Some("theirs"));
        refused(&unknown, 404, "not_found", Some("nobody"));
        assert_eq!(foreign.json()["detail"], unknown.json()["detail"]);
    }
    by_client(Method::GET, "ours", "/").await.ok();
    by_client(Method::POST, "ours", "/extend/").await.problem(403, "forbidden");
    let broadcast = |credential: &str| {
        let request = server.request(Method::POST, "/api/broadcast/").json(&json!({ "message": "hello" }));
        server.send(request.bearer_auth(credential))
    };
    for credential in [&client, &app] {
        refused(&broadcast(credential).await, 403, "forbidden", None);
    }
    broadcast(BOOTSTRAP).await.ok();
    let nobody = server.get("/api/sessions/ours/").await;
    refused(&nobody, 401, "unauthorized", Some("ours"));
    assert_eq!(server.get("/api/redis/status/").await.status, 200, "anybody may know that");
}

/// What a store is told reaches whoever hears the session on the server that runs.
#[tokio::test]
async fn a_deletion_over_http_is_heard_by_those_who_are_connected_elsewhere() {
    let deployment = Deployment::on(true).await;
    let redis = deployment.redis.as_ref().expect("it is there");
    let other =
        crate::redis_world::server_on(&redis.url(), &crate::world::limits(), &deployment.server.clock);
    attune::store::Chats::say(&other, saying("s", "hello")).await.expect("said");
    let mut hearing = attune::store::Chats::hear(&other, &key("s"));
    let listening = || redis.command(&["PUBSUB", "CHANNELS", "trt:heard:*:s"]).texts().len() == 1;
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    while !listening() {
        assert!(tokio::time::Instant::now() < deadline, "nobody listens");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    deployment.server.delete("/api/sessions/s/").await.ok();
    let heard = tokio::time::timeout(crate::world::PATIENCE, hearing.heard.recv()).await.expect("in time");
    assert!(matches!(*heard.expect("told"), Heard::Removed));
}
