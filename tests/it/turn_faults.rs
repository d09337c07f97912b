//! The turn on a bad day: the store away, slow, losing answers; a pause or danger in the middle of it.

use std::sync::Arc;
use std::time::Duration;

use attune::access::{Caller, Secret};
use attune::clock::{Entropy, ManualClock};
use attune::domain::consent::{ConsentChange, ConsentRule};
use attune::domain::exchange::Exchange;
use attune::domain::id::{SessionId, SessionKey};
use attune::domain::safety::{DutyHours, Level, Mode};
use attune::domain::session::{Event, Party, Session, Status};
use attune::store::embedded::EmbeddedStore;
use attune::store::{Raise, Store, StoreError, Transition, Transitioned};
use attune::tasks::Tasks;
use attune::telemetry::Metrics;
use attune::turn::{self, Address, Answer, Knowledge, Refused, Settings, Turns, Unraised, Unstored, Untold};
use serde_json::Value;

use crate::faulty::{Call, Fault, Faulty};
use crate::world::{PATIENCE, START, key, limits, options};

const INTENT: &str = "I am going to kill myself tonight";

pub struct Scene {
    pub turns: Arc<Turns>,
    pub store: Arc<Faulty>,
    pub clock: ManualClock,
    _directory: tempfile::TempDir,
}

impl Scene {
    /// A crisis reply waits `crisis_wait` for its commit.
    pub fn with(crisis_wait: Duration) -> Self {
        Self::within(PATIENCE, crisis_wait)
    }

