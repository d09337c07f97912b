//! Sets that guard what was gained: every line is graded as labelled, but for those that are known to be graded
//! otherwise. A failure names lines, never what stands in them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::eval::{Case, Label};
use super::*;

/// Sentences of ten styles and both kinds, by the same hand as the rules.
const STYLES: &str = include_str!("../../../../tests/data/safety_styles.jsonl");
const STYLES_KNOWN: &str = include_str!("../../../../tests/data/safety_styles_known.jsonl");
/// Chat messages by another hand; the rules were mended by half of them.
const CHAT: &str = include_str!("../../../../tests/data/safety_chat.jsonl");
const CHAT_KNOWN: &str = include_str!("../../../../tests/data/safety_chat_known.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    line: usize,
    found: Level,
}

/// What should pause pauses, what shows danger is noticed, and what should do neither does not.
fn is_as_labelled(label: Level, found: Level) -> bool {
    label.pauses() == found.pauses() && (label > Level::None) == (found > Level::None)
}

fn check(set: &str, known: &str, at_least: usize) {
    let read = |line: &str| serde_json::from_str(line).expect("a known line");
    let mut known: BTreeMap<usize, Level> =
        known.lines().map(read).map(|it: Known| (it.line, it.found)).collect();
    // Of the rules: what the scale notices besides is measured, and no promise.
    let rules = Rules::shipped().expect("sound");
    let mut wrong = Vec::new();
    for (at, line) in set.lines().enumerate() {
        let Ok(Case { text, label: Label::Level(label), .. }) = Case::parse(line) else {
            panic!("line {} is no labelled text", at + 1)
        };
        let found = rules.screen(&text).level;
        match known.remove(&(at + 1)) {
            Some(listed) if listed == found && !is_as_labelled(label, found) => {}
            None if is_as_labelled(label, found) => {}
            listed => wrong.push((at + 1, label.as_str(), found.as_str(), listed.map(Level::as_str))),
        }
    }
    assert!(set.lines().count() >= at_least && known.is_empty(), "{known:?}");
    assert!(wrong.is_empty(), "line, label, found, listed: {wrong:#?}");
}

#[test]
fn sentences_of_ten_styles_are_graded_as_labelled_but_for_the_known_ones() {
    check(STYLES, STYLES_KNOWN, 700);
}

#[test]
fn strangers_messages_are_graded_as_labelled_but_for_the_known_ones() {
    check(CHAT, CHAT_KNOWN, 1_500);
}

/// What a set shows: danger noticed, harmless texts that raise an alarm, and that pause, grave danger that does.
#[derive(Debug, Default)]
struct Shown {
    danger: usize,
    noticed: usize,
    harmless: usize,
    alarms: usize,
    paused: usize,
    grave: usize,
    grave_paused: usize,
}

fn shown(set: &str) -> Shown {
    let safety = safety();
    let mut shown = Shown::default();
    for line in set.lines() {
        let Ok(Case { text, label: Label::Level(label), .. }) = Case::parse(line) else {
            panic!("no labelled text")
        };
        let found = safety.screen(&text).level;
        if label > Level::None {
            shown.danger += 1;
            shown.noticed += usize::from(found > Level::None);
            shown.grave += usize::from(label.pauses());
            shown.grave_paused += usize::from(label.pauses() && found.pauses());
        } else {
            shown.harmless += 1;
            shown.alarms += usize::from(found > Level::None);
            shown.paused += usize::from(found.pauses());
        }
    }
    shown
}

/// Three sets that were written blind, and by which neither rules nor weights were made, and one by which the rules were
/// mended once: what was reached may not be lost. `docs/safety.md` has the figures.
#[test]
fn on_sets_that_no_weight_was_learned_from_most_danger_is_noticed_and_few_harmless_texts_pause() {
    for (name, set, noticed_percent, grave_percent, alarms_percent, paused_percent) in [
        ("frozen", include_str!("../../../../tests/data/frozen.jsonl"), 85, 77, 8, 4),
        ("chat", include_str!("../../../../tests/data/blind/chat.jsonl"), 84, 75, 13, 6),
        ("later", include_str!("../../../../tests/data/blind/later.jsonl"), 80, 64, 7, 3),
        ("fresh", include_str!("../../../../tests/data/blind/fresh.jsonl"), 79, 64, 7, 2),
    ] {
        let shown = shown(set);
        let at_least = |count: usize, of: usize, percent: usize| count * 100 >= of * percent;
        assert!(at_least(shown.noticed, shown.danger, noticed_percent), "{name}: {shown:?}");
        assert!(at_least(shown.grave_paused, shown.grave, grave_percent), "{name}: {shown:?}");
        assert!(!at_least(shown.alarms, shown.harmless, alarms_percent), "{name}: {shown:?}");
        assert!(!at_least(shown.paused, shown.harmless, paused_percent), "{name}: {shown:?}");
    }
}
