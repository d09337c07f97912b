//! What happens, as subscribers hear it: each change once, in order, and nothing of anybody's words.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::clinic::{Clinic, Login};
use crate::model_rig::{Event, Stream};
use crate::redis_server::RedisServer;
use crate::server::{Server, start};

const GOAL: &str = "I want to feel calm and confident at work";

async fn follow(server: &Server, path: &str) -> Stream {
    Stream::of(server.request(Method::GET, path)).await
}

/// The next event, which does come.
async fn next(stream: &mut Stream) -> Event {
    tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("in time").expect("one more")
}

async fn some(stream: &mut Stream, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(next(stream).await);
    }
    events
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// Whether nothing more comes but the end.
async fn is_at_its_end(stream: &mut Stream) -> bool {
    tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("in time").is_none()
}

const FIRST_TURN: [&str; 3] = ["session_created", "turn_completed", "reply_ready"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_session_hears_of_it_and_of_no_other() {
    let server = Server::start().await;
    server.create(&json!({ "session_id": "s" })).await.ok();
    let mut one = follow(&server, "/session/s/events?after=0-0").await;
    let mut all = follow(&server, "/api/v1/events").await;
    let mut some_kinds = follow(&server, "/events?kinds=turn_completed,session_deleted").await;
    for session in ["t", "s", "t"] {
        server.input(session, GOAL).await.ok();
    }
    let heard = some(&mut one, 3).await;
    assert_eq!(names(&heard), FIRST_TURN);
    let turn = &heard[1].data;
    assert_eq!(heard[1].id, turn["id"]);
    let shown =
        ["event", "session_id", "organisation", "status", "safety_level"].map(|field| turn[field].clone());
    assert_eq!(shown, ["turn_completed", "s", "default", "active", "none"].map(Value::from));
    assert_eq!(turn["turn"], 1);
    assert!(turn["at"].as_str().is_some_and(|at| at.starts_with("2026-03-01T12:00:00")), "{}", turn["at"]);
    let heard = some(&mut all, 7).await;
    assert_eq!(names(&heard[..3]), FIRST_TURN);
    let sessions: Vec<&Value> = heard.iter().map(|event| &event.data["session_id"]).collect();
    assert_eq!(sessions, ["t", "t", "t", "s", "s", "t", "t"]);
    server.delete("/session/s").await.ok();
    assert_eq!(
        names(&some(&mut some_kinds, 4).await),
        ["turn_completed"; 3].into_iter().chain(["session_deleted"]).collect::<Vec<_>>()
    );
    assert_eq!(next(&mut one).await.name, "session_deleted");
    assert!(is_at_its_end(&mut one).await, "of a session that is gone there is nothing more to tell");
    for wrong in ["kinds=dance", "after=yesterday"] {
        server.get(&format!("/events?{wrong}")).await.problem(422, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_behind_the_last_event_that_was_seen_also_after_a_restart() {
    let server = Server::start().await;
    server.input("s", GOAL).await.ok();
    let mut stream = follow(&server, "/session/s/events?after=0-0").await;
    let seen = some(&mut stream, 2).await;
    drop(stream);
    server.input("s", GOAL).await.ok();
    let server = server.restart().await;
    let again = server.request(Method::GET, "/session/s/events").header("last-event-id", &seen[1].id);
    let mut stream = Stream::of(again).await;
    server.input("s", GOAL).await.ok();
    let heard: Vec<(String, u64)> = some(&mut stream, 5)
        .await
        .into_iter()
        .map(|event| (event.name, event.data["turn"].as_u64().unwrap_or_default()))
        .collect();
    let expected = [
        ("reply_ready", 1),
        ("turn_completed", 2),
        ("reply_ready", 2),
        ("turn_completed", 3),
        ("reply_ready", 3),
    ];
    assert_eq!(heard, expected.map(|(name, turn)| (name.to_owned(), turn)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn danger_and_its_clearing_are_told_and_no_word_is() {
    let server = Server::start().await;
    let mut stream = follow(&server, "/events?kinds=safety_raised,safety_cleared,session_updated").await;
    server.input("s", "quoll I want to kill myself tonight").await.ok();
    let raised = some(&mut stream, 1).await;
    let basis = server.session("s").await["basis"].clone();
    let clear = json!({ "reason": "we have talked about the quoll", "basis": basis });
    server.post("/session/s/clear", &clear).await.ok();
    let rest = some(&mut stream, 2).await;
    assert_eq!(names(&raised), ["safety_raised"]);
    assert_eq!((&raised[0].data["safety_level"], &raised[0].data["was"]), (&json!("crisis"), &json!("none")));
    let cleared = rest.iter().find(|event| event.name == "safety_cleared").expect("it is told");
    assert_eq!((&cleared.data["safety_level"], &cleared.data["was"]), (&json!("none"), &json!("crisis")));
    for event in raised.iter().chain(&rest) {
        assert!(!event.data.to_string().contains("quoll"), "a word is in an event");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_reads_keeps_no_other_from_hearing() {
    let server = Server::start().await;
    let unread = follow(&server, "/events").await;
    let mut read = follow(&server, "/events?kinds=turn_completed").await;
    for n in 0..300 {
        server.input(&format!("s{}", n % 7), GOAL).await.ok();
    }
    let heard = some(&mut read, 300).await;
    let mut ids: Vec<&str> = heard.iter().map(|event| event.id.as_str()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 300);
    let mut late = unread;
    assert!(some(&mut late, 600).await.len() == 600, "what was not read is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_streams_and_waits_for_none() {
    let mut server = Server::start().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(follow(&server, "/events").await);
    }
    let stopping = tokio::time::timeout(Duration::from_secs(5), server.stop());
    stopping.await.expect("nobody is waited for");
    for stream in &mut streams {
        assert!(is_at_its_end(stream).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_credential_that_opened_it() {
    let clinic = Clinic::open(&[("SSE_HEARTBEAT_MS", "50")]).await;
    clinic.say("s", GOAL).await;
    let made = clinic.as_app(Method::POST, "/session/s/tokens", &json!({})).await.ok();
    let token = made["session_token"].as_str().expect("a token").to_owned();
    let own = clinic.server.request(Method::GET, "/session/s/events").bearer_auth(&token);
    let mut own = Stream::of(own).await;
    let of_ana = clinic.ana.on(clinic.server.request(Method::GET, "/events"));
    let mut of_ana = Stream::of(of_ana).await;
    clinic.say("s", GOAL).await;
    assert_eq!(next(&mut own).await.name, "turn_completed");
    assert_eq!(next(&mut of_ana).await.name, "turn_completed");
    for foreign in ["/session/t/events", "/events"] {
        let refused =
            clinic.server.send(clinic.server.request(Method::GET, foreign).bearer_auth(&token)).await;
        assert!([403, 404].contains(&refused.status.as_u16()), "{foreign}");
    }
    clinic.as_app(Method::DELETE, "/session/s/tokens", &Value::Null).await.ok();
    assert_eq!(next(&mut own).await.name, "reply_ready");
    assert!(is_at_its_end(&mut own).await);
    clinic.as_clinician(Method::POST, "/logout", &json!({})).await.ok();
    assert_eq!(next(&mut of_ana).await.name, "reply_ready");
    assert!(is_at_its_end(&mut of_ana).await);
    let again = Login::by(&crate::clinic::log_in(&clinic.server, "ana", crate::clinic::PASSWORD).await);
    let mut stream = Stream::of(again.on(clinic.server.request(Method::GET, "/events?after=0-0"))).await;
    assert_eq!(names(&some(&mut stream, 3).await), FIRST_TURN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_servers_each_tells_of_every_change_once_and_of_an_expiry_too() {
    let redis = RedisServer::with_clock(start());
    let url = redis.url();
    let variables = [
        ("REDIS_URL", url.as_str()),
        ("INDEX_SWEEP_MS", "20"),
        ("SESSION_TTL", "24h"),
        ("EVENTS_TTL", "90d"),
    ];
    let first = Server::with(&variables).await;
    let servers = [first.another().await, first.another().await, first];
    let mut streams = Vec::new();
    for server in &servers {
        streams.push(follow(server, "/events").await);
    }
    for n in 0..30 {
        servers[n % 3].input(&format!("s{n}"), GOAL).await.ok();
    }
    let idle = Duration::from_hours(23) + Duration::from_millis(1);
    redis.wind(idle);
    servers[0].clock.advance(idle);
    let mut told = Vec::new();
    for stream in &mut streams {
        let heard = some(stream, 120).await;
        let mut expired: Vec<String> = heard
            .iter()
            .filter(|event| event.name == "session_expired")
            .map(|event| event.data["session_id"].to_string())
            .collect();
        expired.sort();
        expired.dedup();
        assert_eq!(expired.len(), 30, "each once");
        told.push(heard.into_iter().map(|event| event.id).collect::<Vec<_>>());
    }
    assert!(told[0] == told[1] && told[1] == told[2], "the three have not heard the same");
    // The data go too, and nobody is told a second time.
    redis.wind(idle);
    servers[0].clock.advance(idle);
    servers[1].input("last", GOAL).await.ok();
    for stream in &mut streams {
        assert_eq!(names(&some(stream, 3).await), FIRST_TURN);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_restarted_under_a_stream_costs_it_no_event() {
    let mut redis = RedisServer::start();
    let url = redis.url();
    let server = Server::with(&[("REDIS_URL", &url), ("ATTUNE_STORE_FALLBACK", "reject")]).await;
    let mut stream = follow(&server, "/events?kinds=turn_completed").await;
    let mut expected = Vec::new();
    for round in 0..3 {
        for n in 0..5 {
            server.input(&format!("r{round}n{n}"), GOAL).await.ok();
            expected.push(format!("r{round}n{n}"));
        }
        redis.kill();
        redis.restart();
        crate::model_rig::until("redis is back", async || server.get("/readyz").await.status == 200).await;
    }
    let heard = some(&mut stream, 15).await;
    let sessions: Vec<&str> = heard.iter().filter_map(|event| event.data["session_id"].as_str()).collect();
    assert_eq!(sessions, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_credential_however_much_happens() {
    let clinic = Clinic::open(&[("SSE_HEARTBEAT_MS", "1000"), ("ADDRESS_RATE_PER_SECOND", "0")]).await;
    clinic.say("s", GOAL).await;
    let token = clinic.as_app(Method::POST, "/session/s/tokens", &json!({})).await.ok();
    let token = token["session_token"].as_str().expect("a token").to_owned();
    let own = clinic.server.request(Method::GET, "/session/s/events").bearer_auth(&token);
    let mut own = Stream::of(own).await;
    clinic.as_app(Method::DELETE, "/session/s/tokens", &Value::Null).await.ok();
    // In other sessions, without a pause.
    let elsewhere = async |of: &str| {
        for n in 0.. {
            clinic.say(&format!("{of}{}", n % 5), GOAL).await;
        }
    };
    tokio::select! {
        _ = async { tokio::join!(elsewhere("t"), elsewhere("u"), elsewhere("v")) } => unreachable!("it goes on for ever"),
        is_over = is_at_its_end(&mut own) => assert!(is_over),
    }
}
