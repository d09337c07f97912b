//! Places: what is admitted, what other programs write, what the wire shows.

use super::*;

#[test]
fn a_place_of_another_protocol_or_step_is_at_fault() {
    let protocol = stage_1();
    assert_eq!(protocol.admit(&protocol.start()), Ok(()));
    let mut other = protocol.start();
    other.protocol.hash = "0".repeat(16);
    assert_eq!(protocol.admit(&other), Err(PlaceFault::OtherProtocol));
    let mut lost = protocol.start();
    lost.step = "nowhere".to_owned();
    assert_eq!(protocol.admit(&lost), Err(PlaceFault::UnknownStep));
    let mut beyond = protocol.start();
    beyond.counters.insert("part".to_owned(), 1);
    assert_eq!(protocol.admit(&beyond), Err(PlaceFault::UnknownPart));
}

#[test]
fn a_place_that_is_at_fault_does_not_break_the_walk() {
    let room = Room::stage_1();
    let mut lost = room.protocol.start();
    lost.step = "nowhere".to_owned();
    assert_eq!(room.decide(&lost, "hello").place.step, "nowhere");
    let mut beyond = room.asked("alpha");
    beyond.counters.insert("part".to_owned(), u32::MAX);
    for text in ["calmer", "tense", "blue", ""] {
        let _ = room.decide(&beyond, text);
    }
}

#[test]
fn a_substate_that_is_not_its_steps_wins() {
    let protocol = stage_1();
    let mut place = protocol.start();
    place.flags.insert("goal_stated".to_owned());
    let same = protocol.place_for_substate(&place, "1.1_goal_and_vision").expect("its own");
    assert_eq!(same, place);
    let moved = protocol.place_for_substate(&place, "1.2_problem_and_body").expect("a substate");
    assert_eq!(moved.step, "problem");
    assert!(moved.flags.contains("goal_stated"));
    assert_eq!(protocol.place_for_substate(&place, "9.9_unknown"), None);
}

#[test]
fn progress_shows_the_twelve_criteria_in_order() {
    let protocol = stage_1();
    let mut place = protocol.start();
    place.flags.insert("vision_presented".to_owned());
    place.counters.insert("body_questions_asked".to_owned(), 2);
    let progress = protocol.progress(&place);
    assert_eq!(progress.criteria.len(), 12);
    assert_eq!(progress.criteria[0], ("goal_stated".to_owned(), false));
    assert_eq!(progress.criteria[1], ("vision_presented".to_owned(), true));
    assert_eq!(progress.criteria[11].0, "ready_for_stage_2");
    assert_eq!(
        (progress.stage.as_str(), progress.body_question_count, progress.complete),
        ("stage_1", 2, false)
    );
}

#[test]
fn a_reply_beside_the_protocol_moves_nothing() {
    let room = Room::stage_1();
    let place = room.asked("location");
    for (standing, texts) in [
        (Standing::Closing, vec!["closing"]),
        (Standing::Hold, vec!["hold"]),
        (Standing::WelcomeBack, vec!["welcome_back", "location"]),
        (Standing::SafetyAnswered, vec!["safety_answered", "location"]),
    ] {
        let decision = room.protocol.stand(&place, standing);
        assert_eq!((decision.texts, decision.label), (texts.into_iter().map(str::to_owned).collect(), None));
        assert_eq!(
            (decision.place, decision.next_substate.as_str()),
            (place.clone(), "1.2_problem_and_body")
        );
    }
}

#[test]
fn input_after_the_end_is_closed_kindly_and_stays_complete() {
    let room = Room::stage_1();
    let end = room.decide(&room.asked("compare"), "better");
    let after = room.decide(&end.place, "hello?");
    assert_eq!((after.decision.as_str(), after.complete), ("closing", true));
    assert_eq!(after.place, end.place);
}

#[test]
fn a_fact_is_cut_to_its_length() {
    let form = format!("\"my back\" = \"{}\"", "x".repeat(5_000));
    let long = signals::ENGLISH.replace("\"my back\" = \"back\"", &form);
    let room = Room { protocol: stage_1(), lexicon: Lexicon::parse(&long).expect("a long form is a form") };
    let decision = room.decide(&room.asked("location"), "my back");
    assert_eq!(decision.place.facts["body_place"].chars().count(), 200);
}

#[test]
fn a_long_answer_is_not_said_back() {
    let room = Room::stage_1();
    let decision = room.decide(&room.asked("goal"), &format!("I want {}", "x".repeat(5_000)));
    assert_eq!((decision.place.step.as_str(), decision.place.facts.len()), ("vision", 0));
}

#[test]
fn the_hash_is_of_the_file() {
    let protocol = stage_1();
    assert_eq!(protocol.reference().hash.len(), 16);
    let changed = Protocol::parse(&format!("{TRT_STAGE_1}\n# a word\n")).expect("a comment harms nothing");
    assert_ne!(changed.reference().hash, protocol.reference().hash);
}

#[test]
fn a_stored_place_is_read_back_the_same() {
    let room = Room::stage_1();
    let place = room.walk(&room.protocol.start(), &["I want to feel calm", "yes", "yes"]).place;
    let json = serde_json::to_string(&place).expect("a place is JSON");
    assert_eq!(serde_json::from_str::<Place>(&json).expect("and back"), place);
}
