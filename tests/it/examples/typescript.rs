//! What the client in TypeScript does besides: it resumes, hears of other devices, and leaves nobody in danger waiting.

use std::time::Duration;

use serde_json::json;

use super::talk::{Client, Talk};
use super::{example, tools};
use crate::chat::{Cutter, SENTENCES, slow};
use crate::model_rig::{Scene, until};
use crate::ports::Port;
use crate::process::{Process, directory};
use crate::server::Server;

pub const GOAL: &str = "I want to feel calmer";
const DANGER: &str = "I am going to kill myself tonight";

#[test]
fn the_client_in_typescript_is_one_file_for_browsers_too() {
    tools::check_for_browsers("attune.ts");
    let source = std::fs::read_to_string(example("attune.ts")).expect("readable");
    assert!(!source.lines().any(|line| line.starts_with("import ")));
}

/// A connection that breaks in the middle of a part. What was asked over each.
pub async fn goes_on_after_a_cut(over: &'static str, behind: &'static str) -> Vec<String> {
    let scene = Scene::with(slow(), &[]).await;
    let wire = Cutter::at(&scene.server, behind).await;
    let home = directory();
    let mut talk = Talk::begin(Client::Probe(over), home.path(), &wire.url);
    talk.say(GOAL);
    let (key, _) = talk.told("said");
    let (reply, before) = talk.told("reply");
    assert_eq!((&reply["turn"], &reply["key"]), (&json!(1), &key));
    let text = reply["text"].as_str().expect("a text");
    let parts: Vec<&str> = before.iter().filter_map(|told| told["part"]["text"].as_str()).collect();
    assert!(parts.len() >= 3 && parts.iter().all(|part| text.starts_with(part)), "{parts:?} of {text}");
    assert_eq!(parts.last(), Some(&text), "the parts are the reply");
    assert!(SENTENCES.starts_with(parts[0]));
    assert_eq!(scene.server.history("s").await.len(), 1);
    assert_eq!(scene.asked().len(), 1);
    drop(talk);
    let is_about_it = |asked: &&String| asked.contains("/session/s/input") || asked.contains("/ws/chat/");
    until("both connections are over", async || wire.asked.lock().iter().filter(is_about_it).count() >= 2)
        .await;
    wire.asked.lock().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn the_client_in_typescript_goes_on_behind_the_last_event_that_it_heard() {
    let asked = goes_on_after_a_cut("sse", "id: 1.3\nevent: del").await;
    let inputs: Vec<&String> =
        asked.iter().filter(|asked| asked.contains("POST /api/v1/session/s/input")).collect();
    assert!(inputs.iter().any(|asked| asked.contains("last-event-id: 1.2")), "{inputs:?}");
}

/// What the person says elsewhere is shown here, once and in order.
pub async fn hears_of_other_devices(over: &'static str) {
    let (home, server) = (directory(), Server::start().await);
    server.input("s", GOAL).await.ok();
    let mut talk = Talk::begin(Client::Probe(over), home.path(), server.url("").trim_end_matches('/'));
    talk.say("/follow");
    // It joins, and is told what there was.
    assert_eq!(shown(&talk), (1, GOAL.to_owned(), false));
    talk.say("I see myself laughing");
    assert_eq!(shown(&talk), (2, "I see myself laughing".to_owned(), true));
    for n in 3..6 {
        server.input("s", &format!("It is day {n}")).await.ok();
    }
    for n in 3..6 {
        assert_eq!(shown(&talk), (n, format!("It is day {n}"), false));
    }
    server.input("s", DANGER).await.ok();
    let (lines, _) = talk.told("resources");
    assert!(lines.as_array().is_some_and(|lines| !lines.is_empty()));
    assert_eq!(shown(&talk), (6, DANGER.to_owned(), false));
}

/// The next reply: its turn, what it answers, and whether that was said here.
pub fn shown(talk: &Talk) -> (u64, String, bool) {
    let (reply, _) = talk.told("reply");
    let said = reply["said"].as_str().expect("a text").to_owned();
    (reply["turn"].as_u64().unwrap_or_default(), said, reply["key"].is_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn the_client_in_typescript_shows_what_is_said_on_other_devices_over_events() {
    hears_of_other_devices("sse").await;
}

/// What a server puts off waits its turn; what is said meanwhile may be danger, and is sent at once.
pub async fn lets_danger_pass_what_was_put_off(over: &'static str) {
    let home = directory();
    let server = Process::start(home.path(), &[("RATE_LIMIT_PER_MINUTE", "1"), ("ATTUNE_COUNTRY", "US")]);
    let mut talk = Talk::begin(Client::Probe(over), home.path(), &server.url);
    talk.say(GOAL);
    assert_eq!(shown(&talk).0, 1);
    talk.say("I see myself laughing");
    let (lines, _) = talk.told("resources");
    assert!(lines.to_string().contains("988"), "a refusal brings the lines");
    talk.say(DANGER);
    assert_eq!(shown(&talk), (2, DANGER.to_owned(), true));
    let history = super::history(&server.url).await;
    assert_eq!(history, [GOAL, DANGER]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn the_client_in_typescript_lets_danger_pass_what_was_put_off() {
    lets_danger_pass_what_was_put_off("http").await;
    lets_danger_pass_what_was_put_off("sse").await;
}

/// Whoever can reach nobody is shown who else listens, and what was said goes out by itself later.
pub async fn shows_the_lines_where_nobody_is_reached(over: &'static str) {
    let (home, port) = (directory(), Port::free());
    let addr = format!("127.0.0.1:{}", port.number);
    let variables = [("ATTUNE_ADDR", addr.as_str()), ("ATTUNE_COUNTRY", "US")];
    let server = Process::start(home.path(), &variables);
    let mut talk = Talk::begin(Client::Probe(over), home.path(), &server.url);
    talk.say(GOAL);
    assert_eq!(shown(&talk).0, 1);
    server.kill();
    // It knows by itself that there is none any more; else by trying.
    while over == "socket" && talk.told("status").0 != "closed" {}
    talk.say("I see myself laughing");
    let (lines, _) = talk.told("resources");
    assert!(lines.to_string().contains("988"));
    let _server = Process::start(home.path(), &variables);
    assert_eq!(shown(&talk), (2, "I see myself laughing".to_owned(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn the_client_in_typescript_shows_the_lines_where_nobody_is_reached() {
    shows_the_lines_where_nobody_is_reached("http").await;
    shows_the_lines_where_nobody_is_reached("sse").await;
}

/// A token that ended is fetched anew; without another one what was said waits.
pub async fn fetches_a_token_anew(over: &'static str) {
    let home = directory();
    let server = Server::with_key().await;
    let first = mint(&server).await;
    let mut talk = Talk::with(Client::Probe(over), home.path(), server.url("").trim_end_matches('/'), &first);
    talk.say(GOAL);
    assert_eq!(shown(&talk).0, 1);
    server.delete("/session/s/tokens").await.ok();
    talk.say("I see myself laughing");
    let (refused, _) = talk.told("refused");
    assert_eq!((&refused["error"], &refused["waits"]), (&json!("unauthorized"), &json!(true)));
    talk.say(&format!("/token {}", mint(&server).await));
    talk.say("/wake");
    assert_eq!(shown(&talk), (2, "I see myself laughing".to_owned(), true));
}

pub async fn mint(server: &Server) -> String {
    if server.get("/session/s").await.status == 404 {
        server.create(&json!({ "session_id": "s" })).await.ok();
    }
    let minted = server.post("/session/s/tokens", &json!({})).await.ok();
    minted["session_token"].as_str().expect("a token").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn the_client_in_typescript_fetches_a_token_anew() {
    fetches_a_token_anew("sse").await;
}

/// The session ended while nobody said anything; it goes on in another.
pub async fn goes_on_in_a_successor(over: &'static str) {
    let home = directory();
    let server = Server::with(&[("SESSION_TTL", "3600"), ("INDEX_SWEEP_MS", "20")]).await;
    let mut talk = Talk::begin(Client::Probe(over), home.path(), server.url("").trim_end_matches('/'));
    talk.say(GOAL);
    assert_eq!(shown(&talk).0, 1);
    talk.say("/follow");
    server.clock.advance(Duration::from_secs(3_500));
    until("it has expired", async || server.session("s").await["status"] == "expired").await;
    for (n, text) in ["I am back", "and here"].into_iter().enumerate() {
        talk.say(text);
        let (reply, _) = talk.told("reply");
        assert_eq!((&reply["session"], &reply["turn"]), (&json!("s.2"), &json!(n + 1)));
    }
    server.input("s.2", "from elsewhere").await.ok();
    assert_eq!(shown(&talk), (3, "from elsewhere".to_owned(), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn the_client_in_typescript_goes_on_in_a_successor() {
    goes_on_in_a_successor("sse").await;
}
