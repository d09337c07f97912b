//! What the client in TypeScript does over a WebSocket.

use serde_json::json;

use super::talk::{Client, Talk};
use super::typescript::{
    GOAL, fetches_a_token_anew, goes_on_after_a_cut, goes_on_in_a_successor, hears_of_other_devices,
    lets_danger_pass_what_was_put_off, shown, shows_the_lines_where_nobody_is_reached,
};
use crate::chat::Cutter;
use crate::process::directory;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_typescript_hears_the_rest_of_a_reply_over_another_socket() {
    goes_on_after_a_cut("socket", "\"turn\":1,\"seq\":3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_typescript_shows_what_is_said_on_other_devices_over_a_socket() {
    hears_of_other_devices("socket").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_typescript_lets_danger_pass_what_was_put_off_over_a_socket() {
    lets_danger_pass_what_was_put_off("socket").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_typescript_shows_the_lines_where_no_socket_is_reached() {
    shows_the_lines_where_nobody_is_reached("socket").await;
}

/// A ticket lets it in, and ends with the credentials of its session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_typescript_connects_with_tickets() {
    fetches_a_token_anew("socket").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_typescript_connects_to_a_successor() {
    goes_on_in_a_successor("socket").await;
}

/// What is wrong with a message, and ends the connection, ends it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_typescript_gives_back_what_is_too_large_and_goes_on() {
    let (home, server) = (directory(), Server::start().await);
    let mut talk = Talk::begin(Client::Probe("socket"), home.path(), server.url("").trim_end_matches('/'));
    talk.say(&"a".repeat(300_000));
    talk.say(GOAL);
    let (refused, before) = talk.told("refused");
    assert_eq!((&refused["error"], &refused["waits"]), (&json!("body_too_large"), &json!(false)));
    assert!(before.iter().any(|told| told["resources"].is_array()));
    assert_eq!(shown(&talk), (1, GOAL.to_owned(), true));
}

/// What was said over other sockets while there was none here comes with the next greeting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_typescript_is_told_what_it_missed_by_the_next_greeting() {
    let server = Server::start().await;
    let wire = Cutter::at(&server, "\"broadcast\"").await;
    let home = directory();
    let mut talk = Talk::begin(Client::Probe("socket"), home.path(), &wire.url);
    talk.say(GOAL);
    assert_eq!(shown(&talk).0, 1);
    for n in 2..5 {
        server.input("s", &format!("It is day {n}")).await.ok();
    }
    // Nothing tells of these but the greeting of the connection behind the one that breaks here.
    server.post("/api/broadcast/", &json!({ "message": "Back in a moment" })).await.ok();
    for n in 2..5 {
        assert_eq!(shown(&talk), (n, format!("It is day {n}"), false));
    }
}
