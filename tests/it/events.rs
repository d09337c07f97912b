//! Turns as events: what is streamed, resumed, stopped and read again.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::fake::{Reply, Script};
use crate::model_rig::{Event, Pair, Scene, Stream, messages, post, told, until};
use crate::server::Server;

const GOAL: &str = "I want to feel calm and confident at work";
const WORDS: &str =
    "I hear how much that matters. It shows in every word! What would you notice first on such a day?";

/// A model that needs a while for each of its sentences.
fn slow() -> Script {
    Script { reply: Reply::always(WORDS), pause: Duration::from_millis(25), ..Script::default() }
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deltas_come_while_the_model_writes_and_are_the_reply_put_together() {
    let scene = Scene::with(slow(), &[]).await;
    let mut stream = Stream::open(&scene.server, "s", GOAL, &[]).await;
    let first = stream.next().await.expect("a delta");
    assert_eq!((first.id.as_str(), first.text()), ("1.1", "I hear how much that matters."));
    assert_eq!(scene.fake.generations(), 1, "the model is still at work");
    let rest = stream.rest().await;
    let (text, turn) = told(&rest);
    assert_eq!(format!("{}{text}", first.text()), WORDS);
    assert_eq!((turn["therapist_response"].as_str(), turn["replayed"].clone()), (Some(WORDS), false.into()));
    assert_eq!(ids(&rest), ["1.2", "1.3", "1.4"]);
    assert_eq!(scene.server.history("s").await[0]["therapist_response"], WORDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_routes_stream_and_what_the_script_says_is_one_delta() {
    let server = Server::start().await;
    for path in ["/api/v1/input", "/api/v1/session/s/input", "/session/s/input"] {
        let events = Stream::of(post(&server, path, "s", GOAL, &[])).await.rest().await;
        let (text, turn) = told(&events);
        assert_eq!((events.len(), turn["therapist_response"].as_str()), (2, Some(text.as_str())), "{path}");
    }
    let mut danger = Stream::open(&server, "d", "I want to kill myself", &[]).await;
    let (text, turn) = told(&danger.rest().await);
    assert_eq!(
        (turn["responder"].as_str(), turn["therapist_response"].as_str()),
        (Some("crisis"), Some(text.as_str()))
    );
    assert!(!turn["safety"]["resources"].as_array().expect("a list").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_before_the_first_event_is_an_ordinary_problem() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    Stream::open(&server, "s", GOAL, &[]).await.rest().await;
    let limited = server.send(post(&server, "/api/v1/input", "s", GOAL, &[])).await;
    assert!(!limited.problem(429, "rate_limited")["resources"].as_array().expect("a list").is_empty());
    let long = "a ".repeat(5_000);
    server.send(post(&server, "/api/v1/input", "s", &long, &[])).await.problem(422, "text_too_long");
    let wrong = post(&server, "/api/v1/input?on_disconnect=maybe", "t", GOAL, &[]);
    server.send(wrong).await.problem(422, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_says_that_it_is_still_there() {
    let slow = Script { delay: Duration::from_millis(600), ..slow() };
    let scene = Scene::with(slow, &[("SSE_HEARTBEAT_MS", "100")]).await;
    let mut stream = Stream::open(&scene.server, "s", GOAL, &[]).await;
    assert_eq!(told(&stream.rest().await).0, WORDS);
    assert!(stream.heartbeats >= 3, "{}", stream.heartbeats);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_after_the_first_event_is_an_event() {
    let slow = Script { delay: Duration::from_secs(20), ..slow() };
    let scene = Scene::with(slow, &[("SSE_HEARTBEAT_MS", "50")]).await;
    let mut stream = Stream::open(&scene.server, "s", GOAL, &[]).await;
    let stopped = scene.server.delete("/api/v1/session/s/turn").await.ok();
    assert_eq!(stopped, json!({ "stopped": true, "turn": null }));
    let events = stream.rest().await;
    assert_eq!((events.len(), events[0].name.as_str()), (1, "problem"));
    assert_eq!(events[0].data["error"], "stopped");
    assert!(
        events[0].data["resources"].is_array()
            && events[0].data["instance"].as_str() != Some("urn:attune:request:")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_gone_on_with_behind_the_last_event_that_was_seen() {
    let scene = Scene::with(slow(), &[]).await;
    let key = ("idempotency-key", "k1");
    let mut stream = Stream::open(&scene.server, "s", GOAL, &[key]).await;
    let first = stream.next().await.expect("a delta");
    drop(stream);
    // While the turn still runs.
    let resumed =
        Stream::open(&scene.server, "s", GOAL, &[key, ("last-event-id", &first.id)]).await.rest().await;
    let (text, turn) = told(&resumed);
    assert_eq!(format!("{}{text}", first.text()), WORDS);
    assert_eq!(turn["replayed"], true);
    assert_eq!(ids(&resumed), ["1.2", "1.3", "1.4"]);
    // And afterwards, from every place.
    for (seen, rest) in [("0.0", 4), ("1.1", 3), ("1.2", 2), ("1.4", 1), ("nonsense", 4)] {
        let again =
            Stream::open(&scene.server, "s", GOAL, &[key, ("last-event-id", seen)]).await.rest().await;
        assert_eq!(again.len(), rest, "{seen}");
        let tail = &resumed[resumed.len().saturating_sub(rest)..];
        let same = |one: &Event, other: &Event| (one.id == other.id) && one.data == other.data;
        assert!(
            again[again.len() - tail.len()..].iter().zip(tail).all(|(one, other)| same(one, other)),
            "{seen}"
        );
    }
    assert_eq!(scene.server.history("s").await.len(), 1, "one turn");
    let other = scene.server.send(post(&scene.server, "/api/v1/input", "s", "other words", &[key])).await;
    other.problem(422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_waits_as_long_as_the_turn_takes() {
    let scene = Scene::with(slow(), &[("LOCK_WAIT_MS", "50")]).await;
    let key = ("idempotency-key", "k1");
    let mut stream = Stream::open(&scene.server, "s", GOAL, &[key]).await;
    stream.next().await.expect("a delta");
    let (resumed, plain) = tokio::join!(
        async { Stream::open(&scene.server, "s", GOAL, &[key, ("last-event-id", "1.1")]).await.rest().await },
        scene.server.input_with_key("s", GOAL, "k1"),
    );
    assert_eq!(told(&resumed).1["therapist_response"], WORDS);
    assert_eq!(
        (plain.ok()["therapist_response"].as_str(), plain.ok()["replayed"].clone()),
        (Some(WORDS), true.into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_run_anew_is_told_from_its_beginning() {
    let scene = Scene::with(Script { delay: Duration::from_secs(20), ..slow() }, &[]).await;
    let key = ("idempotency-key", "k1");
    let first = scene.server.input_with_key("s", GOAL, "k1");
    let stopping = async {
        scene.fake.wait_for(|seen| seen.iter().any(|seen| !messages(seen).is_empty())).await;
        scene.server.delete("/api/v1/session/s/turn").await.ok()
    };
    tokio::join!(first, stopping).0.problem(409, "stopped");
    scene.fake.change(|script| script.delay = Duration::ZERO);
    let anew = Stream::open(&scene.server, "s", GOAL, &[key, ("last-event-id", "1.2")]).await.rest().await;
    assert_eq!((ids(&anew), told(&anew).0.as_str()), (vec!["1.1", "1.2", "1.3", "1.4"], WORDS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_at_once_is_told_the_same_to_everybody() {
    let scene = Scene::with(slow(), &[]).await;
    let key = ("idempotency-key", "k1");
    let streams =
        (0..12).map(|_| async { Stream::open(&scene.server, "s", GOAL, &[key]).await.rest().await });
    for events in futures_util::future::join_all(streams).await {
        assert_eq!((ids(&events), told(&events).0.as_str()), (vec!["1.1", "1.2", "1.3", "1.4"], WORDS));
    }
    assert_eq!(scene.server.history("s").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_still_listens_keeps_the_turn_of_one_who_left() {
    let scene = Scene::with(slow(), &[]).await;
    let (key, path) = (("idempotency-key", "k1"), "/api/v1/input?on_disconnect=cancel");
    let mut leaving = Stream::of(post(&scene.server, path, "s", GOAL, &[key])).await;
    leaving.next().await.expect("a delta");
    let mut staying =
        Stream::of(post(&scene.server, path, "s", GOAL, &[key, ("last-event-id", "0.0")])).await;
    staying.next().await.expect("a delta");
    drop(leaving);
    assert_eq!(told(&staying.rest().await).1["therapist_response"], WORDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_a_session_ends_the_turn_that_would_bring_it_about() {
    let scene = Scene::with(slow(), &[]).await;
    let mut stream = Stream::open(&scene.server, "s", GOAL, &[]).await;
    stream.next().await.expect("a delta");
    scene.server.delete("/api/v1/session/s").await.ok();
    stream.rest().await;
    scene.server.get("/api/v1/session/s").await.problem(404, "not_found");
    scene.server.get("/api/v1/session/s/history").await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_in_a_removed_session_is_not_told_again() {
    let listed = ["The first reply. Does it fit?", "The second reply. Does it fit?"].map(str::to_owned);
    let scene = Scene::with(Script { reply: Reply::Listed(listed.to_vec()), ..Script::default() }, &[]).await;
    let key = ("idempotency-key", "k1");
    let first = Stream::open(&scene.server, "s", GOAL, &[key]).await.rest().await;
    scene.server.delete("/api/v1/session/s").await.ok();
    let second = Stream::open(&scene.server, "s", GOAL, &[key]).await.rest().await;
    assert_eq!((told(&first).0.as_str(), told(&second).0.as_str()), (listed[0].as_str(), listed[1].as_str()));
    assert_eq!(told(&second).1["replayed"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_are_out_stay_when_the_turn_is_decided_anew() {
    for (path, body, responder) in [
        ("/api/v1/session/s/pause", json!({}), "scripted"),
        (
            "/api/v1/input",
            json!({ "session_id": "s", "user_input": "I am going to kill myself tonight" }),
            "crisis",
        ),
    ] {
        let scene = Scene::with(slow(), &[]).await;
        scene.server.create(&json!({ "session_id": "s" })).await.ok();
        let mut stream = Stream::open(&scene.server, "s", GOAL, &[]).await;
        let first = stream.next().await.expect("a delta");
        scene.server.post(path, &body).await.ok();
        let (text, turn) = told(&stream.rest().await);
        let reply = turn["therapist_response"].as_str().expect("text");
        assert_eq!(format!("{}{text}", first.text()), reply, "deltas are the reply");
        assert!(reply.starts_with(first.text()) && reply.len() > first.text().len() + 20);
        assert_eq!(
            (turn["responder"].as_str(), turn["context"]["fallback"].as_str()),
            (Some(responder), Some("changed"))
        );
        let stored = scene.server.get("/api/v1/session/s/turn/1").await.ok();
        assert_eq!(stored["therapist_response"], reply);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_knows_no_deltas_and_sends_the_turn() {
    let pair = Pair::with(slow(), &[]).await;
    let key = ("idempotency-key", "k1");
    let events = Stream::open(&pair.servers[0], "s", GOAL, &[key]).await.rest().await;
    let elsewhere =
        Stream::open(&pair.servers[1], "s", GOAL, &[key, ("last-event-id", "1.1")]).await.rest().await;
    assert_eq!((elsewhere.len(), elsewhere[0].name.as_str()), (1, "turn"));
    assert_eq!(elsewhere[0].data["therapist_response"], told(&events).0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_whose_caller_goes_away_is_stored_all_the_same() {
    let scene = Scene::with(slow(), &[]).await;
    let mut stream = Stream::open(&scene.server, "s", GOAL, &[]).await;
    stream.next().await.expect("a delta");
    drop(stream);
    until("it is stored", async || scene.server.get("/api/v1/session/s").await.status == 200).await;
    let exchange = &scene.server.history("s").await[0];
    assert_eq!(
        (exchange["therapist_response"].as_str(), exchange["responder"].as_str()),
        (Some(WORDS), Some("model"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_cancel_the_model_stops_with_its_caller_and_what_was_said_is_stored() {
    let scene = Scene::with(slow(), &[]).await;
    let path = "/api/v1/input?on_disconnect=cancel";
    let mut stream = Stream::of(post(&scene.server, path, "s", GOAL, &[])).await;
    let first = stream.next().await.expect("a delta");
    let left = Instant::now();
    drop(stream);
    let seen = scene.fake.wait_for(|seen| seen.iter().any(|seen| seen.gone_at().is_some())).await;
    let gone = seen.iter().find_map(crate::fake::Seen::gone_at).expect("gone");
    assert!(gone.duration_since(left) < Duration::from_millis(100), "{:?}", gone.duration_since(left));
    until("it is stored", async || scene.server.get("/api/v1/session/s").await.status == 200).await;
    let exchange = &scene.server.history("s").await[0];
    let said = exchange["therapist_response"].as_str().expect("text");
    assert!(said.starts_with(first.text()) && said.len() < WORDS.len(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_cancel_a_plain_caller_who_leaves_stops_the_model_and_leaves_no_trace() {
    let scene = Scene::with(Script { delay: Duration::from_secs(20), ..slow() }, &[]).await;
    let path = "/api/v1/input?on_disconnect=cancel";
    let body = json!({ "session_id": "s", "user_input": GOAL });
    let request = scene.server.request(Method::POST, path).json(&body).send();
    let asking = tokio::spawn(request);
    scene.fake.wait_for(|seen| seen.iter().any(|seen| !messages(seen).is_empty())).await;
    let left = Instant::now();
    asking.abort();
    let seen = scene.fake.wait_for(|seen| seen.iter().any(|seen| seen.gone_at().is_some())).await;
    let gone = seen.iter().find_map(crate::fake::Seen::gone_at).expect("gone");
    assert!(gone.duration_since(left) < Duration::from_millis(100), "{:?}", gone.duration_since(left));
    scene.server.get("/api/v1/session/s").await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_a_turn_stops_its_model_and_keeps_what_was_said() {
    let scene = Scene::with(slow(), &[]).await;
    let mut stream = Stream::open(&scene.server, "s", GOAL, &[]).await;
    let first = stream.next().await.expect("a delta");
    let stopped = scene.server.delete("/api/v1/session/s/turn").await.ok();
    assert_eq!(stopped, json!({ "stopped": true, "turn": 1 }));
    let (text, turn) = told(&stream.rest().await);
    assert!(WORDS.starts_with(&format!("{}{text}", first.text())));
    assert_eq!((turn["turn"].clone(), turn["context"]["fallback"].clone()), (1.into(), "stopped".into()));
    scene.fake.wait_for(|seen| seen.iter().all(|seen| !seen.is_running())).await;
    let again = scene.server.delete("/api/v1/session/s/turn").await.ok();
    assert_eq!(again, json!({ "stopped": false, "turn": null }));
    let unknown = scene.server.delete("/api/v1/session/nobody/turn").await.ok();
    assert_eq!(unknown, json!({ "stopped": false, "turn": null }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_stopped_through_another_server() {
    let pair = Pair::with(Script { delay: Duration::from_secs(20), ..slow() }, &[]).await;
    let asking = pair.servers[0].input("s", GOAL);
    let stopping = async {
        pair.fake.wait_for(|seen| seen.iter().any(|seen| !messages(seen).is_empty())).await;
        pair.servers[1].delete("/api/v1/session/s/turn").await.ok()
    };
    let (answer, stopped) = tokio::join!(asking, stopping);
    answer.problem(409, "stopped");
    assert_eq!(stopped["stopped"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_read_again_as_it_was_answered() {
    let scene = Scene::with(slow(), &[]).await;
    let said = [GOAL, "are you human?", "I want to kill myself", "no", ""];
    let mut turns = Vec::new();
    for text in said {
        turns.push(scene.server.input("s", text).await.ok());
    }
    let server = scene.server.restart().await;
    for (n, turn) in (1..).zip(&mut turns) {
        turn["replayed"] = true.into();
        assert_eq!(&server.get(&format!("/api/v1/session/s/turn/{n}")).await.ok(), turn, "turn {n}");
    }
    for absent in ["s/turn/0", "s/turn/6", "s/turn/99999999999", "s/turn/x", "nobody/turn/1"] {
        server.get(&format!("/api/v1/session/{absent}")).await.problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_at_work_is_pending() {
    let scene = Scene::with(Script { delay: Duration::from_millis(700), ..slow() }, &[]).await;
    let asking = scene.server.input("s", GOAL);
    let looking = async {
        scene.fake.wait_for(|seen| seen.iter().any(|seen| !messages(seen).is_empty())).await;
        scene.server.get("/api/v1/session/s/turn/1").await
    };
    let (turn, pending) = tokio::join!(asking, looking);
    assert_eq!(
        (pending.status.as_u16(), pending.json()),
        (202, json!({ "session_id": "s", "turn": 1, "responder": "pending" }))
    );
    let mut turn: Value = turn.ok();
    turn["replayed"] = true.into();
    assert_eq!(scene.server.get("/api/v1/session/s/turn/1").await.ok(), turn);
}
