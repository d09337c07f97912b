//! Going on while Redis is away: in a journal of the server's own, of which Redis is told when it is back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::clinic::{BOOTSTRAP, Clinic};
use crate::process::{self, Acknowledged, Process, acknowledge, assert_complete};
use crate::redis_server::RedisServer;
use crate::seed_program::SeedProgram;
use crate::server::{Server, start};
use crate::wire::{Cut, Wire};

const PATIENCE: Duration = Duration::from_secs(30);
const INTENT: &str = "I am going to kill myself tonight";

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One server over a Redis of its own, as people run it.
pub struct Scene {
    pub redis: RedisServer,
    home: tempfile::TempDir,
    pub client: reqwest::Client,
    process: Option<Process>,
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    pub async fn with(variables: &[(&'static str, &str)]) -> Self {
        let redis = RedisServer::start();
        let mut variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        variables.extend([("REDIS_URL", redis.url()), ("HISTORY_MAX", "1000".to_owned())]);
        let (home, client) = (process::directory(), process::client());
        let mut scene = Self { redis, home, client, process: None, variables };
        scene.start().await;
        scene
    }

    async fn start(&mut self) {
        let process = Process::start(self.home.path(), &self.variables());
        self.process = Some(process);
        until("the server has seen which ids are taken", async || {
            let standing = self.standing().await;
            standing["knows_new"] == true || self.rejects()
        })
        .await;
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn rejects(&self) -> bool {
        self.variables().contains(&("ATTUNE_STORE_FALLBACK", "reject"))
    }

    pub fn url(&self) -> &str {
        &self.process.as_ref().expect("it runs").url
    }

    async fn standing(&self) -> Value {
        process::get(&self.client, self.url(), "/health").await["storage"].clone()
    }

    async fn post(&self, session: &str, text: &str, key: Option<&str>) -> reqwest::Response {
        let body = json!({"session_id": session, "user_input": text});
        let request = self.client.post(format!("{}/api/v1/input", self.url())).json(&body);
        let request = key.iter().fold(request, |request, key| request.header("idempotency-key", *key));
        request.send().await.expect("it answers")
    }

    async fn say(&self, session: &str, text: &str) -> Value {
        self.say_with(session, text, None).await
    }

    async fn say_with(&self, session: &str, text: &str, key: Option<&str>) -> Value {
        let answer = self.post(session, text, key).await;
        assert_eq!(answer.status(), StatusCode::OK, "{text}");
        answer.json().await.expect("JSON")
    }

    /// Waits until turns go on without Redis.
    pub async fn is_local(&self) {
        until("turns go on without Redis", async || self.standing().await["mode"] == "local").await;
    }

    pub async fn restart(&mut self) {
        drop(self.process.take());
        self.start().await;
    }

    /// Waits until Redis was told of everything.
    pub async fn merged(&self) {
        until("Redis is told of everything", async || {
            let standing = self.standing().await;
            standing["mode"] == "redis" && standing["turns_waiting"] == 0
        })
        .await;
    }

    pub async fn history(&self, session: &str) -> Vec<Value> {
        let path = format!("/session/{session}/history?limit=50");
        let page = process::get(&self.client, self.url(), &path).await;
        page["exchanges"].as_array().cloned().unwrap_or_default()
    }
}

/// Takes turns in a session until it is told to stop. Each has to be answered.
async fn talk(
    client: reqwest::Client,
    url: String,
    name: String,
    done: Arc<AtomicBool>,
    acknowledged: Acknowledged,
) -> BTreeMap<String, usize> {
    let mut storages = BTreeMap::new();
    let mut said = 0;
    while !done.load(Ordering::Relaxed) {
        said += 1;
        let body = json!({"session_id": name, "user_input": format!("I want to feel calm, number {said}")});
        let answer = client.post(format!("{url}/api/v1/input")).json(&body).send().await.expect("it answers");
        let status = answer.status();
        let turn: Value = answer.json().await.expect("JSON");
        assert_eq!(status, StatusCode::OK, "{name} at {said}: {turn}");
        acknowledge(&acknowledged, &name, &turn);
        *storages.entry(turn["storage"].as_str().expect("a word").to_owned()).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    storages
}

/// Who is not known here is refused with crisis lines, danger is answered, and the server tells how it fares.
async fn assert_degraded(scene: &Scene) {
    let refused = scene.post("stranger", "I want to feel calm", None).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem: Value = refused.json().await.expect("JSON");
    assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
    let in_danger = scene.say("stranger", INTENT).await;
    assert_eq!((&in_danger["responder"], &in_danger["storage"]), (&json!("crisis"), &json!("none")));
    until("it says that it is degraded", async || {
        let ready = scene.client.get(format!("{}/readyz", scene.url())).send().await.expect("it answers");
        assert_eq!(ready.status(), StatusCode::OK);
        ready.json::<Value>().await.expect("JSON")["status"] == "degraded"
    })
    .await;
    until("the turns that wait are told", async || {
        let standing = scene.standing().await;
        standing["mode"] == "local" && standing["turns_waiting"].as_u64() > Some(0)
    })
    .await;
    let metrics = scene.client.get(format!("{}/metrics", scene.url())).send().await.expect("it answers");
    assert!(metrics.text().await.expect("text").contains("attune_store_local 1"));
}

/// Redis is away for five seconds, under load.
async fn five_seconds_without(take: impl Fn(&mut RedisServer), give_back: impl Fn(&mut RedisServer)) {
    let mut scene = Scene::with(&[]).await;
    scene.say("stranger", "I want to feel calm").await;
    // Another run of the server does not know what this one knew.
    scene.process = None;
    scene.redis.command(&["DEL", "trt:servers"]);
    scene.start().await;
    let (acknowledged, done) = (Acknowledged::default(), Arc::new(AtomicBool::new(false)));
    let (client, url) = (scene.client.clone(), scene.url().to_owned());
    let begin = |name: String| {
        tokio::spawn(talk(client.clone(), url.clone(), name, Arc::clone(&done), Arc::clone(&acknowledged)))
    };
    let known: Vec<_> = (0..8).map(|n| begin(format!("s{n}"))).collect();
    until("every session has had turns", async || acknowledged.lock().len() == 8).await;
    take(&mut scene.redis);
    let taken = Instant::now();
    let new: Vec<_> = (0..4).map(|n| begin(format!("new{n}"))).collect();
    assert_degraded(&scene).await;
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(taken.elapsed())).await;
    give_back(&mut scene.redis);
    // While everybody talks on.
    until("Redis catches up", async || scene.standing().await["turns_waiting"] == 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    done.store(true, Ordering::Relaxed);
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for talk in known.into_iter().chain(new) {
        let storages = talk.await.expect("every turn was answered");
        assert!(storages["local"] > 0, "{storages:?}");
        for (storage, count) in storages {
            *kept.entry(storage).or_default() += count;
        }
    }
    assert!(kept["redis"] > 24, "it went on in Redis: {kept:?}");
    scene.merged().await;
    let names: Vec<String> = acknowledged.lock().keys().cloned().collect();
    assert_eq!(names.len(), 12);
    for name in &names {
        assert_complete(&scene.client, scene.url(), name, &acknowledged).await;
        let last = acknowledged.lock()[name].last().expect("turns").0;
        let turns = scene.redis.command(&["HGET", &format!("trt:session:{name}:state"), "turn_count"]);
        assert_eq!(turns.text(), last.to_string(), "Redis has them all");
        assert!(scene.history(name).await.iter().all(|exchange| exchange.get("was_turn").is_none()));
    }
    // The level of one that was not known stands by now too.
    let stranger = process::get(&scene.client, scene.url(), "/session/stranger").await;
    assert_eq!((&stranger["status"], &stranger["safety_level"]), (&json!("paused"), &json!("crisis")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stopped_for_five_seconds_under_load_nobody_notices() {
    five_seconds_without(|redis| redis.freeze(), |redis| redis.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_for_five_seconds_under_load_nobody_notices() {
    five_seconds_without(RedisServer::kill, RedisServer::restart).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_that_rises_without_redis_pauses_the_session_in_it_with_one_alert() {
    let mut scene = Scene::with(&[]).await;
    for session in ["s", "t"] {
        scene.say(session, "I want to feel calm").await;
    }
    scene.redis.kill();
    let crisis = scene.say("s", INTENT).await;
    assert_eq!(crisis["responder"], "crisis");
    until("the turn behind it is kept", async || scene.standing().await["turns_waiting"] == 1).await;
    let next = scene.say("s", "ok").await;
    assert_eq!((&next["responder"], &next["turn"]), (&json!("crisis"), &json!(3)));
    assert_eq!((&next["storage"], &next["status"]), (&json!("local"), &json!("paused")));
    assert_eq!(scene.say("t", "I see myself laughing").await["responder"], "scripted");
    scene.redis.restart();
    scene.merged().await;
    let state = |field| scene.redis.command(&["HGET", "trt:session:s:state", field]).text().to_owned();
    assert_eq!((state("status"), state("safety_level")), ("paused".to_owned(), "crisis".to_owned()));
    let alerts = process::get(&scene.client, scene.url(), "/alerts").await;
    let of_s: Vec<_> = alerts["alerts"]
        .as_array()
        .expect("alerts")
        .iter()
        .filter(|alert| alert["session_id"] == "s")
        .collect();
    assert_eq!((of_s.len(), &of_s[0]["state"]), (1, &json!("open")), "{alerts}");
    assert_eq!(scene.say("s", "hello").await["responder"], "crisis");
    assert_eq!(process::get(&scene.client, scene.url(), "/session/t").await["status"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_without_redis_loses_nothing_that_it_acknowledged() {
    let mut scene = Scene::with(&[]).await;
    let acknowledged = Acknowledged::default();
    let say = async |scene: &Scene, name: &str, n: usize| {
        let turn = scene.say(name, &format!("I want to feel calm, number {n}")).await;
        acknowledge(&acknowledged, name, &turn);
    };
    for n in 0..3 {
        say(&scene, "s", n).await;
    }
    scene.redis.kill();
    for n in 3..8 {
        say(&scene, "s", n).await;
        say(&scene, "new", n).await;
    }
    scene.say("danger", INTENT).await;
    until("all of it is kept", async || scene.standing().await["turns_waiting"] == 11).await;
    scene.process.take().expect("it runs").kill();
    // Started again before Redis is back it says why it does not, and loses nothing.
    let early = process::run(scene.home.path(), &scene.variables(), &["serve"]);
    assert!(!early.status.success());
    let elsewhere = [&scene.variables()[..], &[("ATTUNE_URL", "http://127.0.0.1:1")]].concat();
    let doctor = process::run(scene.home.path(), &elsewhere, &["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("journal: 11 turn(s) wait in"), "{said}");
    scene.redis.restart();
    scene.start().await;
    scene.merged().await;
    for name in ["s", "new"] {
        assert_complete(&scene.client, scene.url(), name, &acknowledged).await;
    }
    assert_eq!(scene.say("s", "hello").await["turn"], 9);
    assert_eq!(scene.say("new", "hello").await["turn"], 6);
    let danger = process::get(&scene.client, scene.url(), "/session/danger").await;
    assert_eq!((&danger["status"], &danger["turn_count"]), (&json!("paused"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_repeated_before_during_and_after_is_one_turn() {
    let mut scene = Scene::with(&[]).await;
    let before = scene.say_with("s", "I want peace", Some("before")).await;
    scene.redis.kill();
    let during = scene.say_with("s", "I see myself laughing", Some("during")).await;
    assert_eq!((&during["turn"], &during["storage"]), (&json!(2), &json!("local")));
    let is_repeat = async |scene: &Scene, first: &Value, text: &str, key: &str| {
        let again = scene.say_with("s", text, Some(key)).await;
        assert_eq!(again["replayed"], true, "{key}");
        for field in ["turn", "therapist_response", "storage", "timestamp"] {
            assert_eq!(again[field], first[field], "{field} of {key}");
        }
    };
    is_repeat(&scene, &before, "I want peace", "before").await;
    is_repeat(&scene, &during, "I see myself laughing", "during").await;
    let reused = scene.post("s", "something else", Some("during")).await;
    assert_eq!(reused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    scene.redis.restart();
    scene.merged().await;
    is_repeat(&scene, &before, "I want peace", "before").await;
    is_repeat(&scene, &during, "I see myself laughing", "during").await;
    let session = process::get(&scene.client, scene.url(), "/session/s").await;
    assert_eq!(session["turn_count"], 2);
}

const ROUNDS: u64 = 20;

/// The wire to Redis is cut at a commit, before or after it took effect, and the link does not ask again.
async fn commits_in_doubt(cut: Cut) {
    let redis = RedisServer::with_clock(start());
    let wire = Wire::to(redis.port());
    let server = Server::with(&[("REDIS_URL", &wire.url()), ("REDIS_RETRIES", "0")]).await;
    let settled = async || server.get("/health").await.ok()["storage"]["turns_waiting"] == 0;
    // Redis has to know the scripts: one that it does not know takes no effect, whatever is cut.
    server.input_with_key("s", "I want to feel calm", "key1").await.ok();
    for turn in 2..=ROUNDS {
        let said = format!("I want to feel calm, number {turn}");
        wire.cut_next(cut, said.as_str());
        let answer = server.input_with_key("s", &said, &format!("key{turn}")).await.ok();
        assert_eq!((&answer["turn"], &answer["storage"]), (&json!(turn), &json!("local")), "{said}");
        until("Redis is told of it", settled).await;
        let again = server.input_with_key("s", &said, &format!("key{turn}")).await.ok();
        assert_eq!((&again["replayed"], &again["turn"]), (&json!(true), &json!(turn)));
        assert_eq!(again["therapist_response"], answer["therapist_response"]);
    }
    assert_eq!(wire.cuts(), ROUNDS - 1);
    let numbers: Vec<u64> =
        server.history("s").await.iter().filter_map(|exchange| exchange["turn"].as_u64()).collect();
    assert_eq!(numbers, (1..=ROUNDS).rev().collect::<Vec<_>>());
    let said: Vec<String> =
        server.history("s").await.iter().map(|one| one["client_input"].to_string()).collect();
    let distinct: std::collections::BTreeSet<_> = said.iter().collect();
    assert_eq!(distinct.len() as u64, ROUNDS, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_with_redis_is_stored_once() {
    commits_in_doubt(Cut::AfterRequest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_did_not_reach_redis_is_stored_once_too() {
    commits_in_doubt(Cut::BeforeRequest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_reject_turns_are_refused_with_crisis_lines_and_danger_is_answered() {
    let mut scene = Scene::with(&[("ATTUNE_STORE_FALLBACK", "reject")]).await;
    scene.say("s", "I want to feel calm").await;
    scene.redis.kill();
    for session in ["s", "new"] {
        let refused = scene.post(session, "I want to feel calm", None).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        let problem: Value = refused.json().await.expect("JSON");
        assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
    }
    let crisis = scene.say("s", INTENT).await;
    assert_eq!((&crisis["responder"], &crisis["storage"]), (&json!("crisis"), &json!("none")));
    let ready = scene.client.get(format!("{}/readyz", scene.url())).send().await.expect("it answers");
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!scene.home.path().join("data/journal").exists());
    scene.redis.restart();
    until("the level stands", async || {
        process::get(&scene.client, scene.url(), "/session/s").await["status"] == "paused"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_neither_goes_on_alone_unless_it_is_told_to() {
    let mut scene = Scene::with(&[]).await;
    let second = Process::start(scene.home.path(), &scene.variables());
    until("the first has seen the second", async || scene.standing().await["other_servers"] == 1).await;
    scene.say("s", "I want to feel calm").await;
    let input = async |url: &str| process::input(&scene.client, url, "s", "I see myself laughing").await;
    assert_eq!(input(&second.url).await.expect("answered")["turn"], 2);
    scene.redis.kill();
    for url in [scene.url(), &second.url] {
        assert!(input(url).await.is_none(), "refused");
    }
    let switched = process::run(scene.home.path(), &[("ATTUNE_URL", scene.url())], &["store", "local"]);
    let said = String::from_utf8_lossy(&switched.stdout).into_owned();
    assert!(switched.status.success() && said.contains("turns are kept in: local (by hand)"), "{said}");
    // It takes the session up where it last saw it.
    let alone = scene.say("s", "I see myself laughing with my friends").await;
    assert_eq!((&alone["turn"], &alone["storage"]), (&json!(2), &json!("local")));
    scene.redis.restart();
    let back = process::run(scene.home.path(), &[("ATTUNE_URL", scene.url())], &["store", "reconnect"]);
    assert!(back.status.success());
    scene.merged().await;
    let history = scene.history("s").await;
    let numbers: Vec<_> = history.iter().map(|one| (&one["turn"], one.get("was_turn"))).collect();
    assert_eq!(numbers, [(&json!(3), Some(&json!(2))), (&json!(2), None), (&json!(1), None)]);
    let shown = process::get(&scene.client, &second.url, "/session/s").await;
    assert!(shown["meta"]["merged_at"].is_string() && shown["turn_count"] == 3, "{shown}");
    second.signal("-TERM");
    until("the second has taken its leave", async || scene.standing().await["other_servers"] == 0).await;
}

#[tokio::test]
async fn what_another_program_wrote_meanwhile_keeps_its_numbers() {
    let redis = RedisServer::with_clock(start());
    let server = Server::with(&[("REDIS_URL", &redis.url())]).await;
    until("it knows what is new", async || server.get("/health").await.ok()["storage"]["knows_new"] == true)
        .await;
    server.input("s", "I want to feel calm").await.ok();
    assert_eq!(server.post("/store/local", &Value::Null).await.ok()["mode"], "local");
    for n in 2..=4 {
        let turn = server.input("s", &format!("I see myself laughing, number {n}")).await.ok();
        assert_eq!((&turn["turn"], &turn["storage"]), (&json!(n), &json!("local")));
    }
    let new = server.input("new", "I want to feel calm").await.ok();
    assert_eq!((&new["turn"], &new["storage"]), (&json!(1), &json!("local")));
    assert_eq!(server.session("s").await["storage"], "local");
    assert_eq!(server.history("s").await.len(), 4, "what is known here, and what came since");
    assert_eq!(redis.command(&["HGET", "trt:session:s:state", "turn_count"]).text(), "1", "Redis is at rest");
    let seed = SeedProgram::on(&redis.url()).at(redis.now());
    let wrote = tokio::task::spawn_blocking(move || {
        seed.run(&["write", "s", "--substate", "1.2_problem_and_body", "--body", "2", "--completion", "{}"])
    });
    wrote.await.expect("it ran");
    server.post("/store/reconnect", &Value::Null).await.ok();
    until("Redis is told of everything", async || {
        server.get("/health").await.ok()["storage"]["turns_waiting"] == 0
    })
    .await;
    let history = server.history("s").await;
    let numbers: Vec<_> =
        history.iter().map(|one| (one["turn"].as_u64(), one["was_turn"].as_u64())).collect();
    let expected =
        [(Some(5), Some(4)), (Some(4), Some(3)), (Some(3), Some(2)), (Some(2), None), (Some(1), None)];
    assert_eq!(numbers, expected);
    let session = server.session("s").await;
    assert!(session["meta"]["merged_at"].is_string(), "{session}");
    assert_eq!((&session["turn_count"], &session["storage"]), (&json!(5), &json!("redis")));
    assert_eq!(server.session("new").await["turn_count"], 1);
    assert_eq!(server.input("s", "hello").await.ok()["turn"], 6);
    server.post("/store/sideways", &Value::Null).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_who_was_let_in_lately_speaks_and_reads_and_nobody_else() {
    let redis = RedisServer::with_clock(start());
    let wire = Wire::to(redis.port());
    let clinic = Clinic::open(&[("REDIS_URL", &wire.url()), ("REDIS_TIMEOUT_MS", "300")]).await;
    let create = |id: &str| json!({ "session_id": id });
    let made = clinic.as_app(Method::POST, "/session/create", &create("s")).await.ok();
    let token = made["session_token"].as_str().expect("a token").to_owned();
    let other = clinic.as_app(Method::POST, "/session/create", &create("other")).await.ok();
    let unmet = other["session_token"].as_str().expect("a token").to_owned();
    let server = &clinic.server;
    let by = async |credential: &str, method: Method, path: &str, body: Value| {
        let request = server.request(method, path).bearer_auth(credential).json(&body);
        server.send(request).await
    };
    let words = |session: &str| json!({ "session_id": session, "user_input": "I want to feel calm" });
    by(&token, Method::POST, "/api/v1/input", words("s")).await.ok();
    // Another token of the session, and one that was revoked after it had let somebody in.
    let second = clinic.as_app(Method::POST, "/session/s/tokens", &Value::Null).await.ok();
    let second = second["session_token"].as_str().expect("a token").to_owned();
    by(&second, Method::GET, "/session/s", Value::Null).await.ok();
    let gone = clinic.as_app(Method::POST, "/session/create", &create("gone")).await.ok();
    let gone = gone["session_token"].as_str().expect("a token").to_owned();
    by(&gone, Method::POST, "/api/v1/input", words("gone")).await.ok();
    clinic.as_app(Method::DELETE, "/session/gone/tokens", &Value::Null).await.ok();
    wire.stall();
    let spoken = by(&token, Method::POST, "/api/v1/input", words("s")).await.ok();
    assert_eq!((&spoken["turn"], &spoken["storage"]), (&json!(2), &json!("local")));
    assert_eq!(by(&token, Method::GET, "/session/s", Value::Null).await.ok()["turn_count"], 2);
    by(&token, Method::GET, "/session/other", Value::Null).await.problem(404, "not_found");
    by(&second, Method::GET, "/session/s", Value::Null).await.ok();
    by(&gone, Method::GET, "/session/gone", Value::Null).await.problem(503, "store_unavailable");
    by(&unmet, Method::POST, "/api/v1/input", words("other")).await.problem(503, "store_unavailable");
    by(&clinic.app, Method::POST, "/api/v1/input", words("other")).await.ok();
    by(&clinic.app, Method::POST, "/keys", json!({ "label": "x" })).await.problem(503, "store_unavailable");
    clinic.as_clinician(Method::GET, "/session/s", &Value::Null).await.problem(503, "store_unavailable");
    by(BOOTSTRAP, Method::GET, "/audit", Value::Null).await.problem(503, "store_unavailable");
    by(&clinic.app, Method::POST, "/store/reject", Value::Null).await.problem(403, "forbidden");
    // Who runs the server can end it, and that is written down.
    assert_eq!(by(BOOTSTRAP, Method::POST, "/store/reject", Value::Null).await.ok()["mode"], "reject");
    by(&token, Method::POST, "/api/v1/input", words("s")).await.problem(503, "store_unavailable");
    by(BOOTSTRAP, Method::POST, "/store/reconnect", Value::Null).await.ok();
    wire.resume();
    until("Redis is told of everything", async || {
        let standing = server.get("/health").await.ok()["storage"].clone();
        standing["mode"] == "redis" && standing["turns_waiting"] == 0
    })
    .await;
    assert_eq!(by(&unmet, Method::POST, "/api/v1/input", words("other")).await.ok()["turn"], 2);
    let records = clinic.records().await;
    let of_switches = records.iter().filter(|record| record["action"] == "switch_store");
    let switches: Vec<_> = of_switches.map(|record| (&record["outcome"], &record["object"])).collect();
    let (refused, asked) = (json!("refused"), json!("asked"));
    let (reject, reconnect) = (json!("reject"), json!("reconnect"));
    assert_eq!(switches, [(&refused, &reject), (&asked, &reject), (&asked, &reconnect)], "{records:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_that_rises_when_the_journal_has_stopped_reaches_redis_and_its_sessions_go_on_there() {
    let mut scene = Scene::with(&[]).await;
    for session in ["s", "w"] {
        scene.say(session, "I want to feel calm").await;
    }
    scene.redis.kill();
    scene.is_local().await;
    assert_eq!(scene.say("w", "I want to feel free").await["storage"], "local");
    std::fs::remove_dir_all(scene.home.path().join("data/journal")).expect("it is there");
    until("the journal has stopped", async || {
        process::get(&scene.client, scene.url(), "/readyz").await;
        scene.standing().await["journal_stopped"] == true
    })
    .await;
    for session in ["s", "new"] {
        let answer = scene.say(session, INTENT).await;
        assert_eq!((&answer["responder"], &answer["storage"]), (&json!("crisis"), &json!("none")));
    }
    scene.redis.restart();
    until("both are in danger in Redis, with an alert each", async || {
        process::get(&scene.client, scene.url(), "/alerts").await["open_alerts"] == 2
    })
    .await;
    let paused = process::get(&scene.client, scene.url(), "/session/s").await;
    assert_eq!((&paused["status"], &paused["safety_level"]), (&json!("paused"), &json!("crisis")));
    assert_eq!(scene.say("w", "I want to feel calm").await["storage"], "redis");
}
