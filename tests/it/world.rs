//! What store tests share: an adapter that can be opened, wound and opened again, and short words for long requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use attune::clock::{Clock, Entropy, ManualClock};
use attune::domain::disclosure::{Audience, Telling};
use attune::domain::exchange::{Exchange, Responder, Told, Used, Written};
use attune::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use attune::domain::protocol::{Place, ProtocolRef};
use attune::domain::safety::Level;
use attune::domain::session::{Event, Opening, Party, Session, Status};
use attune::domain::time::Timestamp;
use attune::store::embedded::{EmbeddedStore, OpenError, OpenOptions};
use attune::store::{
    Abandon, Begin, BeginId, Begun, Claim, Commit, Committed, Counter, Create, Created, Gate, Idempotency,
    Lane, Lease, Limits, ListQuery, Raise, Raised, Remaining, Snapshot, Store, StoredReply, Ticket,
    Transition, Transitioned,
};

pub const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
pub const HOUR: Duration = Duration::from_hours(1);
pub const DAY: Duration = Duration::from_hours(24);
/// Longer than any test waits for what does come.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn limits() -> Limits {
    Limits {
        session_ttl: DAY,
        session_max_age: DAY * 30,
        session_idle: None,
        history_max: 50,
        recent_max: 5,
        rate_limit: 0,
        rate_window: Duration::from_mins(1),
        danger_limit: 60,
        lease_ttl: Duration::from_secs(10),
        claim_ttl: Duration::from_secs(1),
        lease_wait: Duration::from_secs(5),
        queue_max: 100,
        count_max: 15_000,
        idempotency_ttl: DAY,
        alert_ttl: DAY * 30,
        memory_ttl: DAY * 30,
        daily_ttl: DAY * 30,
        events_ttl: DAY,
        events_max: 10_000,
    }
}

/// A backend under test.
#[async_trait]
pub trait Adapter: Sized + Send + Sync {
    async fn open(limits: Limits) -> Self;
    fn store(&self) -> &dyn Store;
    fn now(&self) -> Timestamp;
    async fn wind(&self, by: Duration);
    /// As after the end of the process: what was acknowledged stands, who worked is forgotten.
    async fn reopen(&mut self);
}

pub struct Embedded {
    pub directory: Arc<tempfile::TempDir>,
    pub clock: ManualClock,
    pub limits: Limits,
    store: Option<EmbeddedStore>,
}

pub const FINGERPRINT: [u8; 16] = [1; 16];

/// No two openings deal out the same leases, as no two processes do.
static OPENINGS: AtomicU64 = AtomicU64::new(0);

pub fn options(limits: &Limits, clock: &ManualClock) -> OpenOptions {
    OpenOptions {
        limits: limits.clone(),
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(Entropy::seeded(OPENINGS.fetch_add(1, Ordering::SeqCst))),
        secret_fingerprint: FINGERPRINT,
        cache_bytes: 8 << 20,
    }
}

impl Embedded {
    pub fn try_open(&self) -> Result<EmbeddedStore, OpenError> {
        EmbeddedStore::open(self.directory.path(), options(&self.limits, &self.clock))
    }

