//! Chats in Redis: several servers, other programs, spoiled data, lost answers.

use std::collections::BTreeSet;
use std::time::Duration;

use attune::domain::id::OrgId;
use attune::domain::time::Timestamp;
use attune::store::{Chats as _, Heard};
use serde_json::{Value, json};

use crate::redis_server::RedisServer;
use crate::redis_world::{Redis, server_on};
use crate::store_contract::chats::{contents, say, saying, until_heard, words};
use crate::wire::{Cut, Wire};
use crate::world::{Adapter, DAY, HOUR, key, limits};

use super::wall_clock;

const KEYS: [&str; 4] = ["session:s", "session:s:messages", "session:s:count", "session:s:about"];

fn envelope(server: &RedisServer) -> Value {
    let text = server.command(&["GET", "session:s"]);
    serde_json::from_str(text.text()).expect("it is JSON")
}

#[tokio::test]
async fn a_chat_lies_in_the_keys_that_other_programs_know_and_all_end_together() {
    let redis = Redis::open(limits()).await;
    say(redis.store(), "s", "hello \"you\"").await;
    redis.wind(HOUR / 2).await;
    say(redis.store(), "s", "again").await;
    let now = redis.server.now().since(Timestamp::default()).as_secs_f64();
    let created = 1_790_000_000.0;
    let expected = json!({"data": {"count": 2, "last_activity": now}, "created_at": created, "ttl": 3600});
    let stored = envelope(&redis.server);
    assert_eq!(stored["data"]["count"], expected["data"]["count"]);
    assert_eq!(stored["ttl"], 3600);
    assert!((stored["data"]["last_activity"].as_f64().expect("a number") - now).abs() < 0.01, "{stored}");
    assert!((stored["created_at"].as_f64().expect("a number") - created).abs() < 0.01, "{stored}");
    let message = redis.server.command(&["LINDEX", "session:s:messages", "0"]);
    let message: Value = serde_json::from_str(message.text()).expect("it is JSON");
    assert_eq!(
        message,
        json!({"content": "hello \"you\"", "isSent": true, "sessionId": "s", "timestamp": 1_790_000_000_000_i64})
    );
    assert_eq!(redis.server.command(&["GET", "session:s:count"]).text(), "2");
    let ends: BTreeSet<i64> =
        KEYS.iter().map(|key| redis.server.command(&["PEXPIRETIME", key]).int()).collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    redis.store().extend_chat(&key("s"), DAY).await.expect("extended");
    say(redis.store(), "s", "and again").await;
    let ends: BTreeSet<i64> =
        KEYS.iter().map(|key| redis.server.command(&["PEXPIRETIME", key]).int()).collect();
    assert_eq!(ends, BTreeSet::from([redis.server.now().plus(DAY).millis()]));
    assert_eq!(envelope(&redis.server)["ttl"], 86_400);
}

#[tokio::test]
async fn a_removed_or_ended_chat_leaves_no_key() {
    let redis = Redis::open(limits()).await;
    say(redis.store(), "s", "one").await;
    redis.server.command(&["SET", "session:t", "spoiled", "EX", "60"]);
    say(redis.store(), "t", "one").await;
    for id in ["s", "t"] {
        assert_eq!(redis.store().delete_chat(&key(id)).await, Ok(true));
    }
    assert_eq!(redis.server.command(&["KEYS", "*session:*"]).texts(), Vec::<String>::new());
    assert_eq!(redis.server.command(&["ZCARD", "trt:chats"]).int(), 0);
    say(redis.store(), "s", "one").await;
    redis.wind(HOUR).await;
    redis.store().sweep().await.expect("swept");
    assert_eq!(redis.server.command(&["KEYS", "*session:*"]).texts(), Vec::<String>::new());
    assert_eq!(redis.server.command(&["ZCARD", "trt:chats"]).int(), 0);
}

#[tokio::test]
async fn fifty_at_once_through_two_servers_get_fifty_numbers() {
    let redis = Redis::open(limits()).await;
    let other = redis.another_server();
    let through = |number| if number % 2 == 0 { redis.store() } else { &other as &dyn attune::store::Store };
    let all =
        futures_util::future::join_all((0..50).map(|number| say(through(number), "s", "at once"))).await;
    assert_eq!(BTreeSet::from_iter(all), (1..=50).collect());
    assert_eq!(contents(&other, "s").await.map(|contents| contents.len()), Some(50));
}

