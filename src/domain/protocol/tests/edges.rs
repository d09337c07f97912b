//! Every step and every way out of it, as the therapy's table has them.

use super::*;

/// At a step whose question was asked once: what is said, and where that leads.
const EDGES: &[(&str, &str, &str)] = &[
    ("goal", "I want to feel calm", "vision"),
    ("goal", "peace", "vision"),
    ("goal", "I wish I could sleep", "vision"),
    ("goal", "to feel better", "vision"),
    ("goal", "I feel anxious all the time", "goal_redirect"),
    ("goal", "my chest is tight", "goal_redirect"),
    ("goal", "My husband keeps criticising me and I feel worthless", "goal_redirect"),
    ("goal", "My daughter died last year and I cry every day", "goal_redirect"),
    ("goal", "not feeling great", "goal"),
    ("goal", "hello", "goal"),
    ("goal_redirect", "I'd like more confidence", "vision"),
    ("goal_redirect", "but I can't sleep", "goal_redirect"),
    ("goal_redirect", "the weather is grey", "goal_redirect"),
    ("vision", "yes", "permission"),
    ("vision", "yes that would be good", "permission"),
    ("vision", "I would be laughing with my children", "permission"),
    ("vision", "I can't picture that", "vision"),
    ("vision", "hmm well", "vision"),
    ("permission", "yes please", "education"),
    ("permission", "no", "permission"),
    ("permission", "perhaps", "permission"),
    ("education", "that makes sense", "problem"),
    ("education", "that does not make sense", "education"),
    ("education", "I don't understand", "education"),
    ("problem", "my boss shouts and my stomach hurts", "location"),
    ("problem", "a knot in the chest", "location"),
    ("problem", "the divorce", "seek_body"),
    ("problem", "no", "seek_body"),
    ("seek_body", "my shoulders get tight", "location"),
    ("seek_body", "sure", "location"),
    ("seek_body", "nothing", "seek_body"),
    ("location", "in my throat", "sensation"),
    ("location", "a lump in my throat", "present"),
    ("location", "somewhere", "location"),
    ("sensation", "it is burning", "present"),
    ("sensation", "just there", "sensation"),
    ("present", "yes, it is there", "pattern"),
    ("present", "no, it's gone", "present"),
    ("pattern", "when my boss comes in", "readiness"),
    ("pattern", "just so", "pattern"),
    ("readiness", "no, that's all", "alpha_permission"),
    ("readiness", "there is also a pressure in my head", "location"),
    ("readiness", "blue", "readiness"),
    ("alpha_permission", "yes", "alpha"),
    ("alpha_permission", "no", "alpha_permission"),
    ("alpha_permission", "I am not ready", "alpha_permission"),
    ("alpha_permission", "maybe", "alpha_permission"),
    ("alpha_permission", "it is broken", "alpha_permission"),
    ("alpha_permission", "yes but not now", "alpha_permission"),
    ("alpha", "calmer", "alpha"),
    ("alpha", "more tense", "alpha"),
    ("alpha", "stop", "compare"),
    ("alpha", "I don't want to do this any more", "compare"),
    ("post_alpha", "warmth", "link"),
    ("link", "it is near", "compare"),
    ("compare", "much better", "complete"),
    ("compare", "the same", "location"),
    ("compare", "it's worse", "location"),
    ("compare", "blue", "compare"),
];

#[test]
fn every_answer_leads_where_the_table_says() {
    let room = Room::stage_1();
    for &(step, text, to) in EDGES {
        let decision = room.decide(&room.asked(step), text);
        assert_eq!(decision.place.step, to, "at {step}: {text:?}; {}", decision.reasoning);
    }
}

/// With all of a step's questions asked, an answer that says nothing.
const WAYS_OUT: &[(&str, &str)] = &[
    ("goal", "vision"),
    ("goal_redirect", "vision"),
    ("vision", "permission"),
    ("permission", "education"),
    ("education", "problem"),
    ("problem", "seek_body"),
    ("seek_body", "readiness"),
    ("location", "sensation"),
    ("sensation", "present"),
    ("present", "pattern"),
    ("pattern", "readiness"),
    ("readiness", "alpha_permission"),
    ("alpha_permission", "compare"),
    ("post_alpha", "link"),
    ("link", "compare"),
    ("compare", "complete"),
];

