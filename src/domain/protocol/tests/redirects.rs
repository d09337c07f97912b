//! What leads a client back, and what affirms one who is there.

use super::*;

/// A place whose question stands, with the explanation given: from there on the body is looked for.
fn later(room: &Room, step: &str) -> Place {
    let mut place = room.asked(step);
    place.flags.insert("psycho_education_provided".to_owned());
    place
}

const REASONS: &str = "I think the reason is that I overanalyse everything";
const MEMORY: &str = "years ago in my childhood it was different";

#[test]
fn reasons_and_memories_are_led_back_three_times_and_then_to_the_offer_of_calm() {
    let room = Room::stage_1();
    for (text, decision, says) in [
        (REASONS, "redirect_thinking", ["thinking", "thinking_again", "thinking_last"]),
        (MEMORY, "redirect_past", ["past", "past_again", "past_last"]),
    ] {
        let mut place = later(&room, "location");
        for own in says {
            let redirected = room.decide(&place, text);
            assert_eq!((redirected.decision.as_str(), redirected.texts), (decision, vec![own.to_owned()]));
            assert_eq!(redirected.place.step, "location", "the place is not lost");
            place = redirected.place;
        }
        let out = room.decide(&place, text);
        assert_eq!((out.decision.as_str(), out.place.step.as_str()), (decision, "alpha_permission"));
        assert_eq!(out.texts, ["enough_talk", "alpha_permission"], "and consent is asked, not taken");
        let on = room.decide(&out.place, text);
        assert_eq!(on.decision, "ask_alpha_permission", "and nothing is redirected beyond it");
    }
}

#[test]
fn the_redirects_of_a_whole_session_are_counted_together() {
    let room = Room::stage_1();
    let mut place = later(&room, "location");
    for _ in 0..2 {
        place = room.decide(&place, REASONS).place;
    }
    place = room.decide(&place, "in my chest").place;
    place = room.decide(&place, REASONS).place;
    assert_eq!(room.decide(&place, REASONS).place.step, "alpha_permission");
}

#[test]
fn an_answer_that_comes_with_a_reason_counts() {
    let room = Room::stage_1();
    let answered = room.decide(&later(&room, "location"), "I think it is in my chest");
    assert_eq!(answered.place.step, "sensation");
    let problem = room.decide(&later(&room, "problem"), "I think it's that I'm so anxious about my job");
    assert_eq!(problem.place.step, "seek_body");
}

#[test]
fn in_the_first_steps_reasons_and_memories_are_heard_and_the_question_comes_back() {
    let room = Room::stage_1();
    let decision = room.decide(&room.asked("vision"), REASONS);
    assert_eq!((decision.decision.as_str(), decision.place.step.as_str()), ("redirect_thinking", "vision"));
    assert_eq!(decision.texts, ["think_early", "vision"]);
    let decision = room.decide(&room.asked("vision"), MEMORY);
    assert_eq!((decision.decision.as_str(), decision.texts[0].as_str()), ("redirect_past", "past_early"));
}

#[test]
fn a_strong_feeling_is_met_once_at_a_step_and_what_came_with_it_counts() {
    let room = Room::stage_1();
    let met = room.decide(&later(&room, "problem"), "I'm absolutely terrified of my boss");
    assert_eq!((met.decision.as_str(), met.place.step.as_str()), ("validate_emotion", "seek_body"));
    assert_eq!(met.texts, ["emotion", "seek_body"], "and heard once, not twice");
    let place = room.decide(&later(&room, "vision"), "I'm terrified").place;
    assert_ne!(room.decide(&place, "I'm terrified").decision, "validate_emotion");
}

#[test]
fn another_topic_is_led_back_from_and_is_no_answer() {
    let room = Room::stage_1();
    let decision = room.decide(&room.asked("goal"), "so who won the football last night");
    assert_eq!((decision.decision.as_str(), decision.place.step.as_str()), ("redirect_topic", "goal"));
    assert_eq!(decision.texts, ["off_topic", "goal"]);
}

#[test]
fn talk_about_somebody_else_is_led_to_the_own_body() {
    let room = Room::stage_1();
    let place = later(&room, "sensation");
    let decision = room.decide(&place, "my husband never listens");
    assert_eq!(
        (decision.decision.as_str(), decision.texts[0].as_str()),
        ("explore_relational", "relational")
    );
    let both = room.decide(&place, "my husband never listens and then my chest gets tight");
    assert_eq!(both.place.step, "present", "the body counts");
}

#[test]
fn who_asks_whether_it_is_normal_is_told_so_and_asked_again() {
    let room = Room::stage_1();
    let decision = room.decide(&later(&room, "present"), "am I going crazy");
    assert_eq!(decision.decision, "normalize_experience");
    assert_eq!(decision.texts, ["validation", "present"]);
}

#[test]
fn who_rambles_is_interrupted_once_at_a_step() {
    let room = Room::stage_1();
    let long = "and then the neighbours came over with their cousin ".repeat(12);
    let first = room.decide(&later(&room, "present"), &long);
    assert_eq!((first.decision.as_str(), first.texts[0].as_str()), ("interrupt_rambling", "rambling"));
    assert_ne!(room.decide(&first.place, &long).decision, "interrupt_rambling");
}

#[test]
fn who_has_no_time_is_taken_at_the_word() {
    let room = Room::stage_1();
    let decision = room.decide(&room.asked("vision"), "can we make it quick");
    assert_eq!(
        (decision.decision.as_str(), decision.texts),
        ("address_resistance", vec!["hurried".to_owned(), "vision".to_owned()])
    );
}

#[test]
fn who_gives_body_and_present_is_affirmed_and_invited_instead_of_asked() {
    let room = Room::stage_1();
    let affirmed = room.decide(&later(&room, "sensation"), "it's tight in my chest right now");
    assert_eq!((affirmed.decision.as_str(), affirmed.label.as_deref()), ("affirm", Some("dr_q_affirm")));
    assert_eq!(affirmed.texts, ["affirm_present"], "nothing else says that it was heard");
    assert_eq!(affirmed.place.step, "present");
    let again = room.decide(&affirmed.place, "no");
    assert_eq!(again.texts, ["present_guide"], "an invitation counts as having asked");
}

#[test]
fn who_feels_better_is_affirmed_under_the_steps_own_name() {
    let room = Room::stage_1();
    let begun = room.decide(&room.asked("alpha_permission"), "yes");
    let done = room.walk(&begun.place, &["calmer", "calmer", "calmer"]);
    assert_eq!(
        (done.decision.as_str(), done.texts),
        ("ask_experience", vec!["affirm_experience".to_owned()])
    );
}

#[test]
fn a_question_beside_the_answer_is_no_reason_to_affirm() {
    let room = Room::stage_1();
    let decision = room.decide(&later(&room, "sensation"), "tight. how does this work?");
    assert_eq!(decision.decision, "present_moment_focus");
}
