//! What clients say who are in no danger raises no alarm, but for a few known lines, and pauses nothing.

use serde::Deserialize;
use toml::Value;

use super::*;

const CLIENTS: &str = include_str!("../../../../tests/data/clients.toml");
const SIGNALS: &str = include_str!("../../../../tests/data/signals.jsonl");
/// Alarms that are known: "utterly hopeless" said of a day, and questions that stand beside a loss in a long message.
const ALARMS_MAX: usize = 5;

#[derive(Deserialize)]
struct Line {
    text: String,
}

fn texts_of(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| texts_of(one, texts)),
        Value::Table(table) => table.values().for_each(|one| texts_of(one, texts)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

fn harmless() -> Vec<String> {
    let mut texts = Vec::new();
    texts_of(&toml::from_str(CLIENTS).expect("clients"), &mut texts);
    let line = |line: &str| serde_json::from_str::<Line>(line).expect("a line of signals").text;
    texts.extend(SIGNALS.lines().map(line));
    texts
}

#[test]
fn harmless_talk_raises_next_to_no_alarm_and_pauses_nothing() {
    let texts = harmless();
    assert!(texts.len() >= 3_000, "{}", texts.len());
    let alarms: Vec<(&String, Level)> =
        texts.iter().map(|text| (text, level(text))).filter(|(_, level)| *level > Level::None).collect();
    assert!(alarms.len() <= ALARMS_MAX, "{alarms:#?}");
    assert!(alarms.iter().all(|(_, level)| !level.pauses()), "{alarms:#?}");
}

#[test]
fn ordinary_words_do_not_pause_and_the_same_ones_beside_a_wish_do() {
    for ordinary in [
        "No, that's all, I need to run soon.",
        "Go on and play it",
        "I will be with my kids this weekend.",
        "We've set the date!",
        "I took my tablets with breakfast.",
        "I climbed over the fence to get the ball.",
        "My belt broke this morning.",
        "Nobody can stop me now, I'm going to win this race.",
    ] {
        assert!(!level(ordinary).pauses(), "{ordinary}");
    }
    assert_eq!(level("I want to die. I have set the date."), Level::Crisis);
    assert_eq!(level("I want to die. Nobody can stop me now."), Level::Crisis);
}

#[test]
fn plain_words_are_read_as_what_they_say() {
    for (text, at_least) in [
        ("I lost my job and I want to end my life", Level::High),
        ("I have the gun next to me and I'm going to use it on myself", Level::Crisis),
        ("where do I cut to die", Level::High),
        ("I long to die", Level::High),
        ("I've chosen the day I will die", Level::Crisis),
        ("I cut too deep this time", Level::Crisis),
        ("I don't see any reason not to kill myself", Level::High),
        ("I took an overdose", Level::Crisis),
        ("I want to kms", Level::High),
        ("I have prepared everything for my suicide", Level::Crisis),
        ("tonight I'm finally going to do it and kill myself", Level::Crisis),
        ("goodbye everyone, I won't be here tomorrow", Level::Crisis),
    ] {
        assert!(level(text) >= at_least, "{text}");
    }
}

/// What clients answer who are asked for a goal, a picture of it, or where in the body they feel it.
#[test]
fn what_is_said_of_oneself_in_a_session_pauses_nothing() {
    let said: Vec<&str> = include_str!("../../../../tests/data/inward.txt").lines().collect();
    let alarms: Vec<&str> = said.iter().copied().filter(|text| level(text) > Level::None).collect();
    assert!(said.len() == 70 && alarms.len() <= 4, "{alarms:#?}");
    assert!(alarms.iter().all(|text| !level(text).pauses()), "{alarms:#?}");
}
