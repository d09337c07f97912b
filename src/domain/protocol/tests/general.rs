//! A second, tiny protocol: the engine knows no step, substate or flag of the first.

use super::*;

const TEA: &str = r#"
id = "tea"
title = "Asking for tea"
stage = "kitchen"
start = "thirst"
body_counter = "asked_for_places"
criteria = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
facts = []

[counters]
asked_for_places = 2
pots = 1

[[step]]
name = "thirst"
substate = "0.1_kettle"
purpose = "is tea wanted"
decision = "ask_tea"
asks = ["goal", "goal_again"]
counts = ["asked_for_places"]
sets = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
spent = { to = "done" }

[[step.pass]]
when = ["full:asked_for_places"]
to = "done"

[[step.rule]]
name = "wanted"
when = ["consent_yes"]
to = "cup"

[[step]]
name = "cup"
substate = "0.2_cup"
purpose = "another pot?"
decision = "ask_more"
asks = ["redirect"]
spent = { to = "done" }

[[step.rule]]
name = "more"
when = ["consent_yes"]
to = "thirst"
spends = "pots"

[[step]]
name = "done"
substate = "0.3_done"
purpose = "the end"
decision = "bow"
asks = ["complete"]
end = true
"#;

fn tea() -> Room {
    Room::with(Protocol::parse(TEA).expect("a protocol"))
}

#[test]
fn a_second_protocol_is_walked_to_its_end() {
    let room = tea();
    let done = room.walk(&room.protocol.start(), &["hello", "yes", "no"]);
    assert_eq!(
        (done.decision.as_str(), done.next_substate.as_str(), done.complete),
        ("bow", "0.3_done", true)
    );
}

#[test]
fn a_second_protocol_has_no_faults_and_a_bound() {
    let room = tea();
    assert_eq!(room.protocol.check(&shipped_texts(), &lexicon()), []);
    assert_eq!(room.protocol.turns_max(), 8);
}

#[test]
fn a_loop_is_walked_until_its_counter_is_spent() {
    let room = tea();
    let again = room.walk(&room.protocol.start(), &["hello", "yes", "yes"]);
    assert_eq!(again.place.step, "thirst");
    let done = room.walk(&again.place, &["yes", "yes"]);
    assert!(done.complete, "the pot is empty");
}

#[test]
fn a_step_whose_counter_is_full_is_passed() {
    let room = tea();
    let mut place = room.asked("cup");
    place.counters.insert("asked_for_places".to_owned(), 2);
    assert_eq!(room.decide(&place, "yes").place.step, "done");
}