#[tokio::test]
async fn another_programs_chat_is_taken_up_where_it_stands() {
    let redis = Redis::open(limits()).await;
    let theirs = |count: u64, ttl: u64| {
        let text = json!({
            "data": {"count": count, "last_activity": 1_789_999_000.5}, "created_at": 1_789_990_000.0, "ttl": ttl
        });
        redis.server.command(&["SET", "session:s", &text.to_string(), "EX", &ttl.to_string()]);
    };
    theirs(5, 7_200);
    let (chat, remaining) = redis.store().chat(&key("s")).await.expect("read").expect("it stands");
    assert_eq!((chat.count, chat.ttl, chat.created_at.millis()), (5, HOUR * 2, 1_789_990_000_000));
    assert!(crate::world::is_left(Some(remaining), HOUR * 2));
    assert_eq!(say(redis.store(), "s", "on").await, 6);
    let stored = envelope(&redis.server);
    assert_eq!((&stored["created_at"], &stored["ttl"]), (&json!(1_789_990_000.0), &json!(7_200)));
    // It writes again, as it does on each of its own messages.
    theirs(9, 60);
    assert_eq!(say(redis.store(), "s", "on").await, 10);
    theirs(3, 60);
    assert_eq!(say(redis.store(), "s", "on").await, 11, "no number comes twice");
    assert_eq!(redis.server.command(&["TTL", "session:s"]).int(), 60);
    // It removes it.
    redis.server.command(&["DEL", "session:s"]);
    assert_eq!(say(redis.store(), "s", "anew").await, 1);
    assert_eq!(
        contents(redis.store(), "s").await,
        Some(vec!["anew".to_owned()]),
        "the transcript went with it"
    );
    assert_eq!(redis.store().set_aside(), 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_set_aside_and_the_chat_begins_from_nothing() {
    let redis = Redis::open(limits()).await;
    say(redis.store(), "s", "one").await;
    redis.server.command(&["SET", "session:s", "spoiled", "EX", "600"]);
    let (chat, remaining) = redis.store().chat(&key("s")).await.expect("read").expect("it begins again");
    assert_eq!(chat.count, 0);
    assert!(crate::world::is_left(Some(remaining), Duration::from_secs(600)), "{remaining:?}");
    assert_eq!(redis.server.command(&["GET", "session:s:unreadable"]).text(), "spoiled");
    assert_eq!(redis.server.command(&["TTL", "session:s:unreadable"]).int(), 600);
    assert_eq!(say(redis.store(), "s", "two").await, 1);
    assert_eq!(redis.store().set_aside(), 1);
    // A value of another kind, and without an end; and messages that are none.
    redis.server.command(&["DEL", "session:s", "session:s:messages"]);
    redis.server.command(&["RPUSH", "session:s", "a", "b"]);
    redis.server.command(&["SET", "session:s:messages", "c"]);
    assert_eq!(say(redis.store(), "s", "three").await, 1);
    assert_eq!(redis.store().set_aside(), 3);
    assert_eq!(redis.server.command(&["LLEN", "session:s:unreadable"]).int(), 2);
    assert_eq!(redis.server.command(&["GET", "session:s:unreadable_messages"]).text(), "c");
    assert!(redis.server.command(&["TTL", "session:s:unreadable"]).int() > 0, "nothing is kept for ever");
    assert_eq!(contents(redis.store(), "s").await, Some(vec!["three".to_owned()]));
}

#[tokio::test]
async fn what_another_program_wrote_into_the_messages_is_read_or_passed_over() {
    let redis = Redis::open(limits()).await;
    say(redis.store(), "s", "one").await;
    redis.server.command(&["RPUSH", "session:s:messages", "nonsense"]);
    let theirs =
        json!({"content": "theirs", "timestamp": 1_790_000_001_000_i64, "isSent": false, "sessionId": "s"});
    redis.server.command(&["RPUSH", "session:s:messages", &theirs.to_string()]);
    assert_eq!(contents(redis.store(), "s").await, Some(vec!["one".to_owned(), "theirs".to_owned()]));
}

#[tokio::test]
async fn what_is_said_on_one_server_is_heard_on_another_once_and_here_once() {
    let redis = Redis::open(limits()).await;
    let other = redis.another_server();
    let (mut here, mut there) = (redis.store().hear(&key("s")), other.hear(&key("s")));
    until_heard(async || redis.store().tell(&key("s"), Heard::Removed).await.expect("told"), &mut there)
        .await;
    while there.heard.try_recv().is_ok() {}
    while here.heard.try_recv().is_ok() {}
    say(redis.store(), "s", "hello").await;
    say(&other, "s", "hello back").await;
    for hearing in [&mut here, &mut there] {
        let mut counts = Vec::new();
        while counts.len() < 2 {
            match &*hearing.heard.recv().await.expect("told") {
                Heard::Message { count, message, connection } => {
                    assert_eq!((*connection, message.at.millis() >= 1_790_000_000_000), (7, true));
                    counts.push((*count, message.content.clone()));
                }
                Heard::Removed => {}
                Heard::Turn { .. } | Heard::Broadcast(_) => panic!("nobody said so"),
            }
        }
        counts.sort();
        assert_eq!(counts, [(1, "hello".to_owned()), (2, "hello back".to_owned())]);
    }
    // In order over one channel: had anything come twice, it would stand in front of this.
    other.tell(&key("s"), Heard::Removed).await.expect("told");
    assert!(matches!(*here.heard.recv().await.expect("told"), Heard::Removed));
    let broadcast = words("to all", redis.now());
    redis.store().broadcast(&OrgId::default(), broadcast).await.expect("told");
    assert!(matches!(&*here.heard.recv().await.expect("told"), Heard::Broadcast(_)));
    loop {
        match &*there.heard.recv().await.expect("told") {
            Heard::Broadcast(_) => break,
            Heard::Removed => {}
            Heard::Message { .. } | Heard::Turn { .. } => panic!("it came twice"),
        }
    }
}

#[tokio::test]
async fn hearing_goes_on_when_redis_went_away_and_came_back() {
    let mut redis = Redis::open(limits()).await;
    let other = redis.another_server();
    let mut there = other.hear(&key("s"));
    until_heard(async || redis.store().tell(&key("s"), Heard::Removed).await.expect("told"), &mut there)
        .await;
    redis.server.kill();
    redis.server.restart();
    let store = redis.store();
    until_heard(async || drop(store.tell(&key("s"), Heard::Removed).await), &mut there).await;
    let channels = || redis.server.command(&["PUBSUB", "CHANNELS", "trt:heard:*"]).texts().len();
    assert_eq!(channels(), 2);
    drop(there);
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    while channels() > 0 {
        assert!(tokio::time::Instant::now() < deadline, "nobody hears, and the server still does");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_counts_once() {
    let server = RedisServer::start();
    let wire = Wire::to(server.port());
    let store = server_on(&wire.url(), &limits(), &wall_clock());
    assert_eq!(say(&store, "s", "the script is known").await, 1);
    for number in 2..=51 {
        wire.cut_next(Cut::AfterRequest, format!("line {number}"));
        assert_eq!(say(&store, "s", &format!("line {number}")).await, number);
    }
    assert_eq!(wire.cuts(), 50);
    assert_eq!(contents(&store, "s").await.map(|contents| contents.len()), Some(51));
    wire.cut_next(Cut::AfterRequest, "EVALSHA");
    assert_eq!(store.delete_chat(&key("s")).await, Ok(true), "it is told that it went");
}

#[tokio::test]
async fn a_broadcast_whose_answers_are_lost_is_kept_once_in_each_chat() {
    let server = RedisServer::start();
    let wire = Wire::to(server.port());
    let store = server_on(&wire.url(), &limits(), &wall_clock());
    for number in 0..250 {
        say(&store, &format!("s{number}"), "hello").await;
    }
    store.broadcast(&OrgId::default(), words("the script is known", wall_now())).await.expect("told");
    for _ in 0..3 {
        // Stands in what the scripts are given alone.
        wire.cut_next(Cut::AfterRequest, "isBroadcast");
    }
    let kept = store.broadcast(&OrgId::default(), words("once in each", wall_now())).await;
    assert_eq!((kept, wire.cuts()), (Ok(250), 3));
    for number in [0, 120, 249] {
        let kept = contents(&store, &format!("s{number}")).await.expect("it stands");
        assert_eq!(kept, ["hello", "the script is known", "once in each"]);
    }
}

fn wall_now() -> Timestamp {
    attune::clock::Clock::now(&attune::clock::SystemClock)
}

#[tokio::test]
async fn a_message_is_refused_and_counted_nowhere_while_redis_is_away() {
    let mut redis = Redis::open(limits()).await;
    say(redis.store(), "s", "one").await;
    redis.server.kill();
    assert!(redis.store().say(saying("s", "lost")).await.is_err());
    assert!(redis.store().chat(&key("s")).await.is_err(), "away is not gone");
    redis.server.restart();
    let deadline = tokio::time::Instant::now() + crate::world::PATIENCE;
    let count = loop {
        match redis.store().say(saying("s", "two")).await {
            Ok(count) => break count,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(count >= 2);
}
