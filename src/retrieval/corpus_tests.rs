use super::*;

const GOAL: &str = "dr_q_goal_clarification";

fn shipped() -> Corpus {
    Corpus::shipped().expect("sound")
}

/// A line of a corpus with one field changed.
fn line(field: &str, value: &str) -> String {
    let mut passage = serde_json::json!({
        "id": "own", "label": GOAL, "substate": "1.1", "situation": "s", "client": "c", "therapist": "t",
    });
    passage[field] = value.into();
    passage.to_string()
}

fn faults(source: &str) -> Vec<String> {
    parse(source).expect_err("faulty").iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_examples_are_sound() {
    let corpus = shipped();
    assert!(corpus.counts().values().all(|count| *count >= PER_LABEL_MIN));
    assert_eq!(corpus.counts().len(), labels::all().count());
    assert_eq!(corpus.overridden(), [] as [&str; 0]);
}

#[test]
fn every_fault_of_a_file_is_told_with_its_line() {
    let source = [
        line("id", "a"),
        String::new(),
        line("id", "a"),
        line("label", "dr_q_other"),
        line("mood", "grim"),
        "not json".to_owned(),
        line("client", " "),
        line("therapist", &"x".repeat(601)),
        line("therapist", "Why? And when?"),
        line("situation", "one\ntwo"),
        line("id", "a b"),
    ];
    let told = faults(&source.join("\n"));
    let at = |number: usize| told.iter().any(|fault| fault.starts_with(&format!("line {number}: ")));
    assert!((3..=11).all(at), "{told:?}");
    assert!(!at(1) && !at(2), "{told:?}");
    assert!(told[0].contains("stands twice"), "{told:?}");
}

#[test]
fn ones_own_example_stands_for_the_shipped_one_of_its_id_and_others_come_behind() {
    let first = shipped().passages()[0].id.clone();
    let own = format!("{}\n{}\n", line("id", &first), line("id", "my-own"));
    let corpus = Corpus::with_own(&own).expect("sound");
    assert_eq!(corpus.passages().len(), shipped().passages().len() + 1);
    assert_eq!(corpus.passages()[0].client, "c");
    assert_eq!(corpus.passages().last().expect("one").id, "my-own");
    assert_eq!(corpus.overridden(), [first]);
}

#[test]
fn a_label_may_not_be_left_with_too_few_examples() {
    let moved = |passage: &Arc<Passage>| {
        let passage = Passage { label: "dr_q_ready".to_owned(), ..(**passage).clone() };
        serde_json::to_string(&passage).expect("plain data")
    };
    let corpus = shipped();
    let of_goal = corpus.passages().iter().filter(|passage| passage.label == GOAL);
    let own: Vec<String> = of_goal.skip(2).map(moved).collect();
    let faults = Corpus::with_own(&own.join("\n")).expect_err("too few");
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].at, format!("label {GOAL}"));
}

#[test]
fn the_hash_follows_every_field() {
    let hash =
        |field: &str, value: &str| Corpus::with_own(&line(field, value)).expect("sound").hash().to_owned();
    let base = hash("id", "own");
    assert_eq!(base, hash("id", "own"));
    for field in ["id", "substate", "situation", "client", "therapist"] {
        assert_ne!(base, hash(field, "another"), "{field}");
    }
    assert_ne!(base, hash("label", "dr_q_ready"));
}
