//! What is left of a session, and what every call leaves alone.

use std::time::Duration;

use attune::domain::consent::ConsentChange;
use attune::domain::safety::Level;
use attune::domain::session::Event;
use attune::store::Limits;

use crate::redis_server::RedisServer;
use crate::redis_world::Redis;
use crate::world::{Adapter, DAY, Desk, begun, client, is_left, key, limits, reply, used};

use super::field;

/// All keys, but for what belongs to no session.
pub fn left(server: &RedisServer) -> Vec<String> {
    let keys = server.command(&["KEYS", "*"]).texts();
    let is_shared = |key: &String| {
        ["trt:orgs", "trt:protocols", "trt:fingerprint", "trt:events"].contains(&key.as_str())
            || key.starts_with("trt:analytics:")
            || key.ends_with(":sessions:outbox")
    };
    keys.into_iter().filter(|key| !is_shared(key)).collect()
}

async fn a_whole_life(desk: &Desk<'_, Redis>, id: &str) {
    for n in 0..3 {
        let begun = begun(desk.ask(desk.keyed(id, used(n, n))).await);
        let mut commit = desk.commit_of(id, &begun);
        commit.reply = Some((used(n, n), reply("a reply")));
        desk.commit(commit).await;
    }
    desk.create(&format!("{id}-made"), Some(used(9, 9))).await;
    desk.begun(id).await;
    desk.queued(desk.request(id)).await;
}

/// The client's level, and whose the sessions were.
fn assert_remembered(server: &RedisServer) {
    let client = client("c");
    let mut left = left(server);
    left.sort();
    let remembered = [
        format!("client:{}:former", client.as_str()),
        format!("safety:{}", client.as_str()),
        "sessions:clients".to_owned(),
    ];
    assert_eq!(left, remembered.map(|key| format!("trt:{key}")));
}

#[tokio::test]
async fn after_its_ttl_nothing_of_a_session_is_left_but_what_its_clients_safety_needs() {
    let adapter = Redis::open(Limits { rate_limit: 10, ..limits() }).await;
    let desk = Desk::of(&adapter);
    a_whole_life(&desk, "s").await;
    desk.raise("s", Level::Elevated).await;
    assert!(left(&adapter.server).len() > 10);
    adapter.wind(DAY).await;
    while adapter.store().sweep().await.expect("it is there").has_more {}
    assert_remembered(&adapter.server);
}

#[tokio::test]
async fn after_a_delete_nothing_is_left_but_what_its_clients_safety_needs() {
    let adapter = Redis::open(Limits { rate_limit: 10, ..limits() }).await;
    let desk = Desk::of(&adapter);
    a_whole_life(&desk, "s").await;
    desk.raise("s", Level::Elevated).await;
    for id in ["s", "s-made"] {
        let receipt = adapter.store().delete(&key(id)).await.expect("it is there").expect("it stood");
        assert!(receipt.verified, "{id}");
    }
    assert_remembered(&adapter.server);
    desk.turn("t").await;
    desk.transition("t", Event::Clear).await;
    adapter.store().delete(&key("t")).await.expect("it is there").expect("it stood");
    let mut cleared = left(&adapter.server);
    cleared.sort();
    assert_eq!(
        cleared,
        [format!("trt:safety:{}", client("c").as_str()), "trt:sessions:forgettable".to_owned()]
    );
}

