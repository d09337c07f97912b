//! The audit: what is written down, that it is whole, and that it says nothing of what was said.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::clinic::{BOOTSTRAP, Clinic, PASSWORD, send, text};
use crate::process;
use crate::redis_server::RedisServer;
use crate::server::Answer;

const WORDS: &str = "zebrafish lanterns hum beneath my ribs";

/// A clinic, and a client of the app who has said something in the session `s`.
struct House {
    clinic: Clinic,
    client: String,
}

impl House {
    async fn open(variables: &[(&str, &str)]) -> Self {
        let clinic = Clinic::open(variables).await;
        let created =
            clinic.as_app(Method::POST, "/session/create", &json!({ "session_id": "s" })).await.ok();
        let house = Self { clinic, client: text(&created, "session_token") };
        house.as_client(Method::POST, "/session/s/input", &json!({ "user_input": WORDS })).await.ok();
        house
    }

    async fn as_client(&self, method: Method, path: &str, body: &Value) -> Answer {
        let server = &self.clinic.server;
        send(server, server.request(method, path).bearer_auth(&self.client), body).await
    }

    async fn verified(&self, query: &str) -> Value {
        self.clinic.as_admin(Method::GET, &format!("/audit/verify{query}"), &Value::Null).await.ok()
    }
}

fn of(records: &[Value], action: &str) -> Vec<String> {
    let told = |record: &Value| {
        let part = |field: &str| record[field].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", part("role"), part("name"), part("outcome"), part("session_id"))
    };
    records.iter().filter(|record| record["action"] == action).map(told).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_accesses_are_forty_records_and_no_word_is_in_them() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let house = House::open(&[("REDIS_URL", &url)]).await;
        let before = house.clinic.records().await.len();
        for round in 0..4 {
            for path in [
                "/session/s",
                "/session/s/status",
                "/session/s/history",
                "/session/s/turn/1",
                "/sessions",
                "/alerts",
            ] {
                house.clinic.as_clinician(Method::GET, path, &Value::Null).await.ok();
            }
            house.clinic.as_app(Method::POST, "/session/s/tokens", &Value::Null).await.ok();
            house
                .clinic
                .as_clinician(Method::POST, "/session/s/extend", &json!({ "ttl": 3600 + round }))
                .await
                .ok();
            house.clinic.as_admin(Method::GET, "/keys", &Value::Null).await.ok();
            house
                .clinic
                .as_admin(Method::GET, "/session/s/history", &Value::Null)
                .await
                .problem(403, "forbidden");
        }
        let records = house.clinic.records().await;
        assert_eq!(records.len() - before, 40);
        assert_eq!(of(&records, "read_history").len(), 8);
        assert!(of(&records, "read_history").contains(&"clinician ana done s".to_owned()));
        assert!(of(&records, "read_history").contains(&"admin bootstrap refused s".to_owned()));
        for record in &records {
            for word in WORDS.split(' ').filter(|word| word.len() > 4) {
                assert!(!record.to_string().contains(word));
            }
        }
        let found = house.verified("").await;
        assert_eq!(found["whole"], true, "{found}");
    }
}

#[tokio::test]
async fn what_a_client_does_in_its_own_session_is_seen_by_nobody_and_what_changes_is_written_down() {
    let house = House::open(&[]).await;
    for path in ["/session/s", "/session/s/history"] {
        house.as_client(Method::GET, path, &Value::Null).await.ok();
        house.clinic.as_app(Method::GET, path, &Value::Null).await.ok();
    }
    house
        .as_client(
            Method::POST,
            "/session/s/input",
            &json!({ "user_input": "I am going to kill myself tonight" }),
        )
        .await
        .ok();
    house.as_client(Method::POST, "/session/s/resume", &Value::Null).await.problem(409, "lifecycle_refused");
    house.as_client(Method::DELETE, "/session/s", &Value::Null).await.ok();
    let records = house.clinic.records().await;
    assert!(of(&records, "read_history").is_empty());
    let level = records.iter().find(|record| record["action"] == "level").expect("written down");
    assert_eq!((&level["from"], &level["to"]), (&json!("none"), &json!("crisis")));
    assert_eq!(of(&records, "resume"), ["client s asked s", "client s failed s"]);
    assert_eq!(of(&records, "erase"), ["client s asked s"]);
    assert!(records.iter().any(|record| record["action"] == "state" && record["to"] == "paused"));
}

#[tokio::test]
async fn logins_and_failures_are_written_down_and_names_of_nobody_are_not() {
    let house = House::open(&[]).await;
    let login = |name: &str, password: &str| {
        let body = json!({ "name": name, "password": password });
        house.clinic.server.request(Method::POST, "/login").json(&body)
    };
    house.clinic.server.send(login("ana", "wrong wrong wrong")).await.problem(401, "login_failed");
    house.clinic.server.send(login("zebrafish", PASSWORD)).await.problem(401, "login_failed");
    let records = house.clinic.records().await;
    assert_eq!(of(&records, "log_in"), ["clinician ana done -", "clinician ana refused -"]);
    assert!(!records.iter().any(|record| record.to_string().contains("zebrafish")));
}

