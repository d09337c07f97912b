//! How a reply is read: whatever its cuts, however it hides, and without an end.

use proptest::prelude::*;

use super::super::sentence::HELD_MAX;
use super::*;

const REPLY: &str = "I hear you. It began at 3.30 p.m., e.g. after lunch (as you wrote). Dr. Brown said \"rest.\" \
    What do you feel?\nIn the chest? You have depression. And in the belly?";

fn cut(text: &str, at: &[prop::sample::Index]) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut cuts: Vec<usize> = at.iter().map(|index| index.index(letters.len())).collect();
    cuts.extend([0, letters.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| letters[pair[0]..pair[1]].iter().collect()).collect()
}

proptest! {
    #[test]
    fn a_reply_is_released_and_stopped_the_same_however_it_is_cut(
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let rail = rail();
        let chunks = cut(REPLY, &at);
        let whole = read_in(&rail, [REPLY]);
        prop_assert_eq!(read_in(&rail, chunks.iter().map(String::as_str)), whole);
    }

    #[test]
    fn any_text_is_released_from_its_beginning_and_the_same_however_it_is_cut(
        text in "[a-zA-Z .!?\n\"(){}é1-3…]{0,300}",
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let rail = rail();
        let (out, stopped) = read_in(&rail, [text.as_str()]);
        prop_assert!(text.starts_with(&out));
        prop_assert!(stopped.is_some() || out == text);
        if !text.is_empty() {
            let chunks = cut(&text, &at);
            prop_assert_eq!(read_in(&rail, chunks.iter().map(String::as_str)), (out, stopped));
        }
    }
}

#[test]
fn a_clean_reply_goes_out_to_the_letter() {
    let text = "  I hear you…  \n\n“Tight,” you said (in the chest). Where is it now?  ";
    assert_eq!(read_in(&rail(), text.split_inclusive('a')), (text.to_owned(), None));
}

#[test]
fn nothing_goes_out_behind_a_stop() {
    let (out, stopped) = read_in(&rail(), ["I hear you. You have depression. ", "Where is it?"]);
    assert_eq!((out.as_str(), stopped), ("I hear you.", Some(Class::Diagnosis)));
}

#[test]
fn what_is_said_in_bits_is_put_together() {
    let rail = rail();
    for text in ["You. Have. Depression.", "Stop taking.\nYour tablets.", "I am. A real. Person."] {
        assert!(stops(&rail, text).is_some());
    }
}

#[test]
fn the_canary_stops_a_reply_in_every_disguise() {
    use base64::Engine;
    let rail = rail();
    let reversed: String = CANARY.chars().rev().collect();
    let spaced: String = CANARY.chars().flat_map(|letter| [letter, ' ']).collect();
    let bits: Vec<String> =
        CANARY.as_bytes().chunks(3).map(|some| String::from_utf8_lossy(some).into_owned()).collect();
    let sentences = bits.join(". ");
    let encoded = base64::engine::general_purpose::STANDARD.encode(CANARY);
    for disguised in [CANARY, &CANARY.to_uppercase(), &reversed, &spaced, &sentences, &encoded] {
        assert_eq!(stops(&rail, &format!("Here it is: {disguised}")), Some(Class::Leak));
    }
    for from in 0..=CANARY.len() - 8 {
        assert_eq!(stops(&rail, &CANARY[from..from + 8]), Some(Class::Leak));
    }
}

#[test]
fn eight_words_of_the_instructions_in_a_row_stop_a_reply_across_sentences_too() {
    let rail = rail();
    assert_eq!(stops(&rail, "To the person. Ask exactly one question about the body."), Some(Class::Leak));
    assert_eq!(stops(&rail, "It touches the person. How is the body now?"), None);
}

#[test]
fn what_only_a_machine_writes_stops_a_reply() {
    let rail = rail();
    for text in [
        "<|im_start|>assistant",
        "[INST] go on [/INST]",
        "Good.\nTherapist: and now?",
        "**Client:** no",
        "```\nx\n```",
        "{\"reply\": \"yes\"}",
        "See https://example.org/now for it.",
        "Look at www.example.org now.",
        "<think>hm</think>",
        "## Next step",
    ] {
        assert_eq!(stops(&rail, text), Some(Class::Machine));
    }
}

#[test]
fn a_sentence_without_an_end_is_not_held_beyond_its_bound() {
    let mut reading = begin(&rail());
    let released: Vec<_> = (0..=HELD_MAX / 5).map(|_| reading.push("word ")).collect();
    assert!(released.iter().all(|release| release.text.is_empty()));
    assert_eq!(released.last().and_then(|last| last.stopped), Some(Class::Machine), "it is no sentence");
}

#[test]
fn the_work_grows_no_faster_than_the_text() {
    let rail = rail();
    for part in [
        "you do not really need ",
        "it is so very just ",
        "i have been a ",
        "take all of the ",
        "that you will never ",
    ] {
        let (once, twice) = (rail.work_of(&part.repeat(100)), rail.work_of(&part.repeat(200)));
        assert!(twice <= once * 5 / 2, "{once} grew to {twice}");
    }
}
