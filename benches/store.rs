//! The embedded store beside the floor that its engine sets, in the same run on the same machine.
//!
//! `cargo bench --bench store`; `STORE_BENCH_SECONDS` sets how long each part runs.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::disallowed_methods, reason = "a measurement")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use attune::clock::{Clock, Entropy, SystemClock};
use attune::domain::exchange::{Exchange, Responder};
use attune::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use attune::domain::protocol::{Place, ProtocolRef};
use attune::domain::safety::Level;
use attune::domain::session::{Opening, Session, Status};
use attune::domain::time::Timestamp;
use attune::store::embedded::{EmbeddedStore, OpenOptions};
use attune::store::{
    Begin, BeginId, Commit, Committed, Counter, Create, Created, Gate, Idempotency, Lane, Limits, ListQuery,
    Store,
};
use fjall::{Database, KeyspaceCreateOptions, PersistMode};

const TASKS: u64 = 64;
/// Sessions per task that the store keeps in memory between turns, and more than it does.
const HOT: u64 = 50;
const COLD: u64 = 200;
const SESSIONS: u64 = 100_000;
const PAGES: usize = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let seconds = std::env::var("STORE_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let span = Duration::from_secs(seconds);
    let (mut ours, mut cold, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        ours.push(runtime.block_on(turns_a_second(HOT, span)));
        cold.push(runtime.block_on(turns_a_second(COLD, span)));
        floors.push(floor_a_second(span));
    }
    let (ours, floor) = (median(ours), median(floors));
    println!("begin + commit, {TASKS} tasks: {ours:.0} turns/s");
    println!("the same, sessions that have left memory: {:.0} turns/s", median(cold));
    println!("bare engine, same bytes, groups of {TASKS}: {floor:.0} turns/s");
    println!("ratio: {:.2}", ours / floor);
    runtime.block_on(lists());
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn options() -> OpenOptions {
    let day = Duration::from_hours(24);
    let limits = Limits {
        session_ttl: day,
        session_max_age: day * 30,
        session_idle: None,
        history_max: 50,
        recent_max: 10,
        rate_limit: 1_000_000,
        rate_window: Duration::from_millis(50),
        danger_limit: 60,
        lease_ttl: Duration::from_secs(10),
        claim_ttl: Duration::from_secs(1),
        lease_wait: Duration::from_secs(5),
        queue_max: 100,
        count_max: 15_000,
        idempotency_ttl: day,
        alert_ttl: day * 30,
        memory_ttl: day * 30,
        daily_ttl: day * 30,
        events_ttl: day,
        events_max: 100_000,
    };
    OpenOptions {
        limits,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(Entropy::system()),
        secret_fingerprint: [0; 16],
        cache_bytes: 64 << 20,
    }
}

fn open(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory, options()).expect("it opens")
}

fn key(number: u64) -> SessionKey {
    SessionKey::new(OrgId::default(), SessionId::parse(format!("session-{number}")).expect("an id"))
}

/// About 2 KB as it is stored.
fn opening(key: &SessionKey, now: Timestamp) -> Session {
    let facts = (0..8).map(|n| (format!("fact-{n}"), "x".repeat(150))).collect();
    let place = Place {
        protocol: ProtocolRef { id: "trt-stage-1".to_owned(), hash: "0123456789abcdef".to_owned() },
        step: "goal".to_owned(),
        counters: BTreeMap::new(),
        flags: std::collections::BTreeSet::new(),
        facts,
        said: BTreeMap::new(),
    };
    Session::open(Opening {
        id: key.id.clone(),
        client_id: None,
        client: ClientKey::from_mac(key.id.as_str().as_bytes()),
        place,
        ttl: Duration::from_hours(24),
        meta: BTreeMap::new(),
        now,
    })
}

/// About 1 KB.
fn exchange(turn: u32, now: Timestamp) -> Exchange {
    Exchange {
        was_turn: None,
        turn,
        timestamp: now,
        client_input: "y".repeat(300),
        therapist_response: "z".repeat(400),
        navigation_decision: "clarify_goal".to_owned(),
        rag_query: Some("dr_q_goal_clarification".to_owned()),
        current_substate: "1.1_goal_and_vision".to_owned(),
        safety_level: Level::None,
        responder: Responder::Model,
        told: None,
    }
}

