//! What may come at any step, and what a model may be asked.

use super::*;

#[test]
fn who_told_something_is_heard_before_the_next_question() {
    let room = Room::stage_1();
    let place = room.asked("goal");
    let told = room.decide(&place, "the shop on the corner opens at nine");
    assert_eq!(told.texts, ["heard", "goal_again"]);
    assert_eq!(room.decide(&place, "how does this work?").texts, ["goal_again"]);
    let last = room.walk(&place, &["nine", "nine", "the shop on the corner opens at nine"]);
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

#[test]
fn who_pushes_back_is_not_pushed_and_keeps_the_place() {
    let room = Room::stage_1();
    for step in ["goal", "vision", "permission", "seek_body", "alpha_permission"] {
        let decision = room.decide(&room.asked(step), "leave me alone");
        assert_eq!((decision.decision.as_str(), decision.place.step.as_str()), ("address_resistance", step));
        assert_eq!(decision.texts, ["resistance"], "and nothing is asked");
    }
    let mut vague = room.asked("vision");
    vague.flags.insert("goal_vague".to_owned());
    assert_eq!(room.decide(&vague, "this is a waste of time").decision, "address_resistance");
    let in_alpha = room.decide(&room.asked("alpha"), "this is stupid");
    assert_eq!(in_alpha.place.step, "compare", "in the relaxation it ends it");
}

#[test]
fn tears_are_met_and_what_came_with_them_counts() {
    let room = Room::stage_1();
    let both = room.decide(&room.asked("goal"), "I want to be happy but I'm crying right now");
    assert_eq!((both.decision.as_str(), both.place.step.as_str()), ("normalize_crying", "vision"));
    assert_eq!(both.texts, ["crying", "vision"]);
    let alone = room.decide(&room.asked("vision"), "I can't stop crying");
    assert_eq!(
        (alone.texts, alone.place.step.as_str()),
        (vec!["crying".to_owned(), "vision".to_owned()], "vision")
    );
}

#[test]
fn another_language_is_named_and_the_question_asked_again() {
    let room = Room::stage_1();
    let decision = room.decide(&room.asked("goal"), "ich möchte mich ruhiger fühlen");
    assert_eq!((decision.decision.as_str(), decision.texts[0].as_str()), ("name_language", "only_english"));
    assert_eq!(decision.place.step, "goal");
    let first = room.decide(&room.protocol.start(), "ich möchte mich ruhiger fühlen");
    assert_eq!(first.texts, ["only_english", "goal"], "also in the first message");
}

#[test]
fn feeling_unwell_ends_the_relaxation() {
    let room = Room::stage_1();
    let decision = room.decide(&room.asked("alpha"), "I'm getting dizzy");
    assert_eq!((decision.place.step.as_str(), decision.texts[0].as_str()), ("compare", "alpha_stopped"));
}

#[test]
fn a_goal_that_is_put_right_replaces_the_first() {
    let room = Room::stage_1();
    let first = room.decide(&room.protocol.start(), "I want to sleep better");
    let second = room.decide(&first.place, "actually no, I want to stop arguing with my daughter");
    assert_eq!((second.place.step.as_str(), &second.texts), ("vision", &vec!["vision".to_owned()]));
    assert_eq!(second.place.facts["goal"], "to stop arguing with your daughter");
    let third = room.decide(
        &room.walk(&second.place, &["yes", "yes", "yes"]).place,
        "actually what I really want is to trust people",
    );
    assert_eq!(third.place.facts["goal"], "to trust people");
}

#[test]
fn a_wish_to_do_harm_is_heard_as_a_burden_and_never_said_back() {
    let room = Room::stage_1();
    for harm in ["I want to hurt my boss", "I want to feel dead inside", "I want to stop eating"] {
        let decision = room.decide(&room.protocol.start(), harm);
        assert_eq!(
            (decision.place.step.as_str(), &decision.texts),
            ("goal_redirect", &vec!["hear_problem".to_owned(), "redirect".to_owned()]),
            "{harm}"
        );
        assert!(decision.place.facts.is_empty(), "{harm}");
    }
}

#[test]
fn a_clause_is_said_back_without_the_word_that_joins_it() {
    let room = Room::stage_1();
    for told in ["I cry every night and I feel so alone", "it's bad because I can't sleep"] {
        let decision = room.decide(&room.protocol.start(), told);
        assert!(decision.place.facts["problem"].starts_with("you "), "{told}");
    }
}
