//! Whole conversations over HTTP, from the first words to the end of stage 1.

use serde_json::Value;

use crate::server::Server;

/// What a client who works along would say at a step.
fn cooperative(step: &str) -> &'static str {
    match step {
        "goal" | "goal_redirect" => "I want to feel calm and at ease",
        "vision" => "Yes, I see myself calm and laughing with my daughter, that feels right",
        "permission" => "Yes, that's fine, go ahead",
        "education" => "Yes, that makes sense to me",
        "problem" => "My job has been so stressful, I get anxious and my chest gets tight",
        "seek_body" => "I notice a tightness in my chest",
        "location" => "Right in the middle of my chest",
        "sensation" => "It's a heavy pressure, like a weight",
        "present" => "Yes, I can feel it right now",
        "pattern" => "It happens when my boss calls, I think I will fail and then my chest tightens",
        "readiness" => "No, nothing else, that's everything",
        "alpha_permission" => "Yes, I'd like to try that",
        "alpha" => "I feel calmer now",
        "post_alpha" => "I noticed my shoulders dropped and I feel lighter",
        "link" => "Yes, it feels closer to how I want to be",
        "compare" => "It is much better now, the pressure is nearly gone",
        _ => "Okay",
    }
}

struct Walk {
    turns: Vec<Value>,
    session: Value,
}

/// Talks until the session is completed, `turns_max` at most.
async fn walk(server: &Server, id: &str, turns_max: usize, say: impl Fn(usize, &str) -> String) -> Walk {
    let mut turns = Vec::new();
    let mut step = "goal".to_owned();
    for n in 0..turns_max {
        let turn = server.input(id, &say(n, &step)).await.ok();
        let session = server.session(id).await;
        session["step"].as_str().unwrap_or_default().clone_into(&mut step);
        let completed = turn["status"] == "completed";
        turns.push(turn);
        if completed {
            return Walk { turns, session };
        }
    }
    panic!("not completed after {turns_max} turns: the step is {step}");
}

fn assert_voice(turns: &[Value]) {
    let said: Vec<&str> = turns.iter().filter_map(|turn| turn["therapist_response"].as_str()).collect();
    assert_eq!(said.len(), turns.len());
    for pair in said.windows(2) {
        assert_ne!(pair[0], pair[1], "nothing is said twice in a row");
    }
    for text in said {
        assert!(!text.contains('{') && !text.contains("  ") && !text.is_empty(), "a slot was left open");
    }
}

#[tokio::test]
async fn a_client_who_works_along_finishes_stage_one_with_all_criteria() {
    let server = Server::start().await;
    let walked = walk(&server, "s", 25, |n, step| {
        if n == 0 { "Hello, I'm not sure how this works".to_owned() } else { cooperative(step).to_owned() }
    })
    .await;
    assert!((12..=25).contains(&walked.turns.len()), "{} turns", walked.turns.len());
    assert_voice(&walked.turns);
    let session = &walked.session;
    assert_eq!(
        (session["current_substate"].as_str(), session["status"].as_str()),
        (Some("stage_1_complete"), Some("completed"))
    );
    for (criterion, met) in session["completion_criteria"].as_object().expect("an object") {
        assert_eq!(met, true, "{criterion}");
    }
    let last = walked.turns.last().expect("turns");
    assert_eq!(
        (&last["navigation"]["decision"], &last["navigation"]["rag_query"]),
        (&"transition".into(), &"dr_q_transition".into())
    );
    let mut decisions: Vec<&str> =
        walked.turns.iter().filter_map(|turn| turn["navigation"]["decision"].as_str()).collect();
    decisions.dedup();
    for decision in [
        "clarify_goal",
        "build_vision",
        "ask_permission",
        "provide_education",
        "explore_problem",
        "assess_readiness",
        "ask_alpha_permission",
        "alpha_jaw",
        "link_vision",
        "compare_progress",
    ] {
        assert!(decisions.contains(&decision), "{decision} is missing from {decisions:?}");
    }
}

#[tokio::test]
async fn a_vague_client_comes_to_an_end_within_the_caps() {
    let server = Server::start().await;
    let vague = ["maybe", "I don't know", "sort of", "whatever", "hard to say", "it depends"];
    let walked = walk(&server, "s", 80, |n, _| vague[n % vague.len()].to_owned()).await;
    assert_voice(&walked.turns);
    assert!(walked.session["body_question_count"].as_u64().is_some_and(|count| count <= 6));
}

#[tokio::test]
async fn a_silent_client_comes_to_an_end_within_the_caps() {
    let server = Server::start().await;
    let walked = walk(&server, "s", 80, |n, _| ["", "...", "   "][n % 3].to_owned()).await;
    assert_voice(&walked.turns);
    assert_eq!(walked.session["completion_criteria"]["ready_for_stage_2"], false);
}

#[tokio::test]
async fn a_client_who_refuses_everything_is_never_led_into_the_relaxation() {
    let server = Server::start().await;
    let walked =
        walk(&server, "s", 80, |n, _| ["No", "no, I don't want that", "I am not ready"][n % 3].to_owned())
            .await;
    for turn in &walked.turns {
        let decision = turn["navigation"]["decision"].as_str().unwrap_or_default();
        assert!(!decision.starts_with("alpha_"), "{decision}");
    }
}

#[tokio::test]
async fn a_conversation_goes_on_after_a_restart_with_all_that_it_knew() {
    let mut server = Server::start().await;
    let mut step = "goal".to_owned();
    let mut turns = 0;
    loop {
        let turn = server.input("s", cooperative(&step)).await.ok();
        turns += 1;
        assert_eq!(turn["turn"], turns);
        if turn["status"] == "completed" {
            break;
        }
        let before = (server.session("s").await, server.history("s").await);
        server = server.restart().await;
        assert_eq!((server.session("s").await, server.history("s").await), before);
        step = before.0["step"].as_str().unwrap_or_default().to_owned();
        assert!(turns < 30, "stuck at {step}");
    }
    let criteria = server.session("s").await["completion_criteria"].clone();
    assert!(criteria.as_object().is_some_and(|all| all.values().all(|met| met == true)), "{criteria}");
}

#[tokio::test]
async fn who_asks_whether_it_is_human_is_told_plainly() {
    let server = Server::start().await;
    server.input("s", "hello").await.ok();
    let before = server.session("s").await["step"].clone();
    let turn = server.input("s", "Are you a real person?").await.ok();
    assert_eq!(turn["navigation"]["decision"], "disclose_ai");
    assert!(turn["therapist_response"].as_str().is_some_and(|text| text.contains("AI")));
    assert_eq!(server.session("s").await["step"], before);
}

#[tokio::test]
async fn two_clients_at_once_share_no_step_and_no_counter() {
    let alone = walk(&Server::start().await, "s", 25, |_, step| cooperative(step).to_owned()).await;
    let server = Server::start().await;
    let mut step = "goal".to_owned();
    for turn in &alone.turns {
        let beside = server.input("s", cooperative(&step)).await.ok();
        assert_eq!(
            (&beside["navigation"]["decision"], &beside["session_progress"]),
            (&turn["navigation"]["decision"], &turn["session_progress"])
        );
        step = server.session("s").await["step"].as_str().unwrap_or_default().to_owned();
        // The other one is at other steps, and uses up other counters.
        server.input("other", "hard to say").await.ok();
    }
    assert_eq!(step, "complete");
}