/// Each task walks over `each` sessions of its own.
async fn turns_a_second(each: u64, span: Duration) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(open(directory.path()));
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tasks.spawn(async move {
            for n in 0.. {
                turn(&*store, &key(task * 1_000 + n % each), n).await;
                done.fetch_add(1, Ordering::Relaxed);
                if start.elapsed() >= span {
                    break;
                }
            }
        });
    }
    tasks.join_all().await;
    per_second(done.load(Ordering::Relaxed), start.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

async fn turn(store: &dyn Store, key: &SessionKey, number: u64) {
    let now = SystemClock.now();
    let idempotency = Idempotency { key: u128::from(number).to_be_bytes(), body: [0; 16] };
    let request = Begin {
        id: BeginId(u128::from(number)),
        session: key.clone(),
        client: ClientKey::from_mac(key.id.as_str().as_bytes()),
        predecessor: None,
        lane: Lane::Ordinary,
        idempotency: None,
    };
    let Gate::Begun(begun) = store.begin(request).await.expect("it is there") else { panic!("not begun") };
    let stored = begun.session.as_ref();
    let mut session = stored.map_or_else(|| opening(key, now), |session| Session::clone(session));
    let base_revision = session.revision;
    session.turn_count += 1;
    session.last_interaction = now;
    // Every tenth comes with a key.
    let reply = number.is_multiple_of(10).then(|| (idempotency, Arc::from(vec![b'r'; 2_000])));
    let commit = Commit {
        key: key.clone(),
        lease: begun.lease,
        base_revision,
        decided_under: Level::None,
        why: Vec::new(),
        exchange: exchange(session.turn_count, now),
        reply,
        counters: vec![Counter::Input, Counter::Turn, Counter::Decision("clarify_goal".to_owned())],
        session,
    };
    let committed = store.commit(commit).await.expect("it is there");
    assert!(matches!(committed, Committed::Committed { .. }));
}

/// The least that the engine can be asked for: state and exchange of 64 turns, then one sync.
fn floor_a_second(span: Duration) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let database = Database::builder(directory.path()).manual_journal_persist(true).open().expect("it opens");
    let table = |name: &str| database.keyspace(name, KeyspaceCreateOptions::default).expect("a table");
    let (states, exchanges) = (table("states"), table("exchanges"));
    let (state, exchange) = (vec![b's'; 2_000], vec![b'e'; 1_000]);
    let start = Instant::now();
    let mut done = 0_u64;
    while start.elapsed() < span {
        for _ in 0..TASKS {
            let mut batch = database.batch();
            let session = (done % 6_400).to_be_bytes();
            batch.insert(&states, session, state.clone());
            batch.insert(&exchanges, [session, done.to_be_bytes()].concat(), exchange.clone());
            batch.commit().expect("it writes");
            done += 1;
        }
        database.persist(PersistMode::SyncData).expect("it syncs");
    }
    per_second(done, start.elapsed())
}

async fn lists() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path()).await;
    let start = Instant::now();
    let store = open(directory.path());
    println!("open with {SESSIONS} sessions: {:.1} ms", millis(start.elapsed()));
    let plain = ListQuery::of(OrgId::default(), 100);
    let by_status = ListQuery { status: Some(Status::Active), ..plain.clone() };
    for (name, query) in [("all", plain), ("by status", by_status)] {
        let mut times = Vec::new();
        for _ in 0..PAGES {
            let start = Instant::now();
            let page = store.list(query.clone()).await.expect("it is there");
            times.push(millis(start.elapsed()));
            assert_eq!((page.rows.len(), page.total), (100, SESSIONS));
        }
        println!("a page of 100 of {SESSIONS}, {name}: p50 {:.2} ms", median(times));
    }
    store.close().await.expect("it closes");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

async fn fill(directory: &Path) {
    let store = Arc::new(open(directory));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in (task..SESSIONS).step_by(64) {
                let key = key(number);
                let session = opening(&key, SystemClock.now());
                let reply = |_: &Session| Arc::from(Vec::new());
                let create = Create { key, session, idempotency: None, reply };
                let created = store.create(create).await.expect("it is there");
                assert!(matches!(created, Created::Created(_)));
            }
        });
    }
    tasks.join_all().await;
    store.close().await.expect("it closes");
}
