//! Everything that can go wrong with a model's server: a full answer comes in time all the same, says honestly who wrote
//! it, and nothing is left behind.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fake::{FLOOD_BYTES, Fault, Reply, Script};
use crate::model_rig::{Api, Pair, Scene, messages, until};
use crate::server::Server;

const GOAL: &str = "I want to feel calm and confident at work";
/// The script answers it with a question.
const HELLO: &str = "hello there";
const WORDS: &str = "I hear how much that matters to you. What would you notice first on such a day?";
const TIMES: [(&str, &str); 4] = [
    ("MODEL_FIRST_CHUNK_MS", "400"),
    ("MODEL_BETWEEN_MS", "300"),
    ("MODEL_TOTAL_MS", "1500"),
    ("TURN_DEADLINE_MS", "4000"),
];

fn script(fault: Fault) -> Script {
    Script { reply: Reply::always(WORDS), fault: Some(fault), ..Script::default() }
}

/// What follows from the rules alone.
fn course(turn: &Value) -> [Value; 4] {
    [
        turn["navigation"]["decision"].clone(),
        turn["session_progress"].clone(),
        turn["safety"]["level"].clone(),
        turn["status"].clone(),
    ]
}

async fn answered(server: &Server, fault: Fault, api: Api) -> Value {
    let began = Instant::now();
    let turn = server.input("s", GOAL).await.ok();
    assert!(began.elapsed() < Duration::from_secs(4), "{fault} over {api:?}: within the turn's deadline");
    turn
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_models_server_leaves_a_whole_honest_answer_and_nothing_behind() {
    let twin = Server::start().await;
    let by_rule = twin.input("s", GOAL).await.ok();
    let next_by_rule = twin.input("s", "Yes, that fits").await.ok();
    for api in Api::BOTH {
        for fault in Fault::ALL {
            let mut scene = Scene::over(api, script(fault), &TIMES).await;
            let turn = answered(&scene.server, fault, api).await;
            assert_eq!(
                course(&turn),
                course(&by_rule),
                "{fault} over {api:?}: step and level are the rules'"
            );
            let reply = turn["therapist_response"].as_str().expect("text");
            assert!(reply.len() > 20 && reply.ends_with(['.', '?', '!']), "{fault} over {api:?}: {reply}");
            match turn["responder"].as_str() {
                Some("scripted") => assert!(turn["context"]["fallback"].is_string(), "{fault} over {api:?}"),
                Some("model") if turn["context"]["fallback"].is_null() => assert_eq!(reply, WORDS, "{fault}"),
                Some("model") => {
                    assert!(reply.starts_with("I hear how much"), "{fault} over {api:?}: {reply}");
                }
                other => panic!("{fault} over {api:?}: {other:?}"),
            }
            // The session is free at once, and the model when it is well again.
            scene.fake.fail(None);
            let next = scene.server.input("s", "Yes, that fits").await.ok();
            assert_eq!((next["turn"].clone(), course(&next)), (2.into(), course(&next_by_rule)), "{fault}");
            until("no reply is written any more", async || scene.fake.generations() == 0).await;
            let seen = scene.fake.requests();
            assert!(seen.iter().all(|seen| seen.sent_bytes < FLOOD_BYTES), "{fault}: a flood is not read");
            scene.server.stop().await;
            scene.fake.wait_for_connections(0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_sound_in_spite_of_it_all_is_the_models() {
    let sound = [
        Fault::FirstFail,
        Fault::ThinkingThenReply,
        Fault::InlineThinking,
        Fault::NullContent,
        Fault::WrongContentType,
    ];
    for fault in sound {
        let scene = Scene::with(
            Script { after: 1, thinking: Some("SECRET THOUGHT".to_owned()), ..script(fault) },
            &TIMES,
        )
        .await;
        let turn = answered(&scene.server, fault, Api::Ollama).await;
        assert_eq!(
            (turn["responder"].as_str(), turn["therapist_response"].as_str()),
            (Some("model"), Some(WORDS)),
            "{fault}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_away_or_slow_costs_no_session_its_lease_on_redis() {
    for fault in [Fault::StallBeforeHeaders, Fault::StallMidStream, Fault::Status(500), Fault::CutConnection]
    {
        let variables: Vec<_> = TIMES.into_iter().chain([("LOCK_TTL_MS", "200")]).collect();
        let pair = Pair::with(script(fault), &variables).await;
        for n in 1..=4_u64 {
            let turn = pair.servers[usize::from(n % 2 == 0)].input("s", GOAL).await.ok();
            assert_eq!(turn["turn"], n, "{fault}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sentence_after_a_cut_is_the_scripts_question() {
    let scene = Scene::with(Script { after: 12, ..script(Fault::CutConnection) }, &TIMES).await;
    let turn = scene.server.input("s", HELLO).await.ok();
    let reply = turn["therapist_response"].as_str().expect("text");
    let (first, rest) = reply.split_once(". ").expect("two sentences");
    assert_eq!(first, "I hear how much that matters to you");
    assert!(rest.ends_with('?') && !WORDS.contains(rest), "{rest}");
    assert_eq!(
        (turn["responder"].as_str(), turn["context"]["fallback"].as_str()),
        (Some("model"), Some("cut"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_may_be_written_at_once_wait_and_more_than_may_wait_are_answered_by_the_script() {
    let slow = Script { delay: Duration::from_millis(700), ..script(Fault::NullContent) };
    let slow = Script { fault: None, ..slow };
    let scene = Scene::with(slow, &[("MODEL_PARALLEL", "2"), ("MODEL_QUEUE", "2")]).await;
    let texts: Vec<String> = (0..6).map(|n| format!("s{n}")).collect();
    let turns =
        futures_util::future::join_all(texts.iter().map(|session| scene.server.input(session, GOAL))).await;
    let turns: Vec<Value> = turns.iter().map(crate::server::Answer::ok).collect();
    let by_model = turns.iter().filter(|turn| turn["responder"] == "model").count();
    let turned_away = turns.iter().filter(|turn| turn["context"]["fallback"] == "queue_full").count();
    assert_eq!((by_model, turned_away), (4, 2));
    assert_eq!(scene.fake.generations_peak(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_answers_the_turns_that_wait_for_a_model() {
    let slow = Script { delay: Duration::from_secs(30), ..script(Fault::NullContent) };
    let mut scene = Scene::with(Script { fault: None, ..slow }, &[("SHUTDOWN_MS", "3000")]).await;
    let request = scene.server.request(reqwest::Method::POST, "/api/v1/input");
    let body = serde_json::json!({ "session_id": "s", "user_input": GOAL });
    let waiting = tokio::spawn(request.json(&body).send());
    scene.fake.wait_for(|seen| seen.iter().any(|seen| !messages(seen).is_empty())).await;
    scene.server.stop().await;
    let turn: Value = waiting.await.expect("no panic").expect("answered").json().await.expect("JSON");
    assert_eq!(
        (turn["responder"].as_str(), turn["context"]["fallback"].as_str()),
        (Some("scripted"), Some("hurried"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_too_long_ends_with_the_scripts_question_unless_it_has_asked_its_own() {
    let long = "I hear how much that matters to you. There is a lot in it that one could look at. ".repeat(8);
    let asked = format!("{WORDS} {long}");
    for (reply, fallback) in [(long, Some("endless")), (asked, Some("endless"))] {
        let script = Script { reply: Reply::always(&reply), ..Script::default() };
        let scene = Scene::with(script, &[("MODEL_REPLY_TOKENS", "64")]).await;
        let turn = scene.server.input("s", HELLO).await.ok();
        let said = turn["therapist_response"].as_str().expect("text");
        assert!(said.starts_with("I hear how much that matters to you.") && said.ends_with('?'), "{said}");
        assert_eq!(
            (turn["responder"].as_str(), turn["context"]["fallback"].as_str()),
            (Some("model"), fallback)
        );
    }
}
