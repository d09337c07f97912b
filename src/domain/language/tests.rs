use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    text: String,
    /// An ISO code.
    language: String,
}

fn messages() -> Vec<Message> {
    let read = |line: &str| serde_json::from_str(line).expect("a line of the data");
    include_str!("../../../tests/data/languages.jsonl").lines().map(read).collect()
}

fn said_of(messages: &[Message]) -> (usize, Vec<String>) {
    let mut told = 0;
    let mut wrong = Vec::new();
    for message in messages {
        match written_in(&message.text) {
            Some(language) if language.code() == message.language => told += 1,
            Some(language) => wrong.push(format!("{} is told {}", message.text, language.code())),
            None => {}
        }
    }
    (told, wrong)
}

#[test]
fn what_is_said_of_a_short_message_is_right() {
    let (_, wrong) = said_of(&messages());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn most_short_messages_in_another_language_are_told() {
    let others: Vec<Message> = messages().into_iter().filter(|it| it.language != "en").collect();
    let (told, _) = said_of(&others);
    let untold: Vec<&str> =
        others.iter().filter(|it| written_in(&it.text).is_none()).map(|it| it.text.as_str()).collect();
    assert!(told * 100 >= others.len() * 90, "{told} of {}: {untold:#?}", others.len());
}

#[test]
fn english_is_never_taken_for_another_language() {
    #[derive(Deserialize)]
    struct Sentence {
        text: String,
    }
    let sets = [
        include_str!("../../../tests/data/safety.jsonl"),
        include_str!("../../../tests/data/safety_held_out.jsonl"),
        include_str!("../../../tests/data/rail/good.jsonl"),
        include_str!("../../../prompts/corpus/en.jsonl"),
    ];
    for line in sets.iter().flat_map(|set| set.lines()) {
        let Ok(Sentence { text }) = serde_json::from_str(line) else { continue };
        let told = written_in(&text);
        let in_safety_in_another = ["ich ", "je ", "quier", "vogli", "ik "].iter();
        if !in_safety_in_another.clone().any(|word| text.to_lowercase().contains(word)) {
            assert!(matches!(told, None | Some(Language::English)), "{text}: {told:?}");
        }
    }
}

#[test]
fn a_long_text_is_read_in_its_beginning() {
    assert_eq!(written_in(&"ich kann nicht mehr. ".repeat(10_000)), Some(Language::German));
    assert_eq!(written_in(&"x".repeat(1_000_000)), None);
}

proptest::proptest! {
    #[test]
    fn no_text_stops_it(text in ".{0,100}") {
        let _any = written_in(&text);
    }
}