#[test]
fn every_step_has_its_cap_and_its_way_out() {
    let room = Room::stage_1();
    for &(step, to) in WAYS_OUT {
        let asks = room.protocol.step(step).expect("a step").parts[0].asks.len();
        let mut place = room.asked(step);
        for _ in 1..asks {
            place = room.decide(&place, "maybe").place;
            assert_eq!(place.step, step, "left before its cap");
        }
        assert_eq!(room.decide(&place, "maybe").place.step, to, "{step}");
    }
}

/// The wire's names for what each step does when it is entered.
const WIRE: &[(&str, &str, &str, Option<&str>)] = &[
    ("goal", "1.1_goal_and_vision", "clarify_goal", Some("dr_q_goal_clarification")),
    ("goal_redirect", "1.1_goal_and_vision", "clarify_goal", Some("dr_q_redirect_outcome")),
    ("vision", "1.1_goal_and_vision", "build_vision", Some("dr_q_future_self_vision_building")),
    ("permission", "1.1_goal_and_vision", "ask_permission", Some("dr_q_permission")),
    ("education", "1.1.5_psycho_education", "provide_education", Some("dr_q_psycho_education")),
    ("problem", "1.2_problem_and_body", "explore_problem", Some("dr_q_problem_construction")),
    (
        "seek_body",
        "1.2_problem_and_body",
        "body_awareness_inquiry",
        Some("dr_q_body_symptom_present_moment_inquiry"),
    ),
    ("location", "1.2_problem_and_body", "body_location", Some("dr_q_location")),
    ("sensation", "1.2_problem_and_body", "body_symptoms_exploration", Some("dr_q_sensation")),
    ("present", "1.2_problem_and_body", "present_moment_focus", Some("dr_q_present_moment")),
    ("pattern", "1.2_problem_and_body", "pattern_inquiry", Some("dr_q_how_do_you_know_technique")),
    ("readiness", "3.1_assess_readiness", "assess_readiness", Some("dr_q_ready")),
    ("alpha_permission", "3.1.5_alpha_permission", "ask_alpha_permission", Some("dr_q_alpha_intro")),
    ("alpha", "3.2_alpha_sequence", "alpha_jaw", None),
    ("post_alpha", "3.4_post_alpha", "ask_experience", Some("dr_q_post_alpha")),
    ("link", "3.5_link_vision", "link_vision", Some("dr_q_link")),
    ("compare", "3.6_compare_progress", "compare_progress", Some("dr_q_compare")),
    ("complete", "stage_1_complete", "transition", Some("dr_q_transition")),
];

#[test]
fn the_eighteen_steps_have_the_wires_names() {
    let protocol = stage_1();
    let steps: Vec<_> = protocol
        .steps()
        .iter()
        .map(|step| {
            let part = &step.parts[0];
            (step.name.as_str(), step.substate.as_str(), part.decision.as_str(), part.label.as_deref())
        })
        .collect();
    assert_eq!(steps, WIRE);
}

#[test]
fn a_first_word_is_read_at_the_start_and_a_greeting_is_asked_for_the_goal() {
    let room = Room::stage_1();
    let start = room.protocol.start();
    assert_eq!(room.decide(&start, "I want to feel calm").place.step, "vision");
    for text in ["hello", "", "I don't know"] {
        let decision = room.decide(&start, text);
        assert_eq!(
            (decision.place.step.as_str(), decision.texts),
            ("goal", vec!["goal".to_owned()]),
            "{text:?}"
        );
    }
}

#[test]
fn something_new_without_a_place_is_asked_for_afresh() {
    let room = Room::stage_1();
    let mut place = room.asked("readiness");
    place.facts.insert("body_place".to_owned(), "face".to_owned());
    let asked = room.decide(&place, "yes");
    assert_eq!(asked.texts, ["round_opens", "location_new"]);
    assert!(!asked.place.facts.contains_key("body_place"));
}

#[test]
fn a_vague_goal_is_made_concrete_before_it_is_pictured() {
    let room = Room::stage_1();
    let vague = room.decide(&room.asked("goal"), "I want to feel better");
    assert_eq!(vague.texts, ["vision_concrete"]);
    let concrete = room.decide(&vague.place, "I want to sleep at night");
    assert_eq!((concrete.place.step.as_str(), concrete.texts), ("vision", vec!["vision".to_owned()]));
    assert_eq!(concrete.place.facts["goal"], "to sleep at night");
}

#[test]
fn vague_answers_leave_the_vision_after_its_cap() {
    let room = Room::stage_1();
    let last = room.walk(&room.asked("goal"), &["I want to feel better", "better", "just better", "better"]);
    assert_eq!(last.place.step, "permission");
}

