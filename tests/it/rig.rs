//! The rig of the Redis tests itself: a clock that obeys, a server that dies and returns, a wire that breaks where told.

use std::time::{Duration, Instant};

use attune::domain::time::Timestamp;
use serde_json::json;

use crate::redis_server::RedisServer;
use crate::resp::{Client, Reply, command};
use crate::seed_program::SeedProgram;
use crate::wire::{Cut, Wire};
use crate::world::{DAY, HOUR, PATIENCE, START};

const MILLI: Duration = Duration::from_millis(1);
const MICRO: Duration = Duration::from_micros(1);
/// How long nothing must come, where nothing may.
const MOMENT: Duration = Duration::from_millis(50);
const TIME_IN_SCRIPT: [&str; 3] = ["EVAL", "return redis.call('TIME')", "0"];

fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

fn time_of(reply: &Reply) -> Timestamp {
    let parts: Vec<i64> = reply.texts().iter().map(|part| part.parse().expect("a number")).collect();
    Timestamp::from_micros(parts[0] * 1_000_000 + parts[1])
}

fn open(port: u16) -> Client {
    Client::open(port, PATIENCE).expect("it listens")
}

#[test]
fn a_killed_redis_comes_back_on_its_port_with_all_that_it_acknowledged() {
    let mut server = RedisServer::start();
    let url = server.url();
    for number in 0..100 {
        server.command(&["RPUSH", "list", &number.to_string()]);
    }
    server.command(&["HSET", "hash", "field", "value"]);
    server.kill();
    assert!(server.try_command(&["PING"], PATIENCE).is_err());
    server.restart();
    assert_eq!(server.url(), url);
    assert_eq!(server.command(&["LLEN", "list"]).int(), 100);
    assert_eq!(server.command(&["HGETALL", "hash"]).fields()["field"], "value");
}

#[test]
fn a_frozen_redis_takes_bytes_and_answers_when_it_thaws() {
    let server = RedisServer::start();
    let mut client = Client::open(server.port(), MOMENT).expect("it listens");
    server.freeze();
    assert!(client.ask(&["INCR", "counted"]).is_err(), "nobody answers");
    assert!(server.try_command(&["PING"], MOMENT).is_err(), "nor on a new connection");
    server.thaw();
    assert_eq!(server.command(&["PING"]), text("PONG"));
    assert_eq!(client.answer().expect("late, but there"), Reply::Int(1));
}

#[test]
fn a_frozen_redis_can_be_killed_and_started_again() {
    let mut server = RedisServer::start();
    server.command(&["SET", "kept", "1"]);
    server.freeze();
    server.restart();
    assert_eq!(server.command(&["GET", "kept"]), text("1"));
}

#[test]
fn a_server_of_the_machines_clock_shows_the_machines_time() {
    let server = RedisServer::start();
    let before = server.now();
    let shown = time_of(&server.command(&["TIME"]));
    assert!(before <= shown && shown <= server.now());
}

#[test]
fn a_wound_clock_stands_still_and_shows_each_time_exactly_also_in_scripts() {
    let server = RedisServer::with_clock(START.plus(Duration::from_micros(7)));
    let mut client = open(server.port());
    for by in [Duration::ZERO, MICRO, MILLI, MICRO * 999, HOUR, DAY * 100, MILLI, Duration::new(1, 999)] {
        server.wind(by);
        for _ in 0..20 {
            assert_eq!(time_of(&client.ask(&["TIME"]).expect("an answer")), server.now());
            assert_eq!(time_of(&client.ask(&TIME_IN_SCRIPT).expect("an answer")), server.now());
        }
    }
    let wound = DAY * 100 + HOUR + MILLI * 2 + MICRO * 1000 + Duration::new(1, 999);
    assert_eq!(server.now(), START.plus(Duration::from_micros(7) + wound - Duration::from_nanos(999)));
}

