//! What may come at any step, and what a model may be asked.

use super::*;

#[test]
fn who_told_something_is_heard_before_the_next_question() {
    let room = Room::stage_1();
    let place = room.asked("goal");
    let told = room.decide(&place, "the neighbours moved out in May");
    assert_eq!(told.texts, ["heard", "goal_again"]);
    assert_eq!(room.decide(&place, "how does this work?").texts, ["goal_again"]);
    let last = room.walk(&place, &["so", "so", "the neighbours moved out in May"]);
    assert_eq!(last.texts, ["heard", "vision"], "and not waved aside on the way out");
}

#[test]
fn silence_is_met_gently_twice_and_then_offered_words() {
    let room = Room::stage_1();
    let mut place = room.asked("sensation");
    let mut said = Vec::new();
    for _ in 0..3 {
        let decision = room.decide(&place, "...");
        assert_eq!(
            (decision.decision.as_str(), decision.label.as_deref()),
            ("prompt_silence", Some("dr_q_prompt"))
        );
        assert_eq!(decision.place.step, "sensation");
        said.extend(decision.texts);
        place = decision.place;
    }
    assert_eq!(said, ["silence_prompt", "silence_prompt", "sensation_choices"]);
    assert_eq!(
        room.decide(&place, "...").decision,
        "body_symptoms_exploration",
        "after the cap the step goes on"
    );
}

#[test]
fn who_does_not_know_is_offered_words_and_an_answer_beside_it_counts() {
    let room = Room::stage_1();
    let place = room.asked("location");
    let choices = room.decide(&place, "I don't know");
    assert_eq!(
        (choices.decision.as_str(), choices.texts),
        ("offer_choices", vec!["location_choices".to_owned()])
    );
    assert_eq!(room.decide(&place, "I don't know, maybe my chest").place.step, "sensation");
    assert_eq!(room.decide(&choices.place, "I don't know").decision, "body_location");
}

#[test]
fn who_asks_for_a_human_is_told_always_and_keeps_the_place() {
    let room = Room::stage_1();
    let mut place = room.asked("vision");
    for _ in 0..6 {
        let before = place.step.clone();
        let decision = room.decide(&place, "are you a real person?");
        assert_eq!(decision.decision, "disclose_ai");
        assert_eq!(decision.texts[0], "disclose_ai");
        assert!(decision.texts.len() > 1, "and the question is asked again");
        if decision.place.counters.get("all.asks_if_human") < Some(&2) {
            assert_eq!(decision.place.step, before);
        }
        place = decision.place;
    }
    let both = room.decide(&room.asked("vision"), "yes, but are you human?");
    assert_eq!((both.decision.as_str(), both.place.step.as_str()), ("disclose_ai", "permission"));
}

#[test]
fn an_open_answer_offers_a_closed_list_whose_choices_were_worked_out_before() {
    let room = Room::stage_1();
    let place = room.asked("present");
    let options = || match room.navigate(&place, "the cat sat on a mat") {
        Navigation::Open(options) => options,
        Navigation::Decided(decision) => panic!("decided: {}", decision.reasoning),
    };
    let names: Vec<String> = options().choices().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["there_now", "neither"]);
    assert_eq!(options().settle("there_now").place.step, "pattern");
    assert_eq!(options().settle("stage_1_complete"), options().by_rule());
    assert_eq!(options().by_rule().place.step, "present");
}

#[test]
fn consent_is_never_a_models_to_read() {
    let protocol = stage_1();
    for step in ["permission", "alpha_permission"] {
        let rules = &protocol.step(step).expect("a step").rules;
        assert!(rules.iter().all(|rule| rule.offer.is_none()), "{step}");
    }
}

#[test]
fn the_reasoning_names_rules_and_repeats_nothing_of_the_client() {
    let room = Room::stage_1();
    let decision = room.decide(&room.asked("goal"), "I want Zanzibar and peace");
    assert!(decision.reasoning.contains("goal.wanting") && decision.reasoning.contains("goal_told"));
    assert!(!decision.reasoning.to_lowercase().contains("zanzibar"));
}
