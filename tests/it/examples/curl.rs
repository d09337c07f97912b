//! The client with curl.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::talk::Talk;
use super::{example, until_holds};
use crate::ports::Port;
use crate::process::{Process, client, directory, input};

fn attune(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command.arg(example("attune.sh")).args(arguments).current_dir(home);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_with_curl_waits_for_a_server_and_sends_a_message_once() {
    let (home, port) = (directory(), Port::free());
    let addr = format!("127.0.0.1:{}", port.number);
    let url = format!("http://{addr}");
    let say = || -> Child {
        let mut command = attune(home.path(), &[&url, "s", "I \"want\" to feel calm\n"]);
        command.env("KEY", "the-same-key").stdout(Stdio::piped()).spawn().expect("bash runs")
    };
    let early = say();
    let server = Process::start(home.path(), &[("ATTUNE_ADDR", addr.as_str())]);
    let first = early.wait_with_output().expect("it ends");
    let second = say().wait_with_output().expect("it ends");
    let turns: Vec<Value> = [first, second]
        .iter()
        .map(|output| serde_json::from_slice(&output.stdout).expect("a turn"))
        .collect();
    assert_eq!(
        (&turns[0]["turn"], &turns[1]["turn"], &turns[1]["replayed"]),
        (&1.into(), &1.into(), &true.into())
    );
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_with_curl_follows_a_session_while_servers_and_itself_come_and_go() {
    let (home, port) = (directory(), Port::free());
    let addr = format!("127.0.0.1:{}", port.number);
    let variables = [("ATTUNE_ADDR", addr.as_str())];
    let follow = || Talk::run(attune(home.path(), &[&format!("http://{addr}"), "s"]), home.path());
    let last = home.path().join("attune-s.last");
    let server = Process::start(home.path(), &variables);
    input(&client(), &server.url, "s", "I want to feel calm").await.expect("answered");
    let talk = follow();
    // Who follows for the first time hears of what comes; that it listens, this file tells.
    until_holds(&last, "", || false).await;
    input(&client(), &server.url, "s", "I want to feel calm").await.expect("answered");
    hear_turn(&talk, 2);
    server.kill();
    let server = Process::start(home.path(), &variables);
    input(&client(), &server.url, "s", "I want to feel calm").await.expect("answered");
    let noted = hear_turn(&talk, 3);
    until_holds(&last, &noted, || false).await;
    assert_eq!(talk.kill(), Vec::<String>::new());
    input(&client(), &server.url, "s", "I want to feel calm").await.expect("answered");
    hear_turn(&follow(), 4);
}

/// The next two events are of this turn. The id of the second.
fn hear_turn(talk: &Talk, turn: u64) -> String {
    let told = [talk.hear(), talk.hear()].map(|line| serde_json::from_str::<Value>(&line).expect("an event"));
    let kinds = [&told[0], &told[1]].map(|event| (event["event"].as_str(), event["turn"].as_u64()));
    assert_eq!(kinds, [(Some("turn_completed"), Some(turn)), (Some("reply_ready"), Some(turn))]);
    told[1]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn the_client_with_curl_says_why_it_may_not_follow() {
    let home = directory();
    let server = Process::start(home.path(), &[]);
    let ended = attune(home.path(), &[&server.url, "nobody"]).output().expect("bash runs");
    let why = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(1) && why.contains("not_found"), "{why}");
}
