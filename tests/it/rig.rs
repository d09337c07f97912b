//! The rig of the Redis tests itself: a clock that obeys, a server that dies and returns, a program from before.

use std::time::{Duration, Instant};

use attune::domain::time::Timestamp;
use serde_json::json;

use crate::redis_server::RedisServer;
use crate::resp::{Client, Reply, command};
use crate::seed_program::SeedProgram;
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
    let mut client = open(server.port());
    server.freeze();
    client.be_patient(MOMENT).expect("a socket");
    assert!(client.ask(&["INCR", "counted"]).is_err(), "nobody answers");
    assert!(server.try_command(&["PING"], MOMENT).is_err(), "nor on a new connection");
    server.thaw();
    client.be_patient(PATIENCE).expect("a socket");
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