#[test]
fn the_very_next_command_sees_the_clock_wound_a_thousand_times() {
    let server = RedisServer::with_clock(START);
    let mut client = open(server.port());
    client.ask(&["SET", "key", "value", "PX", "1000"]).expect("an answer");
    for left in (0..1000).rev() {
        server.wind(MILLI);
        assert_eq!(client.ask(&["PTTL", "key"]).expect("an answer"), Reply::Int(left));
    }
    server.wind(MILLI);
    assert_eq!(client.ask(&["PTTL", "key"]).expect("an answer"), Reply::Int(-2));
}

#[test]
fn a_key_stands_through_the_millisecond_of_its_expiry_and_is_gone_in_the_next() {
    let server = RedisServer::with_clock(START);
    let exists = ["EVAL", "return redis.call('EXISTS', KEYS[1])", "1", "key"];
    server.command(&["SET", "key", "value"]);
    server.command(&["PEXPIRE", "key", "1000"]);
    for (by, left, there) in [(999, 1, 1), (1, 0, 1), (1, -2, 0)] {
        server.wind(MILLI * by);
        assert_eq!(server.command(&["PTTL", "key"]).int(), left);
        assert_eq!(server.command(&exists).int(), there);
    }
}

#[test]
fn the_servers_cron_clears_expired_keys_away_while_the_clock_stands() {
    let server = RedisServer::with_clock(START);
    for number in 0..100 {
        server.command(&["SET", &format!("key:{number}"), "value", "EX", "60"]);
    }
    assert_eq!(server.command(&["KEYS", "key:*"]).texts().len(), 100);
    server.wind(DAY);
    let deadline = Instant::now() + PATIENCE;
    while server.command(&["DBSIZE"]).int() > 0 {
        assert!(Instant::now() < deadline, "the cron stands, too");
    }
}

#[test]
fn time_passes_for_a_killed_redis_and_its_keys_expire_by_the_wound_clock() {
    let mut server = RedisServer::with_clock(START);
    server.command(&["SET", "short", "value", "EX", "60"]);
    server.command(&["SET", "long", "value", "EX", "7200"]);
    server.kill();
    server.wind(HOUR);
    server.restart();
    assert_eq!(time_of(&server.command(&["TIME"])), START.plus(HOUR));
    assert_eq!(server.command(&["GET", "short"]), Reply::Nil);
    assert_eq!(server.command(&["PTTL", "long"]).int(), 3_600_000);
}

