//! A model writes the replies: what it is told, what it may decide, and what of its words goes out.

use serde_json::Value;

use crate::fake::{Pieces, Reply, Script};
use crate::model_rig::{Api, Pair, Scene, is_choice, messages, replies};

const GOAL: &str = "I want to feel calm and confident at work";
/// The script answers it with a question.
const HELLO: &str = "hello there";

fn saying(text: &str) -> Script {
    Script { reply: Reply::always(text), ..Script::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_writes_the_reply_to_what_the_rules_decided() {
    for api in Api::BOTH {
        let scene = Scene::over(api, saying("I hear that. What would that look like?"), &[]).await;
        let turn = scene.server.input("s", GOAL).await.ok();
        assert_eq!(turn["therapist_response"], "I hear that. What would that look like?", "{api:?}");
        assert_eq!(turn["responder"], "model");
        assert_eq!(turn["navigation"]["decision"], "build_vision");
        assert_eq!(turn["context"]["fallback"], Value::Null);
        assert!(
            turn["model_ms"].as_f64() > Some(0.0) && turn["context"]["prompt_tokens"].as_u64() > Some(100)
        );
        let passages = turn["navigation"]["passages"].as_array().expect("a list");
        assert_eq!(passages.len(), 3, "examples are named");
        let system = &messages(&scene.asked()[0])[0];
        assert_eq!(system.0, "system");
        assert!(!system.1.contains("confident at work"), "a client's words are a message of their own");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recent_exchanges_and_the_whole_system_prompt_reach_the_model_also_after_a_restart() {
    let Scene { fake, server } = Scene::with(saying("What comes next?"), &[]).await;
    for n in 1..=3 {
        server.input("s", &format!("I want to feel calm, number {n}")).await.ok();
    }
    let server = server.restart().await;
    server.input("s", "I want to feel calm, number 4").await.ok();
    let seen = replies(fake.requests());
    let last = messages(seen.last().expect("asked"));
    let roles: Vec<&str> = last.iter().map(|(role, _)| role.as_str()).collect();
    let conversation = ["user", "assistant"].repeat(3);
    assert_eq!(roles, [&["system"], conversation.as_slice(), &["user"]].concat());
    for n in 1..=4 {
        assert!(last[n * 2 - 1].1.ends_with(&format!("number {n}")), "in order");
    }
    assert!(last[0].1.contains("What Attune never does") && last[0].1.ends_with("reply alone.\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recent_exchanges_reach_the_model_through_every_server_on_redis() {
    let pair = Pair::with(saying("What comes next?"), &[]).await;
    for n in 1..=6 {
        let turn = pair.servers[n % 2].input("s", &format!("I want to feel calm, number {n}")).await.ok();
        assert_eq!(turn["responder"], "model");
        let asked = replies(pair.fake.requests());
        let last = messages(asked.last().expect("asked"));
        assert_eq!(last.len(), 2 * n, "the system, {} exchanges and the client's words", n - 1);
        assert_eq!(turn["context"]["exchanges_seen"], n - 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_that_does_not_fit_loses_its_oldest_exchanges_and_says_so() {
    let scene = Scene::with(saying("Go on."), &[("MODEL_CONTEXT_TOKENS", "2048")]).await;
    let long = |n: usize| format!("I want to feel calm, number {n} {}", "and so on ".repeat(60));
    let mut turns = Vec::new();
    for n in 1..=8 {
        turns.push(scene.server.input("s", &long(n)).await.ok());
    }
    let (first, last) = (&turns[0], &turns[7]);
    assert_eq!(
        (first["context"]["truncated"].clone(), last["context"]["truncated"].clone()),
        (false.into(), true.into())
    );
    let seen = last["context"]["exchanges_seen"].as_u64().expect("a number");
    assert!((1..7).contains(&seen), "{seen}");
    assert_eq!(last["context"]["exchanges_total"], 7);
    let asked = scene.asked();
    let prompt = messages(asked.last().expect("asked"));
    assert!(prompt[1].1.contains(&format!("number {} ", 8 - seen)), "the latest are kept");
    let whole = |prompt: &[(String, String)]| prompt[0].1.len();
    assert!(whole(&prompt) > 2_000 && prompt[0].1.ends_with("reply alone.\n"));
    for seen in &asked {
        let tokens: usize = messages(seen).iter().map(|(_, text)| text.len().div_ceil(4) + 4).sum();
        assert!(tokens <= 2_048 - 200, "by the fake's own count nothing has to be cut");
        assert_eq!(seen.body.as_ref().expect("JSON")["options"]["num_ctx"], 2_048);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cuts_silently_raises_the_alarm() {
    let scene = Scene::with(saying("Go on."), &[]).await;
    for n in 1..=3 {
        let turn = scene.server.input("s", &format!("I want to feel calm, number {n}")).await.ok();
        assert_eq!(turn["context"]["truncated"], false);
    }
    scene.fake.change(|script| script.cuts_at = Some(400));
    let turn = scene.server.input("s", "I want to feel calm, number 4").await.ok();
    assert_eq!(
        (turn["context"]["truncated"].clone(), turn["context"]["prompt_tokens"].clone()),
        (true.into(), 400.into())
    );
    let metrics = String::from_utf8(scene.server.get("/metrics").await.bytes).expect("text");
    assert!(metrics.contains("attune_model_prompts_cut_total 1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_choice_is_the_models_within_the_closed_list() {
    const UNREAD: &str = "Mondays are a long grey corridor";
    let settled = async |choice: Option<&str>| {
        let script = Script { choice: choice.map(str::to_owned), ..saying("Tell me more.") };
        let scene = Scene::with(script, &[]).await;
        scene.server.input("s", "hello").await.ok();
        let turn = scene.server.input("s", UNREAD).await.ok();
        let sorted: Vec<_> = scene.fake.requests().into_iter().filter(is_choice).collect();
        assert_eq!(sorted.len(), 1, "asked once");
        let texts: Vec<String> = messages(&sorted[0]).into_iter().map(|(_, text)| text).collect();
        assert!(!texts[0].contains("Mondays") && texts[2] == UNREAD);
        (turn["navigation"].clone(), scene.server.session("s").await["step"].clone())
    };
    let (navigation, step) = settled(Some("goal_told")).await;
    assert_eq!((navigation["decision"].as_str(), step.as_str()), (Some("build_vision"), Some("vision")));
    assert!(navigation["reasoning"].as_str().expect("text").ends_with("a model read the answer"));
    let (by_rule, stays) = settled(Some("neither")).await;
    for wrong in ["stage_1_complete", "", "goal_told; transition", "GOAL_TOLD"] {
        let (navigation, step) = settled(Some(wrong)).await;
        assert_eq!((&navigation["decision"], &step), (&by_rule["decision"], &stays), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_be_said_plainly_is_left_to_the_script() {
    let scene = Scene::with(saying("I am a person like you."), &[]).await;
    let turn = scene.server.input("s", "are you human?").await.ok();
    assert_eq!(
        (turn["responder"].as_str(), turn["navigation"]["decision"].as_str()),
        (Some("scripted"), Some("disclose_ai"))
    );
    let crisis = scene.server.input("s", "I want to kill myself").await.ok();
    assert_eq!(crisis["responder"], "crisis");
    let after = scene.server.input("s", "I don't want to talk about it").await.ok();
    assert_eq!(after["responder"], "crisis", "no model's text while safety holds the session");
    assert!(scene.asked().is_empty(), "no model was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forbidden_reply_is_asked_for_once_more_and_then_the_script_speaks() {
    let good = "I hear you. What would calm feel like?";
    let bad = "You should stop taking your pills. What else?";
    let listed = |replies: &[&str]| Script {
        reply: Reply::Listed(replies.iter().map(|&reply| reply.to_owned()).collect()),
        ..Script::default()
    };
    let scene = Scene::with(listed(&[bad, good]), &[]).await;
    let turn = scene.server.input("s", GOAL).await.ok();
    assert_eq!(
        (turn["therapist_response"].as_str(), turn["responder"].as_str()),
        (Some(good), Some("model"))
    );
    let scene = Scene::with(listed(&[bad, bad, good]), &[]).await;
    let turn = scene.server.input("s", GOAL).await.ok();
    assert_eq!(
        (turn["responder"].as_str(), turn["context"]["fallback"].as_str()),
        (Some("scripted"), Some("rail_medicine"))
    );
    assert_eq!(scene.asked().len(), 2);
    assert!(!turn["therapist_response"].as_str().expect("text").contains("pills"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forbidden_behind_released_words_is_dropped_and_the_script_ends_the_reply() {
    let words = "I hear how much that weighs. You should stop taking your pills. What else?";
    let scene = Scene::with(saying(words), &[]).await;
    let turn = scene.server.input("s", HELLO).await.ok();
    let reply = turn["therapist_response"].as_str().expect("text");
    assert!(reply.starts_with("I hear how much that weighs. ") && !reply.contains("pills"), "{reply}");
    assert!(reply.ends_with('?'), "the script's question: {reply}");
    assert_eq!(
        (turn["responder"].as_str(), turn["context"]["fallback"].as_str()),
        (Some("model"), Some("rail_medicine"))
    );
    assert_eq!(scene.asked().len(), 1, "what is out is not asked for again");
    let metrics = String::from_utf8(scene.server.get("/metrics").await.bytes).expect("text");
    assert!(metrics.contains("attune_rail_hits_total{class=\"medicine\"} 1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_is_kept_while_a_model_takes_its_time() {
    let slow = || Script { delay: std::time::Duration::from_millis(900), ..saying("Take your time.") };
    let variables = [("LOCK_TTL_MS", "200"), ("LOCK_WAIT_MS", "5000")];
    let scene = Scene::with(slow(), &variables).await;
    let pair = Pair::with(slow(), &variables).await;
    for server in [&scene.server, &pair.servers[0]] {
        let (first, second) = tokio::join!(server.input("s", GOAL), server.input("s", "Yes, that fits"));
        let mut turns = [first.ok()["turn"].as_u64(), second.ok()["turn"].as_u64()];
        turns.sort_unstable();
        assert_eq!(turns, [Some(1), Some(2)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_in_danger_does_not_wait_for_a_model() {
    let slow = || Script { delay: std::time::Duration::from_secs(8), ..saying("Take your time.") };
    let scene = Scene::with(slow(), &[]).await;
    let pair = Pair::with(slow(), &[]).await;
    let places =
        [(&scene.fake, &scene.server, &scene.server), (&pair.fake, &pair.servers[0], &pair.servers[1])];
    for (fake, one, other) in places {
        let busy = one.input("s", GOAL);
        let danger = async {
            fake.wait_for(|seen| seen.iter().any(|seen| !messages(seen).is_empty())).await;
            other.input("s", "I am going to kill myself tonight").await.ok()
        };
        let (first, danger) = tokio::join!(busy, danger);
        assert_eq!(
            (danger["responder"].as_str(), danger["safety"]["level"].as_str()),
            (Some("crisis"), Some("crisis"))
        );
        // What was asked for before is answered with the crisis dialogue too: the level had risen by then.
        assert_eq!(first.ok()["responder"], "crisis");
        fake.wait_for(|seen| seen.iter().all(|seen| !seen.is_running())).await;
        crate::model_rig::until("both are stored", async || one.history("s").await.len() == 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_metrics_tell_of_the_models() {
    let mut scene = Scene::with(saying("Go on."), &[]).await;
    scene.server.input("s", GOAL).await.ok();
    let health = scene.server.get("/health").await.ok();
    assert_eq!(
        (health["status"].as_str(), health["services"]["ollama"].as_str()),
        (Some("healthy"), Some("connected"))
    );
    assert_eq!(
        (health["services"]["rag"].as_str(), health["services"]["openai"].as_str()),
        (Some("ready"), Some("not_configured"))
    );
    scene.fake.stop().await;
    for n in 0..6 {
        let turn = scene.server.input("s", &format!("I want calm {n}")).await.ok();
        assert_eq!(turn["responder"], "scripted");
    }
    let health = scene.server.get("/health").await.ok();
    assert_eq!(
        (health["status"].as_str(), health["services"]["ollama"].as_str()),
        (Some("degraded"), Some("disconnected"))
    );
    assert_eq!(health["models"]["servers"][0]["state"], "open");
    let metrics = String::from_utf8(scene.server.get("/metrics").await.bytes).expect("text");
    for line in [
        "attune_model_fallbacks_total{cause=\"away\"}",
        "attune_model_tokens_total{kind=\"reply\"}",
        "attune_model_first_token_seconds_count 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    scene.fake.restart().await;
    crate::model_rig::until("the model is asked again", async || {
        scene.server.get("/health").await.json()["status"] == "healthy"
    })
    .await;
    assert_eq!(scene.server.input("s", GOAL).await.ok()["responder"], "model");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deltas_go_out_sentence_by_sentence_whatever_the_chunks_are() {
    let words = "I hear you. It sounds heavy! What would you like instead?";
    for pieces in [Pieces::Tokens, Pieces::Chars, Pieces::Whole] {
        let scene = Scene::with(Script { pieces, ..saying(words) }, &[]).await;
        let mut stream = crate::model_rig::Stream::open(&scene.server, "s", GOAL, &[]).await;
        let (text, turn) = crate::model_rig::told(&stream.rest().await);
        assert_eq!((text.as_str(), turn["therapist_response"].as_str()), (words, Some(words)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_model_holds_up_no_other_session_and_no_probe() {
    let scene =
        Scene::with(Script { delay: std::time::Duration::from_secs(2), ..saying("Go on.") }, &[]).await;
    let sessions: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    let began = std::time::Instant::now();
    let turns =
        futures_util::future::join_all(sessions.iter().map(|session| scene.server.input(session, GOAL)));
    let probes = async {
        scene.fake.wait_for(|seen| seen.iter().filter(|seen| seen.is_running()).count() == 20).await;
        for path in ["/health", "/livez", "/readyz"] {
            scene.server.get(path).await.ok();
        }
        scene.fake.generations()
    };
    let (turns, at_work_meanwhile) = tokio::join!(turns, probes);
    assert_eq!(at_work_meanwhile, 20, "all at once, and probes are answered meanwhile");
    assert!(turns.iter().all(|turn| turn.json()["responder"] == "model"));
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "not one after the other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examples_are_found_by_meaning_where_a_model_for_that_is_named() {
    let scene = Scene::with(saying("Go on."), &[("EMBED_MODEL", "nomic-embed-text")]).await;
    let embedded = |seen: &crate::fake::Seen| {
        let body = seen.body.clone().unwrap_or_default();
        if seen.path == "/api/embed" { body["input"].as_array().map_or(0, Vec::len) } else { 0 }
    };
    let corpus = include_str!("../../prompts/corpus/en.jsonl").lines().count();
    scene
        .fake
        .wait_for(|seen| {
            seen.iter().map(embedded).sum::<usize>() >= corpus && seen.iter().all(|seen| !seen.is_running())
        })
        .await;
    crate::model_rig::until("a query is embedded", async || {
        let before = scene.fake.requests().iter().map(embedded).sum::<usize>();
        let turn = scene.server.input("s", &format!("I want to feel calm, number {before}")).await.ok();
        assert_eq!(turn["navigation"]["passages"].as_array().map(Vec::len), Some(3));
        scene.fake.requests().iter().map(embedded).sum::<usize>() > before
    })
    .await;
}
