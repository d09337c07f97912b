//! What only the inside can arrange: a disk that fails, a writer that panics, a count that meets its bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::command::Command;
use super::{EmbeddedStore, OpenOptions};
use crate::clock::{Clock, Entropy, ManualClock};
use crate::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use crate::domain::protocol::{Protocol, TRT_STAGE_1};
use crate::domain::session::{Opening, Session};
use crate::domain::time::Timestamp;
use crate::store::{
    Begin, BeginId, Claim, Counter, Create, Gate, Lane, Limits, ListQuery, Store, StoreError,
};

const MINUTE: Duration = Duration::from_mins(1);

fn limits() -> Limits {
    Limits {
        session_ttl: MINUTE,
        session_max_age: MINUTE,
        session_idle: None,
        history_max: 5,
        recent_max: 5,
        rate_limit: 0,
        rate_window: MINUTE,
        danger_limit: 0,
        lease_ttl: MINUTE,
        claim_ttl: MINUTE,
        lease_wait: MINUTE,
        queue_max: 5,
        count_max: 4,
        idempotency_ttl: MINUTE,
        alert_ttl: MINUTE,
        memory_ttl: MINUTE,
        daily_ttl: MINUTE,
        events_ttl: MINUTE,
        events_max: 1_000,
    }
}

fn open(directory: &std::path::Path) -> EmbeddedStore {
    open_at(directory, Arc::new(ManualClock::at(Timestamp::from_millis(1))))
}

fn open_at(directory: &std::path::Path, clock: Arc<dyn Clock>) -> EmbeddedStore {
    let options = OpenOptions {
        limits: limits(),
        clock,
        entropy: Arc::new(Entropy::seeded(1)),
        secret_fingerprint: [0; 16],
        cache_bytes: 1 << 20,
    };
    EmbeddedStore::open(directory, options).expect("a new directory opens")
}

fn begin(id: u128) -> Begin {
    Begin {
        id: BeginId(id),
        session: key(),
        client: ClientKey::from_mac(b"c"),
        predecessor: None,
        lane: Lane::Ordinary,
        idempotency: None,
    }
}

fn key() -> SessionKey {
    SessionKey::new(OrgId::default(), SessionId::parse("s").expect("an id"))
}

async fn send(store: &EmbeddedStore, command: Command) {
    store.channel().expect("it is open").send(command).await.expect("it is there");
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_acknowledged_any_more() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    store.health().await.expect("it is well");
    send(&store, Box::new(super::writer::Writer::fail)).await;
    let reason = store.health().await.expect_err("it has failed");
    assert!(matches!(&reason, StoreError::Stopped(_)));
    assert_eq!(store.begin(begin(1)).await.expect_err("it has failed"), reason);
    assert_eq!(store.read(&key()).await.expect_err("it has failed"), reason);
    assert_eq!(store.sweep().await.expect_err("it has failed"), reason);
    assert_eq!(store.close().await.expect_err("it has failed"), reason);
}

#[tokio::test]
async fn what_shares_a_group_with_a_failure_is_not_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    // The writer stands still, so that all that follows comes into one group.
    send(&store, Box::new(move |_| stopped.recv().expect("the test goes on"))).await;
    let org = OrgId::default();
    let count = store.count(&org, vec![Counter::Input]);
    let failure = send(&store, Box::new(super::writer::Writer::fail));
    let go = async { stop.send(()).expect("the writer waits") };
    let (counted, (), ()) = tokio::join!(count, failure, go);
    assert!(matches!(counted, Err(StoreError::Stopped(_))));
}

#[tokio::test]
async fn a_panic_of_the_writer_leaves_nobody_hanging() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let Gate::Begun(_) = store.begin(begin(1)).await.expect("it is there") else { panic!("not begun") };
    let Gate::Queued(ticket) = store.begin(begin(2)).await.expect("it is there") else {
        panic!("not queued")
    };
    let fault = send(&store, Box::new(|_| panic!("a fault for the test")));
    let (claim, ()) = tokio::join!(store.claim(ticket, MINUTE), fault);
    assert!(matches!(claim, Err(StoreError::Stopped(_))));
    assert!(matches!(store.health().await, Err(StoreError::Stopped(_))));
}