/// What `attune audit verify` says, and whether it is content.
fn verify(redis: &RedisServer, arguments: &[&str]) -> (bool, String) {
    let home = process::directory();
    let all = [&["audit", "verify"], arguments].concat();
    let output = process::run(home.path(), &[("REDIS_URL", &redis.url())], &all);
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_flipped_removed_swapped_or_cut_off_in_redis_is_named() {
    let redis = RedisServer::start();
    let mut house = House::open(&[("REDIS_URL", &redis.url())]).await;
    for _ in 0..10 {
        house.clinic.as_clinician(Method::GET, "/session/s/history", &Value::Null).await.ok();
    }
    house.clinic.records().await;
    house.clinic.server.stop().await;
    let (is_whole, said) = verify(&redis, &[]);
    assert!(is_whole, "{said}");
    let noted = said.rsplit(' ').next().expect("the end").to_owned();
    let sound = redis.command(&["LRANGE", "trt:audit:chain", "0", "-1"]).texts();
    let put = |records: &[String]| {
        redis.command(&["DEL", "trt:audit:chain"]);
        for record in records {
            redis.command(&["RPUSH", "trt:audit:chain", record]);
        }
    };
    let mut flipped = sound.clone();
    flipped[6] = flipped[6].replacen("at_us", "at_uS", 1);
    let mut removed = sound.clone();
    removed.remove(4);
    let mut swapped = sound.clone();
    swapped.swap(2, 3);
    let cut = sound[..8].to_vec();
    let garbage = [&sound[..3], &["{".to_owned()], &sound[4..]].concat();
    for (spoilt, first) in [(flipped, 7), (removed, 5), (swapped, 3), (cut, 9), (garbage, 4)] {
        put(&spoilt);
        let (is_whole, said) = verify(&redis, &[]);
        assert!(
            !is_whole && said.contains(&format!("record {first} "))
                || said.contains(&format!("records {first} ")),
            "{said}"
        );
    }
    put(&sound);
    // Where the chain and its head are set back together, only who noted the end knows.
    assert!(verify(&redis, &["--noted", &noted]).0);
    let hash = &noted[noted.len() - 64..];
    for other in [format!("{}:{}", sound.len(), hash.replace(&hash[60..], "0000")), format!("100000:{hash}")]
    {
        assert!(!verify(&redis, &["--noted", &other]).0);
    }
}

#[tokio::test]
async fn what_was_entered_when_the_server_died_is_sealed_by_the_next() {
    let house = House::open(&[]).await;
    for _ in 0..5 {
        house.clinic.as_clinician(Method::GET, "/session/s/history", &Value::Null).await.ok();
    }
    let House { clinic: Clinic { server, app, ana }, client } = house;
    let house = House { clinic: Clinic { server: server.restart().await, app, ana }, client };
    assert_eq!(of(&house.clinic.records().await, "read_history").len(), 5);
    assert_eq!(house.verified("").await["whole"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_seal_one_chain() {
    let redis = RedisServer::start();
    let house = House::open(&[("REDIS_URL", &redis.url())]).await;
    let other = house.clinic.server.another().await;
    for _ in 0..30 {
        for server in [&house.clinic.server, &other] {
            let read =
                server.request(Method::GET, "/session/s/history").header("cookie", &house.clinic.ana.cookie);
            server.send(read).await.ok();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(of(&house.clinic.records().await, "read_history").len(), 60);
    assert_eq!(house.verified("").await["whole"], true);
}

/// Killed at once after its answers, six times on each store: what was answered was written down, and is sealed by the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_an_access_and_its_sealing_the_server_loses_no_record() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let variables =
            [("ATTUNE_AUTH", "required"), ("ATTUNE_BOOTSTRAP_KEY", BOOTSTRAP), ("REDIS_URL", &url)];
        let (home, client, mut answered) = (process::directory(), process::client(), 0);
        for round in 0..6 {
            let server = process::Process::start(home.path(), &variables);
            for _ in 0..=round {
                let read = client.get(format!("{}/keys", server.url)).bearer_auth(BOOTSTRAP).send().await;
                assert_eq!(read.expect("answered").status(), 200);
                answered += 1;
            }
            server.kill();
        }
        // Seals what is left, and says how much there is.
        process::run(home.path(), &variables, &["audit", "verify"]);
        let output = process::run(home.path(), &variables, &["audit", "export"]);
        let records = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(records.lines().filter(|line| line.contains("list_keys")).count(), answered);
        let verified = process::run(home.path(), &variables, &["audit", "verify"]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    }
}
