//! What follows a completed re-screen while the store fails or hangs: the answer waits for none of it, and nothing of it is
//! lost.

use serde_json::Value;

use attune::domain::safety::Level;
use attune::domain::session::{Party, Status};
use attune::store::{Raise, Store as _};

use crate::faulty::{Call, Fault};
use crate::turn_faults::Scene;
use crate::world::{PATIENCE, key};

const CALM: &str = "I walked to work today";

/// At elevated, up to the last question of a re-screen.
async fn up_to_the_last_question(scene: &Scene) {
    for text in ["I wish I was dead", "no"] {
        scene.said(text).await;
    }
    while scene.session().await.crisis.rescreen.is_none() {
        scene.said(CALM).await;
    }
    scene.said("no").await;
    assert_eq!(scene.session().await.level, Level::Elevated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_re_screen_that_the_store_was_not_told_of_counts_with_the_next_turn() {
    // Asked for three times, and then left to the next turn.
    for (fault, times) in [(Fault::Away, 3), (Fault::AnswerLost, 1), (Fault::AnswerLost, 3)] {
        let scene = Scene::with(PATIENCE);
        up_to_the_last_question(&scene).await;
        (0..times).for_each(|_| scene.store.next(Call::Lower, fault));
        scene.said("no").await;
        scene.settled().await;
        if fault == Fault::Away {
            assert_eq!(scene.session().await.level, Level::Elevated, "the turn is stored, the level stands");
            assert!(scene.session().await.crisis.negative.is_some());
        }
        let turn = scene.said(CALM).await;
        assert_eq!(turn["safety"]["level"], "none");
        let session = scene.session().await;
        assert_eq!((session.level, session.status), (Level::None, Status::Active));
        let falls = session.transitions.iter().filter(|change| change.by == Party::Safety);
        assert_eq!(falls.map(|change| change.why.as_str()).collect::<Vec<_>>(), ["rescreen.negative"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_re_screen_that_was_left_behind_is_void_when_danger_comes_next() {
    let scene = Scene::with(PATIENCE);
    up_to_the_last_question(&scene).await;
    (0..3).for_each(|_| scene.store.next(Call::Lower, Fault::Away));
    scene.said("no").await;
    scene.settled().await;
    scene.said("I feel like a burden to everyone").await;
    for _ in 0..3 {
        scene.said("no").await;
        let session = scene.session().await;
        assert_eq!((session.level, session.crisis.negative), (Level::Elevated, None));
    }
}

/// How many falls the server has counted.
fn falls(scene: &Scene) -> usize {
    let figures = scene.turns.metrics.render();
    let of_elevated = |line: &&str| line.starts_with("attune_safety_level_falls_total{level=\"elevated\"}");
    let count = figures.lines().find(of_elevated).and_then(|line| line.split(' ').next_back());
    count.map_or(0, |count| count.parse().expect("a number"))
}

/// A session whose re-screen was completed while the store hangs over it, and the answer.
async fn while_the_store_hangs() -> (Scene, Value) {
    let scene = Scene::with(PATIENCE);
    up_to_the_last_question(&scene).await;
    scene.store.next(Call::Lower, Fault::Waits);
    let last = scene.said("no").await;
    (scene, last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_waits_for_a_store_that_hangs_over_a_re_screen_and_the_level_falls_once_behind_it() {
    let (scene, last) = while_the_store_hangs().await;
    assert_eq!(last["navigation"]["decision"], "safety_answered");
    assert_eq!(scene.said(CALM).await["safety"]["level"], "elevated");
    assert_eq!(scene.turns.tasks.running(), 1, "the store is told once, however many turns come");
    scene.store.go.add_permits(1);
    scene.settled().await;
    assert_eq!((scene.session().await.level, falls(&scene)), (Level::None, 1));
    assert_eq!(scene.said(CALM).await["safety"]["level"], "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_waits_for_the_store_to_be_told_of_a_re_screen() {
    let (scene, _) = while_the_store_hangs().await;
    let let_on = async {
        scene.store.arrived.acquire().await.expect("open").forget();
        scene.turns.tasks.closing().await;
        scene.store.go.add_permits(1);
    };
    let (finished, ()) = tokio::join!(scene.turns.tasks.finish(PATIENCE), let_on);
    assert!(finished);
    assert_eq!(scene.session().await.level, Level::None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_that_comes_while_the_store_hangs_over_a_re_screen_still_voids_it() {
    let (scene, _) = while_the_store_hangs().await;
    scene.store.arrived.acquire().await.expect("open").forget();
    let client = scene.session().await.client;
    let raise = Raise { session: key("s"), client, level: Level::Elevated, why: vec!["test".to_owned()] };
    scene.store.raise(raise).await.expect("there");
    scene.store.go.add_permits(1);
    scene.settled().await;
    assert_eq!((scene.session().await.level, falls(&scene)), (Level::Elevated, 0));
}
