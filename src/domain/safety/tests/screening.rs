//! Detection, on sentences written for it. A failure names lines of the data, never what stands in them.

use serde::Deserialize;

use super::*;

const SENTENCES: &str = include_str!("../../../../tests/data/safety.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    text: String,
    level: Level,
}

/// Numbered as in the file.
fn sentences() -> Vec<(usize, Sentence)> {
    let read = |line: &str| serde_json::from_str(line).expect("a line of the data");
    SENTENCES.lines().enumerate().map(|(at, line)| (at + 1, read(line))).collect()
}

/// Numbers of the lines, with the level found and the rules that spoke, whose screening `is_wrong`.
fn wrong(is_wrong: impl Fn(Level, Level) -> bool) -> Vec<String> {
    let safety = safety();
    let mut wrong = Vec::new();
    for (line, sentence) in sentences() {
        let screening = safety.screen(&sentence.text);
        if is_wrong(sentence.level, screening.level) {
            let rules: Vec<&str> = screening.hits.iter().map(|hit| hit.rule.as_str()).collect();
            wrong.push(format!(
                "line {line}: {} is {} {rules:?}",
                sentence.level.as_str(),
                screening.level.as_str()
            ));
        }
    }
    wrong
}

#[test]
fn no_danger_is_graded_too_low() {
    let wrong = wrong(|meant, found| found < meant);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_danger_is_graded_more_than_one_level_too_high() {
    let wrong = wrong(|meant, found| meant > Level::None && found as u8 > meant as u8 + 1);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_harmless_is_taken_for_danger() {
    let wrong = wrong(|meant, found| meant == Level::None && found > Level::None);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_should_not_pause_does_not_pause() {
    let wrong = wrong(|meant, found| !meant.pauses() && found.pauses());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
