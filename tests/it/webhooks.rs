//! Other programs are told of what happens by webhook: each event once to each, signed, over restarts and bad answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{Process, directory};
use crate::receivers::{Answer, Got, Receiver, until};
use crate::redis_server::RedisServer;
use crate::server::Server;

const GOAL: &str = "I want to feel calm and confident at work";

async fn told_to(receivers: &[&Receiver], more: &[(&str, &str)]) -> Server {
    let urls: Vec<String> = receivers.iter().map(|receiver| receiver.url()).collect();
    let urls = urls.join(",");
    Server::with(&[&[("WEBHOOK_URLS", urls.as_str())], more].concat()).await
}

/// All ids of the log, oldest first.
async fn logged(server: &Server) -> Vec<String> {
    let newest = server.client.get(server.url("/events?after=0-0")).send();
    let mut stream = newest.await.expect("an answer");
    let mut text = String::new();
    let mut ids = Vec::new();
    while let Ok(Ok(Some(bytes))) = tokio::time::timeout(Duration::from_millis(500), stream.chunk()).await {
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    ids.extend(text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned));
    ids
}

/// What was answered with a 2xx, where the first so many answers are known.
fn taken<'a>(got: &'a [Got], answers: &[Answer]) -> Vec<&'a Got> {
    let is_taken = |at: usize| !matches!(answers.get(at), Some(Answer::Status(500)));
    got.iter().enumerate().filter(|(at, _)| is_taken(*at)).map(|(_, got)| got).collect()
}

fn by_session(got: &[&Got]) -> BTreeMap<String, Vec<String>> {
    let mut sessions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for got in got {
        let session = got.json()["data"]["session_id"].to_string();
        sessions.entry(session).or_default().push(got.id());
    }
    sessions
}

/// Ids in the order of the log.
fn place(id: &str) -> (u64, u64) {
    let (ms, number) = id.split_once('-').expect("an id");
    (ms.parse().expect("a number"), number.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_receiver_is_told_of_every_event_once_and_of_no_word() {
    let (one, other) = (Receiver::start().await, Receiver::start().await);
    let server = told_to(&[&one, &other], &[]).await;
    for session in ["s", "t", "s"] {
        server.input(session, "quoll I want to feel calm").await.ok();
    }
    server.delete("/session/t").await.ok();
    let ids = logged(&server).await;
    assert_eq!(ids.len(), 9);
    for receiver in [&one, &other] {
        let got = receiver.wait_for(9).await;
        let mut told: Vec<String> = got.iter().map(Got::id).collect();
        told.sort_by_key(|id| place(id));
        assert_eq!(told, ids);
        for got in &got {
            let body = got.json();
            assert_eq!((&body["data"]["id"], &body["data"]["event"]), (&json!(got.id()), &body["type"]));
            assert!(got.header("webhook-signature").starts_with("v1,"));
            assert!(!String::from_utf8_lossy(&got.body).contains("quoll"), "a word is in a webhook");
        }
        assert!(got.iter().any(|got| got.json()["type"] == "session_deleted"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_kinds_that_were_not_asked_for_nobody_is_told() {
    let receiver = Receiver::start().await;
    let server = told_to(&[&receiver], &[("WEBHOOK_EVENTS", "session_created, safety_raised")]).await;
    server.input("s", GOAL).await.ok();
    server.input("s", "I want to kill myself").await.ok();
    server.input("t", GOAL).await.ok();
    let got = receiver.wait_for(3).await;
    let kinds: Vec<Value> = got.iter().map(|got| got.json()["type"].clone()).collect();
    let count = |kind: &str| kinds.iter().filter(|told| *told == kind).count();
    assert_eq!((kinds.len(), count("session_created"), count("safety_raised")), (3, 2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundreds_and_restarts_lose_and_double_no_event() {
    let receiver = Receiver::start().await;
    // Every third answer is a 500.
    let answers: Vec<Answer> = (0..90).map(|n| Answer::Status(if n % 3 == 0 { 500 } else { 200 })).collect();
    receiver.answer(&answers);
    let mut server = told_to(&[&receiver], &[]).await;
    for round in 0..4 {
        for n in 0..4 {
            server.input(&format!("s{n}"), GOAL).await.ok();
        }
        until(async || receiver.got().len() > round * 3).await;
        server = server.restart().await;
    }
    let ids: BTreeSet<String> = logged(&server).await.into_iter().collect();
    assert_eq!(ids.len(), 4 + 32);
    until(async || {
        let got = receiver.got();
        taken(&got, &answers).iter().map(|got| got.id()).collect::<BTreeSet<_>>() == ids
    })
    .await;
    let got = receiver.got();
    let taken = taken(&got, &answers);
    assert_eq!(taken.len(), ids.len(), "one was taken twice");
    for (session, told) in by_session(&taken) {
        assert!(told.is_sorted_by_key(|id| place(id)), "{session} is not in order");
    }
    assert!(got.len() > taken.len(), "nothing had to be sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_not_sent_again_and_holds_nothing_up() {
    let receiver = Receiver::start().await;
    receiver.answer(&[
        Answer::Status(400),
        Answer::Status(410),
        Answer::Redirect("http://127.0.0.1:1/".to_owned()),
    ]);
    let server = told_to(&[&receiver], &[]).await;
    for _ in 0..3 {
        server.input("s", GOAL).await.ok();
    }
    let got = receiver.wait_for(7).await;
    let ids: BTreeSet<String> = got.iter().map(Got::id).collect();
    assert_eq!((got.len(), ids.len()), (7, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_keeps_neither_another_waiting_nor_the_stop() {
    let (hanging, well) = (Receiver::start().await, Receiver::start().await);
    hanging.always(Answer::Hang);
    let mut server = told_to(&[&hanging, &well], &[]).await;
    for n in 0..5 {
        server.input(&format!("s{n}"), GOAL).await.ok();
    }
    assert_eq!(well.wait_for(15).await.len(), 15);
    let before = Instant::now();
    server.stop().await;
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
    // Whoever comes next tells it, with what it was not told of.
    hanging.always(Answer::Status(204));
    let heard = hanging.got().len();
    let server = server.restart().await;
    server.input("s0", GOAL).await.ok();
    until(async || hanging.ids()[heard..].iter().collect::<BTreeSet<_>>().len() == 17).await;
    assert_eq!(well.wait_for(17).await.len(), 17, "what it has it is not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_tells_for_all_and_another_goes_on_when_it_is_killed() {
    let redis = RedisServer::start();
    let receiver = Receiver::start().await;
    let (url, hook) = (redis.url(), receiver.url());
    let variables =
        [("REDIS_URL", url.as_str()), ("WEBHOOK_URLS", hook.as_str()), ("RATE_LIMIT_PER_MINUTE", "0")];
    let home = directory();
    let killed = Process::start(home.path(), &variables);
    let server = Server::with(&variables).await;
    server.input("s", GOAL).await.ok();
    assert_eq!(receiver.wait_for(3).await.len(), 3, "both told it");
    killed.kill();
    for n in 0..5 {
        server.input(&format!("s{n}"), GOAL).await.ok();
    }
    let ids: BTreeSet<String> = logged(&server).await.into_iter().collect();
    until(async || receiver.ids().into_iter().collect::<BTreeSet<_>>() == ids).await;
    assert_eq!(receiver.ids().len(), ids.len(), "one was told twice");
}