#[test]
fn three_body_questions_are_asked_in_a_round_and_six_in_all() {
    let room = Room::stage_1();
    let third = room.walk(&room.asked("problem"), &["the divorce", "nothing", "nothing"]);
    assert_eq!(
        (third.place.step.as_str(), room.protocol.progress(&third.place).body_question_count),
        ("seek_body", 3)
    );
    let passed = room.decide(&third.place, "my chest");
    assert_eq!(passed.place.step, "present", "location and sensation pass on unasked");
    let second =
        room.walk(&passed.place, &["yes", "when I wake up", "there is also my throat", "nine", "nine"]);
    assert_eq!(second.place.step, "sensation");
    let last = room.walk(&second.place, &["nine", "nine"]);
    assert_eq!(room.protocol.progress(&last.place).body_question_count, 6);
    assert_ne!(last.place.step, "sensation");
}

#[test]
fn only_one_more_body_round_is_opened() {
    let room = Room::stage_1();
    let mut place = room.asked("compare");
    let first = room.decide(&place, "the same");
    assert_eq!(first.place.step, "location");
    place.counters = first.place.counters.clone();
    place.counters.insert("asked".to_owned(), 1);
    let second = room.decide(&place, "worse");
    assert_eq!(second.place.step, "complete");
    assert!(!second.place.flags.contains("ready_for_stage_2"));
}

#[test]
fn something_new_after_the_last_round_is_kept_for_later() {
    let room = Room::stage_1();
    let mut place = room.asked("readiness");
    place.counters.insert("rounds_opened".to_owned(), 1);
    let decision = room.decide(&place, "there is also my throat");
    assert_eq!(decision.place.step, "alpha_permission");
    assert!(decision.place.flags.contains("left_open"));
}

#[test]
fn the_parts_of_the_relaxation_follow_each_other() {
    let room = Room::stage_1();
    let begun = room.decide(&room.asked("alpha_permission"), "yes");
    let mut seen = vec![begun.decision];
    let mut place = begun.place;
    for text in ["calmer", "relaxed", "lighter"] {
        let next = room.decide(&place, text);
        seen.push(next.decision);
        place = next.place;
    }
    assert_eq!(seen, ["alpha_jaw", "alpha_tongue", "alpha_breath", "ask_experience"]);
}

#[test]
fn tension_is_met_twice_and_then_the_next_part_comes() {
    let room = Room::stage_1();
    let begun = room.decide(&room.asked("alpha_permission"), "yes");
    let retried = room.decide(&begun.place, "more tense");
    assert_eq!((retried.decision.as_str(), retried.texts[0].as_str()), ("alpha_jaw", "alpha_normal"));
    assert_eq!(room.walk(&retried.place, &["uncomfortable"]).decision, "alpha_jaw");
    assert_eq!(room.walk(&retried.place, &["uncomfortable", "not calm"]).decision, "alpha_tongue");
}

#[test]
fn nobody_is_led_into_the_relaxation_without_a_yes() {
    let room = Room::stage_1();
    for text in [
        "I am not ready",
        "maybe",
        "no",
        "what is it?",
        "not sure",
        "ok but not now",
        "",
        "it is broken",
        "I know",
        "knot",
    ] {
        let mut place = room.asked("alpha_permission");
        for flag in room.protocol.head().criteria.clone() {
            place.flags.insert(flag);
        }
        for _ in 0..12 {
            let decision = room.decide(&place, text);
            assert!(!decision.decision.starts_with("alpha_"), "{text:?} led to {}", decision.decision);
            place = decision.place;
        }
    }
}

#[test]
fn a_no_is_asked_about_twice_and_then_left_in_peace() {
    let room = Room::stage_1();
    let declined = room.walk(&room.asked("alpha_permission"), &["no", "no", "no"]);
    assert_eq!(declined.place.step, "compare");
    let done = room.decide(&declined.place, "better");
    assert!(done.complete && done.place.flags.contains("ready_for_stage_2"), "declined kindly, nothing open");
    let unclear = room.walk(&room.asked("alpha_permission"), &["maybe", "maybe", "maybe", "better"]);
    assert!(unclear.complete && !unclear.place.flags.contains("ready_for_stage_2"));
}

#[test]
fn a_declined_relaxation_is_not_offered_again() {
    let room = Room::stage_1();
    let declined = room.walk(&room.asked("alpha_permission"), &["no", "no", "no", "the same"]);
    assert_eq!(declined.place.step, "location");
    let back = room.walk(&declined.place, &["my chest", "tight", "yes", "when I wake up", "no"]);
    assert_eq!(back.place.step, "compare");
}
