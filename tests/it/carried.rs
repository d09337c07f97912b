//! Conversations that are carried from server to server and over restarts decide as those of one process.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::clients;
use crate::redis_server::RedisServer;
use crate::server::{Server, start};

const CONVERSATIONS: u64 = 1_000;
const TURNS: u64 = 14;
/// Conversations that go on at the same time: so few that no store is waited for so long that danger is answered without
/// it.
const AT_ONCE: usize = 4;
/// What is said among harmless things, so that danger is carried along too.
const GRAVE: [&str; 3] = ["I don't want to be here anymore", "I keep thinking about suicide", "no"];

/// A number out of two, the same in each run.
fn drawn(conversation: u64, turn: u64) -> u64 {
    let mut seed =
        conversation.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ turn.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    seed = (seed ^ (seed >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

/// What is said in a conversation: mostly one client's lines for the step that it would be at, and others' between.
fn line(lines: &[String], conversation: u64, turn: u64) -> &str {
    let number = drawn(conversation, turn);
    if number.is_multiple_of(37) {
        return GRAVE[usize::try_from(number % 3).expect("small")];
    }
    let count = u64::try_from(lines.len()).expect("small");
    &lines[usize::try_from((number >> 8) % count).expect("small")]
}

/// The turns `from..to` of every conversation, each on the server that `of` names.
async fn talk<'s>(lines: &[String], (from, to): (u64, u64), of: impl Fn(u64, u64) -> &'s Server + Copy) {
    let conversations = stream::iter(0..CONVERSATIONS).map(|conversation| async move {
        for turn in from..to {
            let text = line(lines, conversation, turn);
            let answer = of(conversation, turn).input(&name_of(conversation), text).await;
            assert_eq!(
                answer.status,
                200,
                "conversation {conversation}, turn {turn}: {text:?} {}",
                answer.json()
            );
        }
    });
    conversations.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

fn name_of(conversation: u64) -> String {
    format!("s{conversation}")
}

/// All that was decided in a conversation and all that it has come to, but for words, times and the store's name.
async fn decided(server: &Server, conversation: u64) -> Value {
    let of_exchange = |exchange: &Value| {
        let fields =
            ["turn", "navigation_decision", "rag_query", "current_substate", "safety_level", "responder"];
        json!(fields.map(|field| exchange[field].clone()))
    };
    let history: Vec<Value> = server.history(&name_of(conversation)).await.iter().map(of_exchange).collect();
    let session = server.session(&name_of(conversation)).await;
    let fields =
        ["status", "step", "turn_count", "safety_level", "completion_criteria", "body_question_count"];
    json!([history, fields.map(|field| session[field].clone())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carried_by_two_servers_and_over_a_restart_a_session_decides_as_in_one_process() {
    let lines = Arc::new(clients::lines());
    let alone = Server::start().await;
    let redis = RedisServer::with_clock(start());
    let first = Server::with(&[("REDIS_URL", &redis.url()), ("LOCK_WAIT_MS", "60000")]).await;
    let second = first.another().await;
    let either = |conversation: u64, turn: u64| {
        if drawn(turn, conversation).is_multiple_of(2) { &first } else { &second }
    };
    let half = TURNS / 2;
    talk(&lines, (0, half), either).await;
    let (first, second) = (first.restart().await, second.restart().await);
    let either = |conversation: u64, turn: u64| {
        if drawn(turn, conversation).is_multiple_of(2) { &first } else { &second }
    };
    talk(&lines, (half, TURNS), either).await;
    talk(&lines, (0, TURNS), |_, _| &alone).await;
    let mut paused = 0;
    for conversation in 0..CONVERSATIONS {
        let together = decided(&alone, conversation).await;
        assert_eq!(
            decided(either(conversation, 0), conversation).await,
            together,
            "conversation {conversation}"
        );
        paused += u32::from(together[1][0] == "paused");
    }
    assert!(paused > 20, "danger is carried along, too");
}