#[tokio::test]
async fn the_keys_of_a_session_end_together() {
    let adapter = Redis::open(Limits { rate_limit: 10, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let ends = |what: &str| adapter.server.command(&["PEXPIRETIME", &format!("trt:session:s:{what}")]).int();
    for _ in 0..2 {
        assert_eq!((ends("history"), ends("meta")), (ends("state"), ends("state")));
        adapter.wind(Duration::from_secs(100)).await;
        desk.turn("s").await;
    }
    assert!(is_left(desk.read("s").await.map(|read| read.remaining), DAY));
    let score = adapter.server.command(&["ZSCORE", "trt:sessions:expires", "s"]).text().parse::<i64>();
    assert_eq!(score, Ok(ends("state")));
}

#[tokio::test]
async fn stored_replies_go_with_the_session_when_its_ttl_is_shortened() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    a_whole_life(&desk, "s").await;
    for id in ["s", "s-made"] {
        adapter
            .store()
            .extend(&key(id), Duration::from_secs(60))
            .await
            .expect("it is there")
            .expect("it stands");
    }
    assert!(left(&adapter.server).iter().filter(|key| key.contains("idem:")).count() > 3);
    adapter.wind(Duration::from_secs(61)).await;
    let replies = left(&adapter.server).into_iter().filter(|key| key.contains("idem"));
    assert_eq!(replies.count(), 0);
}

/// As a client with more sessions than are written at once leaves some of them.
#[tokio::test]
async fn a_hold_that_no_clearing_reached_ends_by_the_sweep_and_one_that_no_raise_reached_begins() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["going", "done", "danger"] {
        desk.turn(id).await;
    }
    desk.transition("done", Event::Complete).await;
    let ends = |id: &str| {
        let end = |what: &str| adapter.server.command(&["PTTL", &format!("trt:session:{id}:{what}")]).int();
        ["state", "history", "meta"].map(end)
    };
    for id in ["going", "done"] {
        for what in ["state", "history", "meta"] {
            adapter.server.command(&["PERSIST", &format!("trt:session:{id}:{what}")]);
        }
    }
    let memory = format!("trt:safety:{}", client("d").as_str());
    adapter.server.command(&["HSET", &memory, "level", "crisis", "epoch", "1"]);
    adapter.server.command(&["HSET", "trt:session:danger:state", "client", client("d").as_str()]);
    adapter.wind(DAY - Duration::from_secs(60)).await;
    adapter.store().sweep().await.expect("it is there");
    for id in ["going", "done"] {
        assert!(ends(id).iter().all(|left| *left > 0), "{id}: {:?}", ends(id));
        assert!(is_left(desk.read(id).await.map(|read| read.remaining), DAY));
    }
    assert_eq!(ends("danger"), [-1; 3]);
}

/// As a program leaves it that knows of the state alone.
#[tokio::test]
async fn what_was_left_of_an_earlier_session_of_the_id_is_not_the_next_ones() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    for _ in 0..2 {
        desk.turn("s").await;
        adapter.server.command(&["DEL", "trt:session:s:state"]);
    }
    desk.turn("s").await;
    assert_eq!(desk.turns("s").await, [1]);
    adapter.server.command(&["DEL", "trt:session:s:state"]);
    desk.create("s", None).await;
    assert!(desk.turns("s").await.is_empty());
}

#[tokio::test]
async fn a_session_from_before_there_was_consent_reads_without_one_and_takes_one() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let state = "trt:session:s:state";
    let memory = adapter.server.command(&["HGET", state, "memory"]).text().to_owned();
    let mut memory: serde_json::Value = serde_json::from_str(&memory).expect("JSON");
    let fields = memory.as_object_mut().expect("an object");
    assert_eq!(fields.remove("consent"), Some(serde_json::Value::Null));
    adapter.server.command(&["HSET", state, "memory", &memory.to_string()]);
    assert_eq!(desk.session("s").await.consent, None);
    let given = ConsentChange::Give { version: "1".to_owned(), hash: "ab".to_owned() };
    adapter.store().consent(&key("s"), given).await.expect("it is there");
    assert!(desk.session("s").await.consent.is_some());
    desk.turn("s").await;
    assert!(desk.session("s").await.consent.is_some());
}

#[tokio::test]
async fn no_call_looks_through_all_keys_and_a_page_is_one_round_trip() {
    let adapter = Redis::open(limits()).await;
    let desk = Desk::of(&adapter);
    a_whole_life(&desk, "s").await;
    for n in 0..150 {
        desk.create(&format!("s{n}"), None).await;
    }
    adapter.store().sweep().await.expect("it is there");
    adapter.store().list(attune::store::ListQuery::of(key("s").org, 100)).await.expect("it is there");
    let reads = || field(adapter.server.command(&["INFO", "stats"]).text(), "total_reads_processed:");
    let (mut looking, mut fewest) = (u64::MAX, u64::MAX);
    // The store's own tasks speak now and then too: the fewest are the page's own.
    for _ in 0..10 {
        let before = reads();
        looking = looking.min(reads() - before);
        let before = reads();
        let page = adapter.store().list(attune::store::ListQuery::of(key("s").org, 100)).await;
        assert_eq!(page.expect("it is there").rows.len(), 100);
        fewest = fewest.min(reads() - before);
    }
    assert_eq!(fewest - looking, 1);
    let answer = adapter.server.command(&["INFO", "commandstats"]);
    let calls = answer.text();
    for banned in ["cmdstat_keys", "cmdstat_scan", "cmdstat_hscan", "cmdstat_sscan", "cmdstat_zscan"] {
        assert!(!calls.contains(banned), "{banned}");
    }
}
