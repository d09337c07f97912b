//! Where nobody is talked with: by this server's mode, or by the law of a place from its day on.

use std::sync::Arc;
use std::time::Duration;

use attune::domain::consent::ConsentRule;
use attune::domain::safety::{Mode, Regions};
use attune::domain::session::{Event, MetaValue, Party};
use attune::domain::time::Timestamp;
use attune::store::{Create, Transition};
use attune::turn::{Refused, Turns};
use serde_json::{Value, json};

use crate::faulty::{Call, Fault};
use crate::server::Server;
use crate::turn_faults::Scene;
use crate::world::{PATIENCE, START, client, key, opening};

const INTENT: &str = "I am going to kill myself tonight";
/// To the first moment of the next day, by the scene's clock.
fn to_the_day() -> Duration {
    let day = format!("{}T00:00:00Z", tomorrow());
    Timestamp::parse(&day).expect("a time").since(START)
}

fn tomorrow() -> String {
    START.plus(Duration::from_hours(24)).date()
}

fn is_unstored_crisis(turn: &Value) {
    assert_eq!(
        (&turn["responder"], &turn["storage"], &turn["turn"]),
        (&json!("crisis"), &json!("none"), &json!(null))
    );
}

#[tokio::test]
async fn a_server_that_talks_with_nobody_still_answers_danger_and_gives_back_what_it_has() {
    let server = Server::start().await;
    server.input("s", "I want to feel calm").await.ok();
    let server = server.restart_with(&[("ATTUNE_MODE", "disabled")]).await;
    for id in ["s", "unknown"] {
        let problem = server.input(id, "hello").await.problem(451, "unavailable_here");
        assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
        is_unstored_crisis(&server.input(id, INTENT).await.ok());
        is_unstored_crisis(&server.input(id, "ok").await.ok());
    }
    let alerts = server.get("/api/v1/alerts").await.ok();
    assert_eq!(alerts["alerts"].as_array().map(Vec::len), Some(2));
    server.get("/session/unknown").await.problem(404, "not_found");
    let session = server.session("s").await;
    assert_eq!((&session["turn_count"], &session["safety_level"]), (&json!(1), &json!("crisis")));
    assert_eq!(server.history("s").await.len(), 1);
    server.delete("/session/s/consent").await.ok();
    server.get("/.well-known/crisis-protocol").await.ok();
    server.delete("/session/s").await.ok();
}

#[tokio::test]
async fn a_session_where_the_law_forbids_it_is_refused_with_the_law_and_another_is_not() {
    let server = Server::start().await;
    for (id, metadata, law) in [
        ("il", json!({ "region": "US-IL" }), Some("Illinois")),
        ("nv", json!({ "country": "US", "region": "nv" }), Some("Nevada")),
        ("ny", json!({ "country": "US", "region": "US-NY" }), None),
        ("us", json!({ "country": "US" }), None),
        ("none", json!({}), None),
    ] {
        server.create(&json!({ "session_id": id, "metadata": metadata })).await.ok();
        let answer = server.input(id, "I want to feel calm").await;
        match law {
            None => assert_eq!(answer.ok()["turn"], 1, "{id}"),
            Some(law) => {
                let problem = answer.problem(451, "unavailable_here");
                assert!(problem["detail"].as_str().is_some_and(|why| why.contains(law)), "{problem}");
                is_unstored_crisis(&server.input(id, INTENT).await.ok());
                assert_eq!(server.session(id).await["turn_count"], 0);
            }
        }
    }
}

/// A scene with a session `s` in a place with a law.
async fn in_a_place(mode: Mode, law: Mode, change: impl FnOnce(&mut Turns)) -> Scene {
    let mut scene = Scene::with(PATIENCE);
    let law = match law {
        Mode::SelfHelp => "self_help",
        Mode::Supervised => "supervised",
        Mode::Disabled => "disabled",
    };
    let since = tomorrow();
    let row =
        format!("[[regions]]\nregion = \"XA\"\nsince = \"{since}\"\nmode = \"{law}\"\nwhy = \"A law.\"\n");
    let turns = Arc::get_mut(&mut scene.turns).expect("nobody else has it yet");
    turns.knowledge.regions = Regions::parse(&row).expect("sound");
    turns.settings.mode = mode;
    change(turns);
    let mut session = opening(&key("s"), &client("c"), START);
    session.place = turns.knowledge.start();
    session.meta.insert("country".to_owned(), MetaValue::Text("xa".to_owned()));
    let create = Create { key: key("s"), session, idempotency: None, reply: |_| Arc::from(&b""[..]) };
    scene.store_of().create(create).await.expect("made");
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_law_counts_from_its_day_on_by_the_clock() {
    let scene = in_a_place(Mode::Supervised, Mode::Disabled, |_| {}).await;
    assert_eq!(scene.said("I want to feel calm").await["turn"], 1);
    scene.clock.advance(to_the_day() - Duration::from_micros(1));
    assert_eq!(scene.said("hello").await["turn"], 2);
    scene.clock.advance(Duration::from_micros(1));
    assert_eq!(scene.say("hello", None).await.err(), Some(Refused::Unavailable("A law.".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_law_makes_a_mode_laxer() {
    let scene = in_a_place(Mode::Disabled, Mode::SelfHelp, |_| {}).await;
    scene.clock.advance(to_the_day());
    let refused = scene.say("hello", None).await.err();
    assert!(matches!(&refused, Some(Refused::Unavailable(why)) if why != "A law."), "{refused:?}");
}

/// A scene in which consent is required, and stands in `s`.
async fn consented() -> Scene {
    let scene = in_a_place(Mode::Supervised, Mode::SelfHelp, |turns| {
        turns.settings.consent = ConsentRule::Required;
    })
    .await;
    assert_eq!(scene.say("hello", None).await.err(), Some(Refused::ConsentRequired));
    scene.consent(true).await;
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_that_is_withdrawn_while_a_turn_is_at_work_stops_it() {
    let scene = consented().await;
    scene.store.next(Call::Commit, Fault::Waits);
    let (said, ()) = tokio::join!(scene.say("I want to feel calm", None), async {
        scene.store.arrived.acquire().await.expect("open").forget();
        scene.consent(false).await;
        scene.store.go.add_permits(1);
    });
    assert_eq!(said.err(), Some(Refused::ConsentRequired));
    scene.settled().await;
    let session = scene.session().await;
    assert_eq!((session.turn_count, session.consent.is_some_and(|it| it.revoked_at.is_some())), (0, true));
    scene.consent(true).await;
    assert_eq!(scene.said("I want to feel calm").await["turn"], 1, "and the lease was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_that_is_withdrawn_while_a_successor_begins_is_withdrawn_in_it_too() {
    let scene = consented().await;
    assert_eq!(scene.said("I want to feel calm").await["turn"], 1);
    let expire = Transition {
        session: key("s"),
        event: Event::Expire,
        by: Party::System,
        reason: "idle".to_owned(),
        seen: None,
    };
    scene.store_of().transition(expire).await.expect("done");
    scene.store.next(Call::Commit, Fault::Waits);
    let (said, ()) = tokio::join!(scene.say("I want to feel calm", None), async {
        scene.store.arrived.acquire().await.expect("open").forget();
        scene.consent(false).await;
        scene.store.go.add_permits(1);
    });
    assert!(said.is_ok(), "its first turn had begun before");
    assert_eq!(scene.say("hello", None).await.err(), Some(Refused::ConsentRequired));
}
