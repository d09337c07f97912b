//! The wire of the Redis tests itself: it breaks exactly where it is told to, and nowhere else.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::redis_server::RedisServer;
use crate::resp::{Client, Reply, command};
use crate::seed_program::SeedProgram;
use crate::wire::{Cut, Wire};
use crate::world::PATIENCE;

/// How long nothing must come, where nothing may.
const MOMENT: Duration = Duration::from_millis(50);

fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

fn open(port: u16) -> Client {
    Client::open(port, PATIENCE).expect("it listens")
}

/// A server, and a wire to it whose tasks run beside the test.
fn wired() -> (RedisServer, Wire) {
    let server = RedisServer::start();
    let wire = Wire::to(server.port());
    (server, wire)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_cut_before_never_reaches_redis() {
    let (server, wire) = wired();
    let mut client = open(wire.port());
    assert_eq!(client.ask(&["INCR", "counted"]).expect("through the wire"), Reply::Int(1));
    wire.cut_next(Cut::BeforeRequest, "counted");
    assert!(client.ask(&["INCR", "counted"]).is_err());
    assert_eq!(wire.cuts(), 1);
    assert_eq!(server.command(&["GET", "counted"]), text("1"));
    assert_eq!(open(wire.port()).ask(&["INCR", "counted"]).expect("cut but once"), Reply::Int(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_cut_after_its_request_is_done_though_nobody_was_told() {
    let (server, wire) = wired();
    let sha = server.command(&["SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])"]);
    for round in 1..=50 {
        wire.cut_next(Cut::AfterRequest, sha.text());
        assert!(open(wire.port()).ask(&["EVALSHA", sha.text(), "1", "counted"]).is_err());
        assert_eq!(server.command(&["GET", "counted"]), text(&round.to_string()));
        assert_eq!(wire.cuts(), round);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_cut_exactly_at_the_marked_command() {
    for (cut, after) in [(Cut::BeforeRequest, ["1", ""]), (Cut::AfterRequest, ["1", "1"])] {
        let (server, wire) = wired();
        wire.cut_next(cut, "middle");
        let mut client = open(wire.port());
        let words = ["first", "middle", "last"].map(|key| command(&["SET", key, "1"]));
        client.send(&words.concat()).expect("sent");
        // The first answer may or may not have come before the cut.
        while client.answer().is_ok() {}
        let held = server.command(&["MGET", "first", "middle", "last"]);
        let held: Vec<&str> =
            held.list().iter().map(|r| if *r == Reply::Nil { "" } else { r.text() }).collect();
        assert_eq!(held, [after[0], after[1], ""], "{cut:?}");
        assert_eq!(wire.cuts(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_what_stood_in_front_does_not_pass_for_the_answer_to_the_marked_command() {
    let (server, wire) = wired();
    for round in 0..20 {
        let mut client = open(wire.port());
        wire.cut_next(Cut::AfterRequest, "marked");
        client.send(&[command(&["PING"]), command(&["BLPOP", "marked", "0"])].concat()).expect("sent");
        let deadline = Instant::now() + PATIENCE;
        while !server.command(&["INFO", "clients"]).text().contains("blocked_clients:1") {
            assert!(Instant::now() < deadline, "the command waits in Redis");
        }
        assert_eq!(wire.cuts(), round);
        server.command(&["RPUSH", "marked", "1"]);
        while client.answer().is_ok() {}
        assert_eq!((wire.cuts(), server.command(&["LLEN", "marked"]).int()), (round + 1, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_that_comes_in_pieces_is_found() {
    let (server, wire) = wired();
    let long = "x".repeat(100_000);
    wire.cut_next(Cut::AfterRequest, "marker");
    let mut client = open(wire.port());
    for piece in command(&["SET", "a-marker-b", &long]).chunks(17) {
        client.send(piece).expect("sent");
    }
    assert!(client.answer().is_err());
    assert_eq!((server.command(&["STRLEN", "a-marker-b"]).int(), wire.cuts()), (100_000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_wait_for_their_own_markers_and_leave_other_connections_alone() {
    let (_server, wire) = wired();
    let (mut one, mut other) = (open(wire.port()), open(wire.port()));
    wire.cut_next(Cut::BeforeRequest, "red");
    wire.cut_next(Cut::AfterRequest, "blue");
    assert!(one.ask(&["SET", "blue", "1"]).is_err());
    assert_eq!(other.ask(&["GET", "blue"]).expect("goes on"), text("1"));
    assert!(other.ask(&["SET", "red", "1"]).is_err());
    assert_eq!(wire.cuts(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_is_away_refuses_and_drops_and_comes_back() {
    let (server, wire) = wired();
    let mut client = open(wire.port());
    client.ask(&["PING"]).expect("through the wire");
    for round in 0..20 {
        wire.away().await;
        assert!(client.ask(&["PING"]).is_err());
        assert!(Client::open(wire.port(), PATIENCE).is_err(), "nobody listens");
        wire.back();
        client = open(wire.port());
        assert_eq!(client.ask(&["INCR", "rounds"]).expect("back"), Reply::Int(round + 1));
    }
    drop(wire);
    assert_eq!(server.command(&["GET", "rounds"]), text("20"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_wire_holds_everything_back_until_it_flows_again() {
    let (server, wire) = wired();
    let mut old = open(wire.port());
    old.ask(&["PING"]).expect("through the wire");
    wire.stall();
    old.be_patient(MOMENT).expect("a socket");
    let mut new = Client::open(wire.port(), MOMENT).expect("it still accepts");
    assert!(old.ask(&["INCR", "counted"]).is_err() && new.ask(&["INCR", "counted"]).is_err());
    assert_eq!(server.command(&["EXISTS", "counted"]).int(), 0);
    drop(new);
    wire.resume();
    old.be_patient(PATIENCE).expect("a socket");
    assert!(matches!(old.answer().expect("late, but there"), Reply::Int(1 | 2)));
    let deadline = Instant::now() + PATIENCE;
    while server.command(&["GET", "counted"]) != text("2") {
        assert!(Instant::now() < deadline, "the request of a client that gave up arrives, too");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_to_a_killed_redis_drops_and_serves_again_after_its_restart() {
    let (mut server, wire) = wired();
    let mut client = open(wire.port());
    client.ask(&["SET", "kept", "1"]).expect("through the wire");
    server.kill();
    assert!(client.ask(&["GET", "kept"]).is_err());
    assert!(open(wire.port()).ask(&["GET", "kept"]).is_err());
    server.restart();
    assert_eq!(open(wire.port()).ask(&["GET", "kept"]).expect("back"), text("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seed_program_speaks_through_the_wire() {
    let (server, wire) = wired();
    assert_eq!(SeedProgram::on(&wire.url()).run(&["create", "a"]), json!({"created": true}));
    assert_eq!(server.command(&["HGET", "trt:session:a:state", "body_questions_asked"]), text("0"));
}
