//! Several servers over one Redis, as apps, clinicians and other programs see them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::process::{self, Acknowledged, Process, SESSIONS, acknowledge, assert_complete, loads};
use crate::redis_server::RedisServer;
use crate::seed_program::SeedProgram;
use crate::server::{Server, start};

/// Two servers and the Redis under them, all on one clock that stands still.
struct Deployment {
    redis: RedisServer,
    servers: [Server; 2],
}

impl Deployment {
    async fn with(variables: &[(&str, &str)]) -> Self {
        let redis = RedisServer::with_clock(start());
        let url = redis.url();
        let variables: Vec<(&str, &str)> =
            variables.iter().copied().chain([("REDIS_URL", url.as_str())]).collect();
        let first = Server::with(&variables).await;
        let second = first.another().await;
        Self { redis, servers: [first, second] }
    }

    fn server(&self, n: usize) -> &Server {
        &self.servers[n % 2]
    }

    fn wind(&self, by: Duration) {
        // Redis keeps what ends through its last millisecond.
        let by = by + Duration::from_millis(1);
        self.redis.wind(by);
        self.servers[0].clock.advance(by);
    }

    fn seed(&self) -> SeedProgram {
        SeedProgram::on(&self.redis.url()).at(self.redis.now())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_through_two_servers_become_turns_one_to_fifty() {
    let deployment = Deployment::with(&[("LOCK_WAIT_MS", "60000")]).await;
    let texts: Vec<String> = (0..50).map(|n| format!("I want to feel calm, number {n}")).collect();
    let inputs = texts.iter().enumerate().map(|(n, text)| deployment.server(n).input("s", text));
    let answers = join_all(inputs).await;
    let turns: BTreeSet<u64> = answers.iter().filter_map(|answer| answer.ok()["turn"].as_u64()).collect();
    assert_eq!(turns, (1..=50).collect());
    for server in &deployment.servers {
        let history = server.history("s").await;
        let stored: Vec<u64> = history.iter().filter_map(|exchange| exchange["turn"].as_u64()).collect();
        assert_eq!(stored, (1..=50).rev().collect::<Vec<_>>());
        for answer in &answers {
            let turn = answer.json();
            let said = history.iter().find(|exchange| exchange["turn"] == turn["turn"]).expect("stored");
            assert_eq!(said["therapist_response"], turn["therapist_response"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_twenty_times_through_two_servers_is_one_turn() {
    let deployment = Deployment::with(&[]).await;
    let inputs = (0..20).map(|n| deployment.server(n).input_with_key("s", "I want peace", "key-1"));
    let answers = join_all(inputs).await;
    let turns: Vec<Value> = answers.iter().map(crate::server::Answer::ok).collect();
    assert_eq!(turns.iter().filter(|turn| turn["replayed"] == true).count(), 19);
    for turn in &turns {
        assert_eq!(without_flag(turn), without_flag(&turns[0]));
    }
    assert_eq!(deployment.server(0).session("s").await["turn_count"], 1);
    let reused = deployment.server(1).input_with_key("s", "something else", "key-1").await;
    reused.problem(422, "idempotency_key_reused");
}

fn without_flag(turn: &Value) -> Value {
    let mut turn = turn.clone();
    turn.as_object_mut().expect("an object").remove("replayed");
    turn
}

#[tokio::test]
async fn ten_a_minute_through_two_servers_over_a_minutes_edge() {
    let deployment = Deployment::with(&[("RATE_LIMIT_PER_MINUTE", "10")]).await;
    // The clock stands at a full minute; go to 50 seconds past it.
    deployment.wind(Duration::from_secs(50));
    let mut admitted = Vec::new();
    for second in 0..130_usize {
        let answer = deployment.server(second).input("s", "I want to feel calm").await;
        if answer.status == 200 {
            admitted.push(second);
        } else {
            let problem = answer.problem(429, "rate_limited");
            assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
        }
        deployment.wind(Duration::from_secs(1));
    }
    for from in 0..130 {
        assert!(admitted.iter().filter(|at| (from..from + 60).contains(*at)).count() <= 10);
    }
    assert_eq!(admitted.len(), 30);
}

#[tokio::test]
async fn a_level_that_rises_on_one_server_counts_on_the_other_at_once() {
    let deployment = Deployment::with(&[]).await;
    deployment.server(0).input("s", "I want to feel calm").await.ok();
    deployment.server(1).input("s", "I see myself laughing").await.ok();
    let crisis = deployment.server(0).input("s", "I am going to kill myself tonight").await.ok();
    assert_eq!((&crisis["responder"], &crisis["turn"]), (&json!("crisis"), &json!(3)));
    let next = deployment.server(1).input("s", "ok").await.ok();
    assert_eq!((&next["responder"], &next["turn"]), (&json!("crisis"), &json!(4)));
    let listed = deployment.server(1).get("/sessions?status=paused").await.ok();
    assert_eq!(listed["total_sessions"], 1);
    assert_eq!(deployment.server(1).session("s").await["remaining_ttl"], Value::Null);
}

#[tokio::test]
async fn a_program_that_knows_only_the_seeds_keys_reads_and_writes_the_same_sessions() {
    let deployment = Deployment::with(&[]).await;
    let (server, seed) = (deployment.server(0), deployment.seed());
    server
        .create(&json!({"session_id": "s", "client_id": "c1", "metadata": {"platform": "mobile_app"}}))
        .await
        .ok();
    for text in ["I want to feel calm and free", "I see myself laughing with my friends"] {
        server.input("s", text).await.ok();
    }
    let known = server.session("s").await;
    let read = seed.run(&["read", "s"]);
    assert_eq!(read["state"]["current_substate"], known["current_substate"]);
    assert_eq!(read["state"]["stage_1_completion"], known["completion_criteria"]);
    assert_eq!(read["state"]["body_questions_asked"], known["body_question_count"]);
    assert_eq!(read["history"].as_array().map(Vec::len), Some(2));
    assert_eq!(read["history"][0]["client_input"], "I see myself laughing with my friends");
    assert_eq!((&read["meta"]["client_id"], &read["meta"]["platform"]), (&json!("c1"), &json!("mobile_app")));

    let completion = r#"{"goal_stated": true, "vision_accepted": true, "problem_identified": true}"#;
    seed.run(&[
        "write",
        "s",
        "--substate",
        "1.2_problem_and_body",
        "--body",
        "2",
        "--completion",
        completion,
    ]);
    let followed = deployment.server(1).session("s").await;
    assert_eq!(followed["current_substate"], "1.2_problem_and_body");
    assert_eq!(followed["body_question_count"], 2);
    assert_eq!(followed["completion_criteria"]["problem_identified"], true);
    let turn = server.input("s", "there is a tight knot in my chest").await.ok();
    assert_eq!(turn["turn"], 4, "two of ours, one of the program's, and this");
    let numbers: Vec<u64> = server.history("s").await.iter().filter_map(|one| one["turn"].as_u64()).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);

    seed.run(&["create", "theirs"]);
    let turn = server.input("theirs", "I want to feel calm").await.ok();
    assert_eq!((&turn["turn"], &turn["session_id"]), (&json!(1), &json!("theirs")));
    assert!(seed.run(&["list"]).to_string().contains("theirs"));
    seed.run(&["delete", "theirs"]);
    server.get("/session/theirs").await.problem(404, "not_found");
}

/// Posts turns until `count` were acknowledged; one that met another program's write too often is sent again.
async fn insist(deployment: &Deployment, count: usize) -> Vec<(u64, String)> {
    let mut acknowledged = Vec::new();
    for n in 0..1_000 {
        let answer = deployment.server(n).input("s", &format!("I want to feel calm, number {n}")).await;
        if answer.status == StatusCode::CONFLICT {
            continue;
        }
        let turn = answer.ok();
        let reply = turn["therapist_response"].as_str().expect("a text").to_owned();
        acknowledged.push((turn["turn"].as_u64().expect("a number"), reply));
        if acknowledged.len() == count {
            return acknowledged;
        }
    }
    panic!("the other program was always in the way");
}

async fn both_write(arguments: &'static [&'static str]) {
    let deployment = Deployment::with(&[("LOCK_WAIT_MS", "20000")]).await;
    deployment.server(0).input("s", "I want to feel calm").await.ok();
    let seed = deployment.seed();
    let hammering = tokio::task::spawn_blocking(move || seed.run(arguments));
    let acknowledged = insist(&deployment, 15).await;
    hammering.await.expect("it ran");
    let history = deployment.server(0).history("s").await;
    let numbers: Vec<u64> = history.iter().filter_map(|one| one["turn"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]), "{numbers:?}");
    assert_eq!(history.len(), 1 + 15 + 15, "everything that anybody wrote");
    for (_, reply) in acknowledged {
        assert!(
            history.iter().any(|one| one["therapist_response"] == reply.as_str()),
            "an acknowledged turn is lost"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_write_at_once_and_nothing_of_attunes_is_lost() {
    both_write(&["hammer", "s", "--count", "15"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_write_at_once_under_the_same_lock() {
    both_write(&["hammer", "s", "--count", "15", "--lock"]).await;
}

#[tokio::test]
async fn a_server_with_another_secret_is_refused() {
    let redis = RedisServer::start();
    let home = process::directory();
    let first = Process::start(home.path(), &[("REDIS_URL", &redis.url())]);
    drop(first);
    let secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let refused =
        process::run(home.path(), &[("REDIS_URL", &redis.url()), ("ATTUNE_SECRET", secret)], &["serve"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not the secret of the other servers"));
}

#[tokio::test]
async fn a_redis_that_cannot_be_reached_stops_the_start_with_a_reason_and_no_password() {
    let home = process::directory();
    let url = "redis://:hunter2@127.0.0.1:1";
    let refused = process::run(home.path(), &[("REDIS_URL", url), ("REDIS_CONNECT_MS", "300")], &["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("Redis"), "{said}");
    assert!(!said.contains("hunter2"));
}

/// Redis is taken away from two loaded servers; danger is posted all the while.
async fn without_redis(take: impl Fn(&mut RedisServer), give_back: impl Fn(&mut RedisServer)) {
    let mut redis = RedisServer::start();
    let (home, client) = (process::directory(), process::client());
    let url = redis.url();
    let variables = [("REDIS_URL", url.as_str()), ("HISTORY_MAX", "1000"), ("LOCK_TTL_MS", "60000")];
    let servers = [Process::start(home.path(), &variables), Process::start(home.path(), &variables)];
    let urls = [servers[0].url.as_str(), servers[1].url.as_str()];
    let acknowledged = Acknowledged::default();
    let done = Arc::new(AtomicBool::new(false));
    let loads = loads(&client, &urls, 0, &done, &acknowledged);
    tokio::time::sleep(Duration::from_millis(500)).await;
    take(&mut redis);
    let (mut answered, taken) = (0, Instant::now());
    while taken.elapsed() < Duration::from_secs(5) {
        assert_in_danger(&client, urls[answered % 2], &format!("danger{}", answered % 4)).await;
        answered += 1;
    }
    assert!(answered > 10, "{answered}");
    let refused = post(&client, urls[0], "calm", "I want to feel calm").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.expect("JSON");
    assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
    done.store(true, Ordering::Relaxed);
    for load in loads {
        load.await.expect("not panicked");
    }

    give_back(&mut redis);
    let back = Instant::now();
    while process::input(&client, urls[0], "calm", "I want to feel calm").await.is_none() {
        assert!(back.elapsed() < Duration::from_secs(30), "no service");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for n in 0..SESSIONS {
        let name = format!("s{n}");
        assert_complete(&client, urls[n % 2], &name, &acknowledged).await;
        let turn = insist_on(&client, urls[(n + 1) % 2], &name).await;
        acknowledge(&acknowledged, &name, &turn);
        assert_complete(&client, urls[n % 2], &name, &acknowledged).await;
    }
    // What was raised while nobody could store it: the server that knows counts it at once, the other when it stands.
    for n in 0..4 {
        let name = format!("danger{n}");
        let known: Value = post(&client, urls[n % 2], &name, "hello").await.json().await.expect("JSON");
        assert_eq!((&known["responder"], &known["safety"]["level"]), (&json!("crisis"), &json!("crisis")));
        assert_eq!(
            process::get(&client, urls[(n + 1) % 2], &format!("/session/{name}")).await["status"],
            "paused"
        );
    }
}

/// The session's lease may have been held when Redis went.
async fn insist_on(client: &reqwest::Client, url: &str, name: &str) -> Value {
    let by = Instant::now();
    loop {
        if let Some(turn) = process::input(client, url, name, "I am back").await {
            return turn;
        }
        assert!(by.elapsed() < Duration::from_secs(30), "{name} is not usable");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn post(client: &reqwest::Client, url: &str, session: &str, text: &str) -> reqwest::Response {
    let body = json!({"session_id": session, "user_input": text});
    client.post(format!("{url}/api/v1/input")).json(&body).send().await.expect("it answers")
}

async fn assert_in_danger(client: &reqwest::Client, url: &str, session: &str) {
    let answer = post(client, url, session, "I am going to kill myself tonight").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let turn: Value = answer.json().await.expect("JSON");
    assert_eq!(turn["responder"], "crisis");
    assert!(turn["safety"]["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stopped_under_load_loses_nothing_and_danger_is_answered() {
    without_redis(|redis| redis.freeze(), |redis| redis.thaw()).await;
}

/// With every write on the disk before it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_under_load_loses_no_acknowledged_turn() {
    without_redis(RedisServer::kill, RedisServer::restart).await;
}

#[test]
fn the_doctor_looks_at_redis_and_leaves_it_as_it_is() {
    let redis = RedisServer::start();
    let home = process::directory();
    let url = redis.url();
    let examined = process::run(home.path(), &[("REDIS_URL", &url)], &["doctor"]);
    let said = String::from_utf8_lossy(&examined.stdout);
    assert!(examined.status.success() && said.contains("ok    redis: version"), "{said}");
    assert_eq!(redis.command(&["DBSIZE"]).int(), 0);
    drop(Process::start(home.path(), &[("REDIS_URL", &url)]));
    let secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let examined = process::run(home.path(), &[("REDIS_URL", &url), ("ATTUNE_SECRET", secret)], &["doctor"]);
    let said = String::from_utf8_lossy(&examined.stdout);
    assert!(!examined.status.success() && said.contains("not the secret of the other servers"), "{said}");
    let examined = process::run(home.path(), &[("REDIS_URL", "redis://127.0.0.1:1")], &["doctor"]);
    let said = String::from_utf8_lossy(&examined.stdout);
    assert!(
        !examined.status.success() && said.contains("FAIL  redis: Redis refuses the connection"),
        "{said}"
    );
}

#[test]
fn sessions_in_redis_are_listed_without_a_server() {
    let redis = RedisServer::start();
    let home = process::directory();
    let url = redis.url();
    let listed = process::run(home.path(), &[("REDIS_URL", &url)], &["sessions", "list"]);
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("0 of 0"));
}

/// All data are lost, and a server begins anew beside one that goes on: they must not be of two minds about who is who.
#[tokio::test]
async fn data_that_are_lost_make_no_two_deployments_of_one() {
    let redis = RedisServer::start();
    let (home, client, url) = (process::directory(), process::client(), redis.url());
    let first = Process::start(home.path(), &[("REDIS_URL", &url)]);
    let secret = redis.command(&["GET", "trt:secret"]).text().to_owned();
    redis.command(&["FLUSHALL"]);
    // Its health puts back what every server agrees on.
    process::get(&client, &first.url, "/health").await;
    assert_eq!(redis.command(&["GET", "trt:secret"]).text(), secret);
    redis.command(&["SET", "trt:fingerprint", "another"]);
    let health = client.get(format!("{}/readyz", first.url)).send().await.expect("it answers");
    assert_eq!(health.status(), StatusCode::SERVICE_UNAVAILABLE);
    let refused = post(&client, &first.url, "s", "I want to feel calm").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_in_danger(&client, &first.url, "s").await;
}

#[tokio::test]
async fn a_redis_that_takes_no_write_is_not_ready() {
    let redis = RedisServer::start();
    let (home, client, url) = (process::directory(), process::client(), redis.url());
    let server = Process::start(home.path(), &[("REDIS_URL", &url), ("ATTUNE_STORE_FALLBACK", "reject")]);
    let ready =
        async || client.get(format!("{}/readyz", server.url)).send().await.expect("it answers").status();
    assert_eq!(ready().await, StatusCode::OK);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
    assert_in_danger(&client, &server.url, "s").await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(ready().await, StatusCode::OK);
    insist_on(&client, &server.url, "t").await;
}