#[test]
fn ten_thousand_commands_on_a_standing_clock_take_no_time_worth_telling() {
    let server = RedisServer::with_clock(START);
    let mut client = open(server.port());
    let begun = Instant::now();
    let all: Vec<u8> = (0..10_000).flat_map(|n| command(&["SET", &format!("key:{n}"), "value"])).collect();
    client.send(&all).expect("sent");
    for _ in 0..10_000 {
        assert_eq!(client.answer().expect("an answer"), text("OK"));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn servers_and_their_clocks_do_not_see_each_other() {
    let (one, other) = (RedisServer::with_clock(START), RedisServer::with_clock(START.plus(DAY)));
    one.command(&["SET", "key", "value"]);
    one.wind(HOUR);
    assert_eq!(other.command(&["EXISTS", "key"]).int(), 0);
    assert_eq!(time_of(&other.command(&["TIME"])), START.plus(DAY));
}

#[test]
fn no_beginning_of_an_answer_is_taken_for_all_of_it() {
    let whole = b"*4\r\n$5\r\na\r\nbc\r\n:-7\r\n*-1\r\n%1\r\n+k\r\n$-1\r\n";
    for end in 0..whole.len() {
        assert_eq!(Reply::parse(&whole[..end]), None, "{end}");
    }
    let map = Reply::List(vec![text("k"), Reply::Nil]);
    let items = vec![text("a\r\nbc"), Reply::Int(-7), Reply::Nil, map];
    assert_eq!(Reply::parse(whole), Some((Reply::List(items), whole.len())));
    assert_eq!(Reply::parse(b"-ERR no\r\n+next\r\n"), Some((Reply::Error("ERR no".to_owned()), 9)));
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
    let mut old = Client::open(wire.port(), MOMENT).expect("it listens");
    old.ask(&["PING"]).expect("through the wire");
    wire.stall();
    let mut new = Client::open(wire.port(), MOMENT).expect("it still accepts");
    assert!(old.ask(&["INCR", "counted"]).is_err() && new.ask(&["INCR", "counted"]).is_err());
    assert_eq!(server.command(&["EXISTS", "counted"]).int(), 0);
    drop(new);
    wire.resume();
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

fn seed(server: &RedisServer) -> SeedProgram {
    SeedProgram::on(&server.url()).at(server.now())
}

#[test]
fn the_seed_program_reads_what_it_wrote_in_the_keys_that_it_always_had() {
    let server = RedisServer::with_clock(START);
    let program = seed(&server);
    assert_eq!(program.run(&["create", "a"]), json!({"created": true}));
    assert_eq!(program.run(&["create", "a"]), json!({"created": false}));
    let completion = json!({"goal_stated": true, "vision_accepted": false});
    let change =
        ["--substate", "1.2_problem_and_body", "--body", "2", "--completion", &completion.to_string()];
    let written = program.run(&[&["write", "a", "--turns", "3", "--lock"], &change[..]].concat());
    assert_eq!(written, json!({"written": 3, "locked_out": false}));
    let read = program.run(&["read", "a"]);
    let state = &read["state"];
    assert_eq!(state["stage_1_completion"], completion);
    assert_eq!((&state["body_questions_asked"], &state["current_stage"]), (&json!(2), &json!("stage_1")));
    assert_eq!(state["last_interaction"], "2026-09-21T14:13:20");
    assert_eq!((&read["meta"]["created_via"], &read["listed"]), (&json!("input_endpoint"), &json!(true)));
    let fields = ["client_input", "navigation_decision", "therapist_response", "timestamp"];
    assert!(read["history"].as_array().is_some_and(|turns| turns.len() == 3));
    assert!(read["history"][0].as_object().is_some_and(|turn| turn.keys().eq(fields)));
    assert_keys_of_the_seed(&server);
    let listed = program.run(&["list"]);
    assert_eq!((&listed["total_sessions"], &listed["sessions"][0]["session_id"]), (&json!(1), &json!("a")));
    program.run(&["delete", "a"]);
    assert_eq!(program.run(&["read", "a"])["state"], json!(null));
    assert_eq!(program.run(&["list"])["total_sessions"], 0);
}

fn assert_keys_of_the_seed(server: &RedisServer) {
    let minute = format!("trt:ratelimit:a:{}", START.millis() / 60_000);
    let mut expected = [
        ("trt:active_sessions", -1),
        ("trt:analytics:daily:2026-09-21", 30 * 86_400),
        (&minute, 60),
        ("trt:session:a:history", 86_400),
        ("trt:session:a:meta", -1),
        ("trt:session:a:state", 86_400),
    ];
    expected.sort_unstable();
    let mut keys = server.command(&["KEYS", "*"]).texts();
    keys.sort_unstable();
    let found: Vec<(&str, i64)> =
        keys.iter().map(|key| (key.as_str(), server.command(&["TTL", key]).int())).collect();
    assert_eq!(found, expected);
    let score = server.command(&["ZSCORE", "trt:active_sessions", "a"]);
    assert_eq!(score.text(), (START.millis() / 1000).to_string());
}

#[test]
fn the_seed_program_loses_no_write_under_its_lock_and_waits_for_a_lock_in_vain() {
    let server = RedisServer::start();
    let hammer = || SeedProgram::on(&server.url()).run(&["hammer", "a", "--count", "25", "--lock"]);
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..2).map(|_| scope.spawn(hammer)).collect();
        for hand in hands {
            assert_eq!(hand.join().expect("no panic")["written"], 25);
        }
    });
    let program = SeedProgram::on(&server.url());
    assert_eq!(program.run(&["read", "a"])["state"]["body_questions_asked"], 50);
    server.command(&["SET", "trt:lock:a", "somebody"]);
    assert_eq!(program.run(&["write", "a", "--lock"]), json!({"written": 0, "locked_out": true}));
    assert_eq!(program.run(&["write", "a"]), json!({"written": 1, "locked_out": false}), "it need not ask");
}