#[tokio::test]
async fn a_lease_given_to_one_who_left_is_taken_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    send(&store, Box::new(move |_| stopped.recv().expect("the test goes on"))).await;
    {
        let mut leaving = store.begin(begin(1));
        assert!(futures_util::poll!(&mut leaving).is_pending());
    }
    stop.send(()).expect("the writer waits");
    match store.begin(begin(2)).await.expect("it is there") {
        Gate::Begun(_) => {}
        // It came into the same group, before the first one's absence was noticed.
        Gate::Queued(ticket) => {
            let claim = store.claim(ticket, MINUTE).await.expect("it is there");
            assert!(matches!(claim, Claim::Begun(_)));
        }
        other => panic!("not begun but {other:?}"),
    }
}

#[tokio::test]
async fn a_hand_over_to_one_who_leaves_at_that_moment_goes_to_the_next() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let Gate::Begun(holder) = store.begin(begin(1)).await.expect("it is there") else { panic!("not begun") };
    let mut tickets = Vec::new();
    for id in 2..4 {
        match store.begin(begin(id)).await.expect("it is there") {
            Gate::Queued(ticket) => tickets.push(ticket),
            other => panic!("not queued but {other:?}"),
        }
    }
    let (second, first) = (tickets.pop().expect("two"), tickets.pop().expect("two"));
    let session = key();
    {
        let mut leaving = store.claim(first, MINUTE);
        assert!(futures_util::poll!(&mut leaving).is_pending());
        // Released and answered before it leaves: the lease lies in its hands, unread.
        store.abandon(&session, holder.lease, crate::store::Abandon::Failed).await.expect("it is there");
    }
    let claim = store.claim(second, MINUTE).await.expect("it is there");
    assert!(matches!(claim, Claim::Begun(_)));
}

/// Tells a later time once, when it is asked to, and is set back with that.
#[derive(Default)]
struct SetBack(AtomicBool);

impl Clock for SetBack {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_millis(1);
        if self.0.swap(false, Ordering::SeqCst) { start.plus(MINUTE * 2) } else { start }
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_while_leases_are_handed_over_stops_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(SetBack::default());
    let store = open_at(directory.path(), Arc::clone(&clock) as Arc<dyn Clock>);
    assert!(matches!(store.begin(begin(1)).await, Ok(Gate::Begun(_))));
    assert!(matches!(store.begin(begin(2)).await, Ok(Gate::Queued(_))));
    let hand_over: Command = Box::new(move |writer| {
        clock.0.store(true, Ordering::SeqCst);
        writer.hand_over_due();
    });
    send(&store, hand_over).await;
    let alive = tokio::time::timeout(Duration::from_secs(30), store.health()).await;
    alive.expect("the writer goes on").expect("it is well");
}

async fn create(store: &EmbeddedStore, id: &str, now: Timestamp) {
    let key = SessionKey::new(OrgId::default(), SessionId::parse(id).expect("an id"));
    let session = Session::open(Opening {
        id: key.id.clone(),
        client_id: None,
        client: ClientKey::from_mac(id.as_bytes()),
        place: Protocol::parse(TRT_STAGE_1).expect("the shipped protocol").start(),
        ttl: MINUTE,
        meta: crate::domain::session::Meta::new(),
        now,
    });
    let reply = |_: &Session| Arc::from(Vec::new());
    store.create(Create { key, session, idempotency: None, reply }).await.expect("it is there");
}

#[tokio::test]
async fn a_total_since_a_time_is_exact_where_few_are_newer_or_few_are_older() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = ManualClock::at(Timestamp::from_millis(1));
    let store = open_at(directory.path(), Arc::new(clock.clone()));
    let mut times = Vec::new();
    for n in 0..10 {
        clock.advance(Duration::from_millis(1));
        times.push(clock.now());
        create(&store, &format!("s{n}"), clock.now()).await;
    }
    for (since, (&time, newer)) in times.iter().zip((1..=10).rev()).enumerate() {
        let query = ListQuery { active_since: Some(time), ..ListQuery::of(OrgId::default(), 1) };
        let page = store.list(query).await.expect("it is there");
        // Fewer than four can be counted, to either side.
        let exact = newer < 4 || since < 4;
        assert_eq!(page.total_is_estimate, !exact, "since {since}");
        assert_eq!(page.total, if exact { newer } else { 4 }, "since {since}");
    }
}