    /// A turn may take `deadline` in all.
    fn within(deadline: Duration, crisis_wait: Duration) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = ManualClock::at(START);
        let inner =
            EmbeddedStore::open(directory.path(), options(&limits(), &clock)).expect("a new directory");
        let store = Faulty::over(Arc::new(inner));
        let entropy = Arc::new(Entropy::seeded(3));
        let turns = Turns {
            store: Arc::clone(&store) as Arc<dyn Store>,
            knowledge: Knowledge::embedded().expect("sound"),
            secret: Secret::from_key_file(&directory.path().join("key"), &entropy).expect("made"),
            clock: Arc::new(clock.clone()),
            entropy,
            tasks: Tasks::on(tokio::runtime::Handle::current()),
            metrics: Arc::new(Metrics::default()),
            settings: Settings {
                deadline,
                lease_wait: PATIENCE,
                crisis_wait,
                session_ttl: limits().session_ttl,
                country: None,
                duty: DutyHours::default(),
                mode: Mode::Supervised,
                consent: ConsentRule::Off,
            },
            unraised: Unraised::default(),
            unstored: Unstored::default(),
            untold: Untold::default(),
            live: Arc::default(),
            author: None,
        };
        Self { turns: Arc::new(turns), store, clock, _directory: directory }
    }

    pub async fn say(&self, text: &str, idempotency_key: Option<&str>) -> Result<Answer, Refused> {
        let screened = turn::screen(&self.turns.knowledge.safety, text.to_owned());
        let caller = Caller::open();
        let session = SessionKey::new(caller.org.clone(), SessionId::parse("s").expect("an id"));
        let body = text.as_bytes();
        let address = Address { caller: &caller, session, route: "input", idempotency_key, body, by: None };
        let admitted = turn::admit(screened, &address, &self.turns.secret)?;
        self.turns.start(admitted).answer.await
    }

    pub fn store_of(&self) -> &dyn Store {
        &*self.store
    }

    /// Gives or withdraws the consent to the current text.
    pub async fn consent(&self, stands: bool) {
        let text = self.turns.knowledge.consent.clone();
        let given = ConsentChange::Give { version: text.version, hash: text.hash };
        let change = if stands { given } else { ConsentChange::Revoke };
        self.store.consent(&key("s"), change).await.expect("the store is there");
    }

    pub async fn said(&self, text: &str) -> Value {
        json(&self.say(text, None).await.expect("answered"))
    }

    pub async fn session(&self) -> Session {
        let snapshot = self.store.read(&key("s")).await.expect("read").expect("there");
        Session::clone(&snapshot.session)
    }

    async fn exchanges(&self) -> Vec<Exchange> {
        let page = self.store.history(&key("s"), None, 50).await.expect("read");
        page.map(|page| page.exchanges).unwrap_or_default()
    }

    /// Waits until the background tasks are done.
    pub async fn settled(&self) {
        while self.turns.tasks.running() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_store_away_danger_is_answered_and_the_level_stands_as_soon_as_it_is_back() {
    let scene = Scene::with(PATIENCE);
    scene.store.next(Call::Raise, Fault::Away);
    scene.store.next(Call::Begin, Fault::Away);
    let crisis = scene.said(INTENT).await;
    assert_eq!((&crisis["turn"], &crisis["storage"]), (&Value::Null, &"none".into()));
    assert_eq!((&crisis["responder"], &crisis["status"]), (&"crisis".into(), &"paused".into()));
    assert!(crisis["safety"]["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
    scene.settled().await;
    let next = scene.said("hello").await;
    assert_eq!((&next["safety"]["level"], &next["responder"]), (&"crisis".into(), &"crisis".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_store_stopped_for_good_nobody_waits_for_it() {
    let scene = Scene::with(PATIENCE);
    scene.store.next(Call::Raise, Fault::Stopped);
    scene.store.next(Call::Raise, Fault::Stopped);
    scene.store.next(Call::Begin, Fault::Stopped);
    assert_eq!(scene.said(INTENT).await["storage"], "none");
    scene.settled().await;
    let level = scene.said("hello").await["safety"]["level"].clone();
    assert_eq!(level, "none", "it was given up, and the log says so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_does_not_wait_for_a_store_that_is_away() {
    let scene = Scene::with(PATIENCE);
    for _ in 0..100 {
        scene.store.next(Call::Raise, Fault::Away);
    }
    scene.store.next(Call::Begin, Fault::Away);
    scene.said(INTENT).await;
    assert!(scene.turns.tasks.finish(PATIENCE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_in_danger_with_the_store_away_wait_as_one_level_the_highest() {
    let scene = Scene::with(PATIENCE);
    for text in ["I feel so hopeless", INTENT, "I feel so hopeless"] {
        for call in [Call::Raise, Call::Begin] {
            scene.store.next(call, Fault::Away);
        }
        scene.said(text).await;
    }
    assert_eq!(scene.turns.tasks.running(), 1);
    scene.settled().await;
    assert_eq!(scene.said("hello").await["safety"]["level"], "crisis");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_store_away_an_ordinary_turn_is_refused_and_nothing_of_it_is_stored() {
    let scene = Scene::with(PATIENCE);
    scene.store.next(Call::Begin, Fault::Away);
    let refused = scene.say("I want to feel calm", None).await.err();
    assert!(matches!(refused, Some(Refused::Store(StoreError::Away(_)))), "{refused:?}");
    for _ in 0..3 {
        scene.store.next(Call::Commit, Fault::Away);
    }
    assert!(scene.say("I want to feel calm", None).await.is_err());
    scene.settled().await;
    assert_eq!(scene.said("I want to feel calm").await["turn"], 1, "and the lease was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_stored_behind_the_refusal_of_a_turn_that_took_too_long() {
    let scene = Scene::within(Duration::from_millis(20), PATIENCE);
    scene.store.next(Call::Begin, Fault::Waits);
    let refused = scene.say("I want to feel calm", None).await.err();
    assert_eq!(refused, Some(Refused::Deadline));
    scene.store.go.add_permits(1);
    scene.settled().await;
    assert!(scene.exchanges().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_answered_and_stored_once() {
    let scene = Scene::with(PATIENCE);
    for turn in 1..=20 {
        scene.store.next(Call::Commit, Fault::AnswerLost);
        assert_eq!(scene.said("I want to feel calm").await["turn"], turn);
    }
    let turns: Vec<u32> = scene.exchanges().await.iter().map(|exchange| exchange.turn).collect();
    assert_eq!(turns, (1..=20).rev().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crisis_reply_does_not_wait_for_a_slow_commit_and_is_stored_behind_it_in_the_same_words() {
    let scene = Scene::with(Duration::from_millis(20));
    scene.store.next(Call::Commit, Fault::Waits);
    let crisis = json(&scene.say(INTENT, Some("key")).await.expect("answered"));
    assert_eq!((&crisis["turn"], &crisis["storage"]), (&Value::Null, &"none".into()));
    assert!(scene.exchanges().await.is_empty());
    scene.store.go.add_permits(1);
    scene.settled().await;
    let exchanges = scene.exchanges().await;
    assert_eq!(exchanges.len(), 1);
    assert_eq!(exchanges[0].therapist_response, crisis["therapist_response"].as_str().expect("a text"));
    let figures = scene.turns.metrics.render();
    assert!(figures.contains("attune_crisis_replies_unstored_total 1\n"), "{figures}");
    assert!(figures.contains("decision=\"crisis_support\"} 1\n"), "stored once, counted once: {figures}");
    let again = scene.say(INTENT, Some("key")).await.expect("answered");
    assert!(again.replayed, "it is stored under the same idempotency key");
    assert_eq!(json(&again)["therapist_response"], crisis["therapist_response"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_crisis_reply_does_not_repeat_one_that_went_out_before_its_commit() {
    let scene = Scene::with(Duration::from_millis(20));
    scene.store.next(Call::Begin, Fault::Waits);
    let first = scene.said(INTENT).await;
    scene.store.go.add_permits(1);
    scene.settled().await;
    let second = scene.said("I don't know").await;
    assert_eq!(scene.exchanges().await.len(), 2);
    assert_ne!(first["therapist_response"], second["therapist_response"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crisis_reply_that_went_out_before_its_commit_throws_no_older_dialogue_back() {
    let scene = Scene::with(Duration::from_millis(20));
    for text in [INTENT, "I don't know", "I don't know"] {
        scene.said(text).await;
        scene.settled().await;
    }
    let before = scene.session().await.crisis;
    scene.store.next(Call::Begin, Fault::Waits);
    assert_eq!(scene.said(INTENT).await["turn"], Value::Null);
    scene.store.go.add_permits(1);
    scene.settled().await;
    let after = scene.session().await.crisis;
    assert!(before.replies > 1 && after.replies >= before.replies && after.asked.is_superset(&before.asked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_went_out_before_it_was_known_that_the_ai_has_to_be_told_leave_it_due() {
    let scene = Scene::with(Duration::from_millis(20));
    for _ in 0..18 {
        scene.said("I don't know").await;
        scene.clock.advance(Duration::from_mins(10));
    }
    scene.store.next(Call::Begin, Fault::Waits);
    let unstored = scene.said("I wish I was dead").await;
    assert_eq!((&unstored["storage"], &unstored["disclosure"]), (&"none".into(), &Value::Null));
    scene.store.go.add_permits(1);
    scene.settled().await;
    let stored = scene.exchanges().await.swap_remove(0);
    assert_eq!(Some(stored.therapist_response.as_str()), unstored["therapist_response"].as_str());
    assert_eq!(stored.told.and_then(|told| told.disclosure), None);
    assert!(scene.said("no").await["disclosure"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn danger_that_comes_in_the_middle_of_a_turn_overtakes_it() {
    let scene = Scene::with(PATIENCE);
    scene.said("hello").await;
    scene.store.next(Call::Commit, Fault::Waits);
    let turn = scene.said("I want to feel calm");
    let danger = async {
        scene.store.arrived.acquire().await.expect("open").forget();
        let client = scene.session().await.client;
        let raise = Raise { session: key("s"), client, level: Level::Crisis, why: vec!["test".to_owned()] };
        assert!(scene.store.raise(raise).await.expect("raised").rose);
        scene.store.go.add_permits(1);
    };
    let (reply, ()) = tokio::join!(turn, danger);
    assert_eq!((&reply["responder"], &reply["turn"]), (&"crisis".into(), &2.into()));
    assert_eq!(scene.session().await.status, Status::Paused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_comes_in_the_middle_of_a_turn_is_kept_and_the_turn_decided_anew() {
    let scene = Scene::with(PATIENCE);
    scene.said("hello").await;
    scene.store.next(Call::Commit, Fault::Waits);
    let turn = scene.said("I want to feel calm");
    let pause = async {
        scene.store.arrived.acquire().await.expect("open").forget();
        let (event, by) = (Event::Pause, Party::Clinician);
        let pause = Transition { session: key("s"), event, by, reason: "a look".to_owned(), seen: None };
        let paused = scene.store.transition(pause).await.expect("answered");
        assert_eq!(paused, Transitioned::Done(Status::Paused));
        scene.store.go.add_permits(1);
    };
    let (reply, ()) = tokio::join!(turn, pause);
    assert_eq!((&reply["navigation"]["decision"], &reply["turn"]), (&"hold".into(), &2.into()));
    assert_eq!(scene.session().await.status, Status::Paused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_panics_gives_its_lease_back_and_danger_is_answered_all_the_same() {
    let scene = Scene::with(PATIENCE);
    scene.store.next(Call::Commit, Fault::Panics);
    assert_eq!(scene.say("I want to feel calm", None).await.err(), Some(Refused::Failed));
    scene.settled().await;
    assert_eq!(scene.said("I want to feel calm").await["turn"], 1);
    scene.store.next(Call::Commit, Fault::Panics);
    let crisis = scene.said(INTENT).await;
    assert_eq!((&crisis["responder"], &crisis["storage"]), (&"crisis".into(), &"none".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn danger_waits_for_the_running_turn_behind_its_answer() {
    let scene = Scene::with(Duration::from_millis(20));
    scene.store.next(Call::Commit, Fault::Waits);
    let slow = scene.said("I want to feel calm");
    let danger = async {
        scene.store.arrived.acquire().await.expect("open").forget();
        let crisis = scene.said(INTENT).await;
        assert_eq!(crisis["turn"], Value::Null);
        scene.store.go.add_permits(1);
        crisis
    };
    let (slow, crisis) = tokio::join!(slow, danger);
    scene.settled().await;
    assert_eq!((&slow["turn"], &slow["responder"]), (&1.into(), &"crisis".into()), "it was overtaken");
    let stored = scene.exchanges().await;
    assert_eq!(stored.first().map(|exchange| exchange.turn), Some(2));
    assert_eq!(Some(stored[0].therapist_response.as_str()), crisis["therapist_response"].as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_that_is_on_its_way_while_the_level_is_cleared_still_counts() {
    let scene = Scene::with(PATIENCE);
    scene.said("I wish I was dead").await;
    scene.store.next(Call::Commit, Fault::Waits);
    let clearing = async {
        scene.store.arrived.acquire().await.expect("open").forget();
        let (event, by, reason) = (Event::Clear, Party::Clinician, "talked on the phone".to_owned());
        let clear = Transition { session: key("s"), event, by, reason, seen: None };
        let cleared = scene.store.transition(clear).await.expect("there");
        assert_eq!(cleared, Transitioned::Done(Status::Active));
        scene.store.go.add_permits(1);
    };
    let (turn, ()) = tokio::join!(scene.said("yes"), clearing);
    assert_eq!((&turn["safety"]["level"], &turn["status"]), (&"high".into(), &"paused".into()));
    assert_eq!(scene.session().await.level, Level::High);
}
