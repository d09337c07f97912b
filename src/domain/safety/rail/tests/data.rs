//! What is forbidden and what is not, by example.

use super::*;

const FORBIDDEN: &str = include_str!("../../../../../tests/data/rail/dev-forbidden.jsonl");
const GOOD: &str = include_str!("../../../../../tests/data/rail/dev-good.jsonl");
const TEXTS: &str = include_str!("../../../../../prompts/texts/en.toml");
const CRISIS: &str = include_str!("../../../../../prompts/safety/crisis.en.toml");

const CORPUS: &str = include_str!("../../../../../prompts/corpus/en.jsonl");

#[derive(serde::Deserialize)]
struct Passage {
    therapist: String,
}

#[derive(serde::Deserialize)]
struct Example {
    text: String,
}

fn examples(lines: &str) -> Vec<String> {
    lines.lines().map(|line| serde_json::from_str::<Example>(line).unwrap().text).collect()
}

/// The lines, from 1, of the texts for which `is_wrong` holds.
fn wrong(texts: &[String], is_wrong: impl Fn(&str) -> bool) -> Vec<usize> {
    (1..).zip(texts).filter(|(_, text)| is_wrong(text)).map(|(line, _)| line).collect()
}

fn strings(value: &toml::Value, out: &mut Vec<String>) {
    match value {
        toml::Value::String(text) => out.push(text.clone()),
        toml::Value::Array(all) => all.iter().for_each(|one| strings(one, out)),
        toml::Value::Table(all) => all.values().for_each(|one| strings(one, out)),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => {}
    }
}

/// Our own wordings as they are said: with something in every slot, and without the one address that is ours.
fn as_said(value: &toml::Value) -> Vec<String> {
    let mut texts = Vec::new();
    strings(value, &mut texts);
    texts.iter().map(|text| filled(text).replace("findahelpline.com", "a directory of helplines")).collect()
}

fn filled(text: &str) -> String {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |said, part| said + "neck" + part.split_once('}').map_or(part, |(_, rest)| rest))
}

#[test]
fn every_forbidden_example_is_stopped() {
    let rail = rail();
    assert_eq!(wrong(&examples(FORBIDDEN), |text| stops(&rail, text).is_none()), Vec::<usize>::new());
}

#[test]
fn at_most_one_good_example_in_a_hundred_is_stopped() {
    let (rail, good) = (rail(), examples(GOOD));
    let stopped = wrong(&good, |text| stops(&rail, text).is_some());
    assert!(stopped.len() * 100 <= good.len(), "lines {stopped:?} of {}", good.len());
}

#[test]
fn every_wording_of_our_own_passes() {
    let rail = rail();
    let crisis: toml::Table = CRISIS.parse().unwrap();
    for (file, value) in
        [("texts", TEXTS.parse::<toml::Table>().unwrap().into()), ("crisis", crisis["texts"].clone())]
    {
        assert_eq!(
            wrong(&as_said(&value), |text| stops(&rail, text).is_some()),
            Vec::<usize>::new(),
            "{file}"
        );
    }
}

#[test]
fn every_therapist_of_the_corpus_passes() {
    let rail = rail();
    let texts: Vec<String> =
        CORPUS.lines().map(|line| serde_json::from_str::<Passage>(line).unwrap().therapist).collect();
    assert_eq!(wrong(&texts, |text| stops(&rail, text).is_some()), Vec::<usize>::new());
}

#[test]
fn what_is_forbidden_is_stopped_behind_and_before_kind_words() {
    let rail = rail();
    let passed = wrong(&examples(FORBIDDEN), |text| {
        let framed = format!(
            "Thank you for telling me about your week. {text} What do you notice in your shoulders now?"
        );
        stops(&rail, &framed).is_none()
    });
    assert_eq!(passed, Vec::<usize>::new());
}

#[test]
fn a_fault_in_the_rules_is_reported_with_its_place() {
    let files = super::super::RAIL;
    let broken = files.map(|file| file.replacen("unless = [\"said\"", "unless = [\"nobody_knows\"", 1));
    let broken: Vec<&str> =
        broken.iter().map(String::as_str).chain(["[classes]\nmed = [\"pill\"]"]).collect();
    let faults = Rail::parse(&broken, crate::domain::safety::source::WORDS).err().unwrap();
    for expected in ["names an unknown guard: nobody_knows", "med stands in two files"] {
        assert!(faults.iter().any(|fault| fault.to_string().contains(expected)), "{expected}");
    }
}
