//! That this is an AI: told at the start, after a week away, after hours of use, and when asked; never ahead of danger.

use std::time::Duration;

use attune::domain::disclosure::{Audience, VERSION};
use serde_json::{Value, json};

use crate::fake::{Reply, Script};
use crate::model_rig::{Scene, Stream, told};
use crate::redis_server::RedisServer;
use crate::server::{Server, start};

const GOAL: &str = "I want to feel calm and confident at work";
const INTENT: &str = "I am going to kill myself tonight";
const MINUTE: Duration = Duration::from_mins(1);

const REMINDERS: &str = include_str!("../../prompts/disclosure/reminders.en.txt");
const REMINDERS_FOR_MINORS: &str = include_str!("../../prompts/disclosure/reminders.en-minor.txt");

fn says(turn: &Value) -> String {
    turn["therapist_response"].as_str().expect("words").to_owned()
}

/// Which of the wordings stands at the head.
fn reminder(turn: &Value, wordings: &'static str) -> Option<&'static str> {
    wordings.lines().find(|line| says(turn).starts_with(line))
}

fn is_told(turn: &Value) -> bool {
    let disclosure = &turn["disclosure"];
    assert!(disclosure.is_null() || (disclosure["ai"] == true && disclosure["version"] == VERSION));
    !disclosure.is_null()
}

#[tokio::test]
async fn it_is_told_once_at_the_start_by_create_or_by_the_first_turn() {
    let server = Server::start().await;
    let created = server.create(&json!({"session_id": "made"})).await.ok();
    assert_eq!(created["disclosure"], json!(Audience::Adult.disclosure()));
    let first = server.input("made", GOAL).await.ok();
    assert_eq!(first["disclosure"], Value::Null, "create has told it");
    let begun = server.input("begun", GOAL).await.ok();
    assert_eq!(begun["disclosure"], json!(Audience::Adult.disclosure()));
    assert_eq!(reminder(&begun, REMINDERS), None, "the app shows it before the first word");
    assert!(!is_told(&server.input("begun", "with my family").await.ok()));
}

/// Turns ten minutes apart, and after how many minutes it is told again.
async fn minutes_until_told(server: &Server, id: &str) -> (u32, Value) {
    for minutes in (10..=400).step_by(10) {
        server.clock.advance(10 * MINUTE);
        let turn = server.input(id, "I don't know").await.ok();
        if is_told(&turn) {
            return (minutes, turn);
        }
        assert_eq!(reminder(&turn, REMINDERS), None);
    }
    panic!("never told");
}

#[tokio::test]
async fn after_three_hours_of_use_it_is_told_again_in_other_words_each_time() {
    let server = Server::start().await;
    server.create(&json!({"session_id": "s"})).await.ok();
    server.input("s", GOAL).await.ok();
    let mut heard = Vec::new();
    for _ in 0..3 {
        let (minutes, turn) = minutes_until_told(&server, "s").await;
        assert_eq!(minutes, 180);
        heard.push(reminder(&turn, REMINDERS).expect("at the head"));
        assert!(says(&turn).len() > heard.last().expect("one").len() + 5, "the reply itself follows");
    }
    assert!(heard[0] != heard[1] && heard[1] != heard[2]);
}

#[tokio::test]
async fn a_minor_is_told_each_hour_in_simpler_words() {
    let server = Server::start().await;
    let created = server.create(&json!({"session_id": "s", "metadata": {"minor": true}})).await.ok();
    assert_eq!(created["disclosure"], json!(Audience::Minor.disclosure()));
    server.input("s", GOAL).await.ok();
    let (minutes, turn) = minutes_until_told(&server, "s").await;
    assert_eq!(minutes, 60);
    assert!(reminder(&turn, REMINDERS_FOR_MINORS).is_some());
    assert_eq!(turn["disclosure"], json!(Audience::Minor.disclosure()));
}

#[tokio::test]
async fn time_away_is_no_use_and_a_week_of_it_is_told() {
    let server = Server::with(&[("SESSION_TTL", "20d")]).await;
    server.input("s", GOAL).await.ok();
    for _ in 0..8 {
        server.clock.advance(31 * MINUTE);
        assert!(!is_told(&server.input("s", "I don't know").await.ok()));
    }
    server.clock.advance(Duration::from_hours(7 * 24) - MINUTE);
    assert!(!is_told(&server.input("s", "I don't know").await.ok()));
    server.clock.advance(Duration::from_hours(7 * 24));
    let back = server.input("s", "I don't know").await.ok();
    assert!(is_told(&back) && reminder(&back, REMINDERS).is_some());
}

#[tokio::test]
async fn a_successor_is_a_start_and_one_after_a_week_is_reminded() {
    let server =
        Server::with(&[("SESSION_TTL", "20d"), ("SESSION_IDLE", "1d"), ("INDEX_SWEEP_MS", "20")]).await;
    for (id, hours, reminded) in [("soon", 25, false), ("late", 8 * 24, true)] {
        server.create(&json!({"session_id": id})).await.ok();
        assert!(!is_told(&server.input(id, GOAL).await.ok()));
        server.clock.advance(Duration::from_hours(hours));
        while server.session(id).await["status"] != "expired" {
            tokio::task::yield_now().await;
        }
        let back = server.input(id, "hello again").await.ok();
        assert_eq!(back["navigation"]["decision"], "welcome_back");
        assert!(is_told(&back), "{id}");
        assert_eq!(reminder(&back, REMINDERS).is_some(), reminded, "{id}");
        assert!(!is_told(&server.input(id, GOAL).await.ok()));
    }
}

/// A server with a session `s` that has been used for three hours when its next turn comes.
async fn after_three_hours() -> Server {
    let server = Server::start().await;
    server.create(&json!({"session_id": "s"})).await.ok();
    server.input("s", GOAL).await.ok();
    for _ in 0..17 {
        server.clock.advance(10 * MINUTE);
        server.input("s", "I don't know").await.ok();
    }
    server.clock.advance(10 * MINUTE);
    server
}

#[tokio::test]
async fn whoever_asks_is_told_and_the_hours_begin_anew() {
    let server = after_three_hours().await;
    let asked = server.input("s", "are you a human?").await.ok();
    assert_eq!(asked["navigation"]["decision"], "disclose_ai");
    assert!(is_told(&asked));
    assert_eq!(reminder(&asked, REMINDERS), None, "the answer says it already");
    assert_eq!(minutes_until_told(&server, "s").await.0, 180);
}

#[tokio::test]
async fn nothing_stands_ahead_of_the_crisis_dialogue_and_the_hours_count_as_told() {
    let server = after_three_hours().await;
    let crisis = server.input("s", INTENT).await.ok();
    assert_eq!(crisis["responder"], "crisis");
    assert!(is_told(&crisis));
    assert!(REMINDERS.lines().all(|line| !says(&crisis).contains(line)));
    let next = server.input("s", "ok").await.ok();
    assert!(!is_told(&next));
    let fresh = server.input("fresh", INTENT).await.ok();
    assert!(is_told(&fresh) && REMINDERS.lines().all(|line| !says(&fresh).contains(line)));
}

/// What stands behind all other parts of a reply.
fn last_part(turn: &Value) -> String {
    says(turn).rsplit("\n\n").next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_long_crisis_dialogue_says_it_again_behind_its_words_whenever_it_counts_as_told() {
    let server = Server::start().await;
    server.create(&json!({"session_id": "s"})).await.ok();
    server.input("s", INTENT).await.ok();
    for round in 0..2 {
        let (minutes, turn) = minutes_until_told(&server, "s").await;
        assert_eq!((minutes, &turn["responder"]), (180, &json!("crisis")), "{round}");
        assert!(last_part(&turn).contains("AI"), "{}", says(&turn));
        assert!(says(&turn).contains("\n\n"), "it does not stand alone");
    }
}

#[tokio::test]
async fn a_question_at_elevated_says_it_behind_its_words_where_it_is_due() {
    let server = Server::with(&[("SESSION_TTL", "20d")]).await;
    server.input("s", GOAL).await.ok();
    server.clock.advance(Duration::from_hours(8 * 24));
    let asked = server.input("s", "I wish I was dead").await.ok();
    assert_eq!(asked["navigation"]["decision"], "safety_question");
    assert!(is_told(&asked) && last_part(&asked).contains("AI"), "{}", says(&asked));
    assert!(!is_told(&server.input("s", "no").await.ok()), "it was told");
}

#[tokio::test]
async fn a_paused_session_is_reminded_too_and_a_repeat_says_the_same() {
    let server = Server::with(&[("SESSION_TTL", "20d")]).await;
    server.input("s", GOAL).await.ok();
    server.post("/session/s/pause", &json!({})).await.ok();
    server.clock.advance(Duration::from_hours(8 * 24));
    let held = server.input_with_key("s", "hello", "k").await.ok();
    assert_eq!(held["navigation"]["decision"], "hold");
    assert!(is_told(&held) && reminder(&held, REMINDERS).is_some());
    let again = server.input_with_key("s", "hello", "k").await.ok();
    let read = server.get("/session/s/turn/2").await.ok();
    for field in ["therapist_response", "disclosure"] {
        assert_eq!((&again[field], &read[field]), (&held[field], &held[field]), "{field}");
    }
    assert_eq!(server.history("s").await[0]["therapist_response"], held["therapist_response"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_model_the_reminder_goes_out_with_the_first_sentence() {
    let words = "I hear how much that matters. What would you notice first on such a day?";
    let script = Script { reply: Reply::always(words), ..Script::default() };
    let scene = Scene::with(script, &[("SESSION_TTL", "20d")]).await;
    let server = &scene.server;
    server.input("s", GOAL).await.ok();
    server.clock.advance(Duration::from_hours(8 * 24));
    let events = Stream::open(server, "s", "I see myself laughing", &[]).await.rest().await;
    let (text, turn) = told(&events);
    let head = reminder(&turn, REMINDERS).expect("at the head");
    assert_eq!((text.as_str(), says(&turn)), (format!("{head} {words}").as_str(), text.clone()));
    assert!(events[0].text().starts_with(&format!("{head} I hear")), "no delta of its own");
    assert_eq!(turn["responder"], "model");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_fails_leaves_the_reminder_before_the_scripts_words() {
    let script = Script { reply: Reply::always(""), ..Script::default() };
    let scene = Scene::with(script, &[("SESSION_TTL", "20d")]).await;
    scene.server.input("s", GOAL).await.ok();
    scene.server.clock.advance(Duration::from_hours(8 * 24));
    let turn = scene.server.input("s", "I see myself laughing").await.ok();
    assert_eq!(turn["responder"], "scripted");
    let head = reminder(&turn, REMINDERS).expect("at the head");
    assert_eq!(says(&turn).matches(head).count(), 1);
}

#[tokio::test]
async fn what_was_told_is_known_after_a_restart() {
    let server = Server::start().await;
    server.input("s", GOAL).await.ok();
    let server = server.restart().await;
    assert!(!is_told(&server.input("s", "I don't know").await.ok()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hours_are_counted_over_two_servers() {
    let redis = RedisServer::with_clock(start());
    let first = Server::with(&[("REDIS_URL", redis.url().as_str())]).await;
    let second = first.another().await;
    first.create(&json!({"session_id": "s", "metadata": {"minor": true}})).await.ok();
    let mut told = Vec::new();
    for turn in 0..7 {
        let server = if turn % 2 == 0 { &first } else { &second };
        told.push(is_told(&server.input("s", GOAL).await.ok()));
        redis.wind(10 * MINUTE);
        first.clock.advance(10 * MINUTE);
    }
    assert_eq!(told, [false, false, false, false, false, false, true]);
}