    /// What a process killed at this moment would find: the files as they lie, read by another.
    pub fn killed(&self) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        copy(self.directory.path(), directory.path());
        let mut killed = Self {
            directory: Arc::new(directory),
            clock: self.clock.clone(),
            limits: self.limits.clone(),
            store: None,
        };
        killed.store = Some(killed.try_open().expect("what was synced opens"));
        killed
    }

    pub fn take(&mut self) -> Option<EmbeddedStore> {
        self.store.take()
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir_all(&target).expect("a new directory");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

#[async_trait]
impl Adapter for Embedded {
    async fn open(limits: Limits) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let mut adapter = Self { directory, clock: ManualClock::at(START), limits, store: None };
        adapter.store = Some(adapter.try_open().expect("a new directory opens"));
        adapter
    }

    fn store(&self) -> &dyn Store {
        self.store.as_ref().expect("it is open")
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn wind(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn reopen(&mut self) {
        *self = self.killed();
    }
}

pub fn key(id: &str) -> SessionKey {
    SessionKey::new(OrgId::default(), SessionId::parse(id).expect("an id"))
}

pub fn client(name: &str) -> ClientKey {
    ClientKey::from_mac(name.as_bytes())
}

pub fn opening(key: &SessionKey, client: &ClientKey, now: Timestamp) -> Session {
    let place = Place {
        protocol: ProtocolRef { id: "test".to_owned(), hash: "00".to_owned() },
        step: "goal".to_owned(),
        counters: BTreeMap::from([("asked".to_owned(), 3)]),
        flags: BTreeSet::from(["told".to_owned()]),
        facts: BTreeMap::from([("goal".to_owned(), "calm, \u{1f33f} \"quoted\"".to_owned())]),
        said: BTreeMap::from([("goal".to_owned(), vec![1, 2])]),
    };
    let mut session = Session::open(Opening {
        id: key.id.clone(),
        client_id: Some("someone".to_owned()),
        client: client.clone(),
        place,
        ttl: DAY,
        meta: BTreeMap::new(),
        now,
    });
    session.telling = Telling { version: "1".to_owned(), count: 3, told_at: Some(now), used_ms: 1_234 };
    session
}

pub fn exchange(turn: u32, now: Timestamp) -> Exchange {
    Exchange {
        was_turn: None,
        turn,
        timestamp: now,
        client_input: format!("input {turn}"),
        therapist_response: format!("response {turn}"),
        navigation_decision: "clarify_goal".to_owned(),
        rag_query: None,
        current_substate: "1.1_goal_and_vision".to_owned(),
        safety_level: Level::None,
        responder: Responder::Scripted,
        told: Some(told(turn)),
    }
}

/// All of it, so that nothing of it can be lost.
fn told(turn: u32) -> Told {
    Told {
        status: Status::Active,
        reasoning: format!("rule {turn}"),
        body_question_count: turn % 7,
        criteria: "101000000000".to_owned(),
        exchanges_seen: turn - 1,
        written: Some(Written {
            prompt: "0123456789abcdef".to_owned(),
            prompt_tokens: Some(700 + turn),
            truncated: turn.is_multiple_of(2),
            passages: vec![Used { id: "goal-work".to_owned(), score: 0.5 }],
            fallback: Some("cut".to_owned()),
            ms: 200.25,
        }),
        resources: true,
        disclosure: Some(Audience::Adult.disclosure()),
        cut: true,
        processing_ms: 201.5,
    }
}

pub fn used(key: u8, body: u8) -> Idempotency {
    Idempotency { key: [key; 16], body: [body; 16] }
}

pub fn reply(text: &str) -> StoredReply {
    Arc::from(text.as_bytes())
}

/// The requests of one client, `c`, in as few words as possible.
pub struct Desk<'a, A: Adapter> {
    pub adapter: &'a A,
    begins: &'static AtomicU64,
}

/// No two calls of begin have the same id.
static BEGINS: AtomicU64 = AtomicU64::new(1);

impl<'a, A: Adapter> Desk<'a, A> {
    pub fn of(adapter: &'a A) -> Self {
        Self { adapter, begins: &BEGINS }
    }

    pub fn store(&self) -> &'a dyn Store {
        self.adapter.store()
    }

    pub fn request(&self, id: &str) -> Begin {
        let begin = self.begins.fetch_add(1, Ordering::SeqCst);
        Begin {
            id: BeginId(begin.into()),
            session: key(id),
            client: client("c"),
            predecessor: None,
            lane: Lane::Ordinary,
            idempotency: None,
        }
    }

    pub fn danger(&self, id: &str) -> Begin {
        Begin { lane: Lane::Danger, ..self.request(id) }
    }

    pub fn keyed(&self, id: &str, used: Idempotency) -> Begin {
        Begin { idempotency: Some(used), ..self.request(id) }
    }

    pub async fn ask(&self, request: Begin) -> Gate {
        self.store().begin(request).await.expect("the store is there")
    }

    pub async fn begun(&self, id: &str) -> Begun {
        begun(self.ask(self.request(id)).await)
    }

    pub async fn queued(&self, request: Begin) -> Ticket {
        match self.ask(request).await {
            Gate::Queued(ticket) | Gate::Running(ticket) => ticket,
            other => panic!("no ticket but {other:?}"),
        }
    }

    pub async fn claim(&self, ticket: Ticket) -> Claim {
        self.store().claim(ticket, PATIENCE).await.expect("the store is there")
    }

    /// The next turn of what was begun, decided under the level that it was begun with.
    pub fn commit_of(&self, id: &str, begun: &Begun) -> Commit {
        let now = self.adapter.now();
        let fresh = || opening(&key(id), &client("c"), now);
        let mut session = begun.session.as_ref().map_or_else(fresh, |session| Session::clone(session));
        let counts = session.level_under(&begun.memory);
        let base_revision = session.revision;
        session.turn_count += 1;
        session.last_interaction = now;
        Commit {
            key: key(id),
            lease: begun.lease,
            base_revision,
            decided_under: counts,
            why: Vec::new(),
            exchange: exchange(session.turn_count, now),
            reply: None,
            counters: vec![Counter::Turn],
            session,
        }
    }

    pub async fn commit(&self, commit: Commit) -> Committed {
        self.store().commit(commit).await.expect("the store is there")
    }

    pub async fn turn(&self, id: &str) -> u64 {
        let begun = self.begun(id).await;
        self.turn_of(id, &begun).await
    }

    pub async fn turn_of(&self, id: &str, begun: &Begun) -> u64 {
        match self.commit(self.commit_of(id, begun)).await {
            Committed::Committed { revision } => revision,
            other => panic!("not committed but {other:?}"),
        }
    }

    pub async fn abandon(&self, id: &str, lease: Lease, why: Abandon) {
        self.store().abandon(&key(id), lease, why).await.expect("the store is there");
    }

    pub async fn raise(&self, id: &str, level: Level) -> Raised {
        let why = vec!["rule.1".to_owned()];
        let raise = Raise { session: key(id), client: client("c"), level, why };
        self.store().raise(raise).await.expect("the store is there")
    }

    pub async fn transition(&self, id: &str, event: Event) -> Transitioned {
        let transition = Transition {
            session: key(id),
            event,
            by: Party::Clinician,
            reason: "a reason".to_owned(),
            seen: None,
        };
        self.store().transition(transition).await.expect("the store is there")
    }

    pub async fn read(&self, id: &str) -> Option<Snapshot> {
        self.store().read(&key(id)).await.expect("the store is there")
    }

    pub async fn session(&self, id: &str) -> Arc<Session> {
        self.read(id).await.expect("the session stands").session
    }

    pub async fn turns(&self, id: &str) -> Vec<u32> {
        let page = self.store().history(&key(id), None, 1_000).await.expect("the store is there");
        page.expect("the session stands").exchanges.iter().rev().map(|exchange| exchange.turn).collect()
    }

    pub async fn create(&self, id: &str, idempotency: Option<Idempotency>) -> Created {
        let session = opening(&key(id), &client("c"), self.adapter.now());
        let reply = |session: &Session| Arc::from(session.id.as_str().as_bytes());
        let create = Create { key: key(id), session, idempotency, reply };
        self.store().create(create).await.expect("the store is there")
    }

    pub async fn rows(&self, query: ListQuery) -> Vec<String> {
        let page = self.store().list(query).await.expect("the store is there");
        page.rows.iter().map(|row| row.id.to_string()).collect()
    }
}

/// Whether that much time is left, but for the milliseconds by which a clock is wound past an end.
pub fn is_left(remaining: Option<Remaining>, expected: Duration) -> bool {
    matches!(remaining, Some(Remaining::For(left)) if left.abs_diff(expected) < Duration::from_millis(50))
}

pub fn everything() -> ListQuery {
    ListQuery::of(OrgId::default(), 100)
}

pub fn begun(gate: Gate) -> Begun {
    match gate {
        Gate::Begun(begun) => *begun,
        other => panic!("not begun but {other:?}"),
    }
}

pub fn handed(claim: Claim) -> Begun {
    match claim {
        Claim::Begun(begun) => *begun,
        other => panic!("not handed over but {other:?}"),
    }
}
