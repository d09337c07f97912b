//! Whole conversations: clients of several kinds, each led from the first word to the end by rule and script.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::domain::protocol::{Navigation, Progress, Protocol, Standing, TRT_STAGE_1, navigate};
use crate::domain::signals::{self, Lexicon};
use crate::domain::texts;

struct Room {
    protocol: Protocol,
    lexicon: Lexicon,
    scripted: Scripted,
}

struct Conversation {
    place: Place,
    progress: Progress,
    decisions: Vec<String>,
    replies: Vec<String>,
}

fn shipped_texts() -> Texts {
    Texts::parse(texts::ENGLISH).expect("the shipped texts")
}

impl Room {
    fn open() -> &'static Self {
        static ROOM: LazyLock<Room> = LazyLock::new(|| Room {
            protocol: Protocol::parse(TRT_STAGE_1).expect("the shipped protocol"),
            lexicon: Lexicon::parse(signals::ENGLISH).expect("the shipped lexicon"),
            scripted: Scripted::new(Arc::new(shipped_texts())),
        });
        &ROOM
    }

    fn converse<'t>(&self, said: impl IntoIterator<Item = &'t str>, seed: u64) -> Conversation {
        let mut place = self.protocol.start();
        let (mut replies, mut decisions) = (Vec::new(), Vec::new());
        for (turn, text) in (0u64..).zip(said) {
            let signals = self.lexicon.read(text);
            let decision = match navigate(&self.protocol, &place, &signals) {
                Navigation::Decided(decision) => decision,
                Navigation::Open(options) => options.by_rule(),
            };
            assert_eq!(self.protocol.admit(&decision.place), Ok(()));
            place = decision.place.clone();
            replies.push(
                self.scripted.reply(&self.protocol, &decision, &mut place, seed.wrapping_add(turn)).whole(),
            );
            decisions.push(decision.decision);
            if decision.complete {
                break;
            }
        }
        Conversation { progress: self.protocol.progress(&place), place, decisions, replies }
    }

    fn turns_max(&self) -> usize {
        self.protocol.turns_max() as usize
    }

    fn always(&self, text: &str) -> Conversation {
        self.converse(std::iter::repeat_n(text, self.turns_max()), 7)
    }
}

impl Conversation {
    fn unmet(&self) -> Vec<&str> {
        self.progress.criteria.iter().filter(|(_, met)| !met).map(|(name, _)| name.as_str()).collect()
    }

    fn says_nothing_twice_in_a_row(&self) -> bool {
        self.replies.windows(2).all(|pair| pair[0] != pair[1])
            && self.replies.iter().all(|reply| !reply.is_empty())
    }

    /// Every question, which is every sentence with a question mark.
    fn questions(&self) -> Vec<&str> {
        let sentences = self.replies.iter().flat_map(|reply| reply.split_inclusive(['.', '?', '!']));
        sentences.map(str::trim).filter(|sentence| sentence.ends_with('?')).collect()
    }
}

const COOPERATIVE: &[&str] = &[
    "Hi there",
    "I want to feel calm and confident at work",
    "Yes, I can see myself walking in with a smile",
    "Sure",
    "Yes, that makes sense",
    "My boss keeps shouting in meetings and I feel so anxious",
    "My chest gets tight",
    "Right in the middle of my chest",
    "Like a heavy stone",
    "Yes, I can feel it right now",
    "When he walks towards my desk I freeze",
    "No, that's everything",
    "Yes, let's try",
    "I feel a bit calmer",
    "more tense actually",
    "it feels softer now",
    "calmer",
    "My shoulders dropped",
    "I would walk into work like this",
    "It's much lighter than before",
];

#[test]
fn a_client_who_goes_along_meets_all_twelve_criteria_in_a_reasonable_time() {
    let room = Room::open();
    for seed in 0..20 {
        let whole = room.converse(COOPERATIVE.iter().copied(), seed);
        assert!(whole.progress.complete && whole.progress.substate == "stage_1_complete");
        assert_eq!(whole.unmet(), [""; 0]);
        assert!((12..=25).contains(&whole.replies.len()), "{} turns", whole.replies.len());
        assert!(whole.says_nothing_twice_in_a_row());
        assert_eq!(whole.questions().iter().collect::<BTreeSet<_>>().len(), whole.questions().len());
    }
}

#[test]
fn what_was_told_is_said_back_in_the_second_person() {
    let room = Room::open();
    let told = room.converse(["I want my life back", "yes"], 0);
    assert!(told.replies[0].contains("your life back"), "the goal, turned");
    let calm = room.converse(["I'd like to feel calm"], 0);
    assert!(calm.replies[0].contains(" to feel calm"));
    let bare = room.converse(["calm"], 0);
    assert!(bare.replies[0].contains(" to feel calm"));
    let awkward = room.converse(["I want you to fix my life"], 0);
    assert!(!awkward.replies[0].contains("fix"), "what would sound wrong is not said back");
}

/// Clients who give the same answer whatever is asked.
const MONOTONOUS: &[&str] = &[
    "",
    "...",
    "I don't know",
    "no",
    "maybe",
    "yes",
    "I don't want to",
    "are you human?",
    "stop",
    "better",
    "I guess so, something like that",
    "the same",
    "hello",
    "もう疲れた",
    "I feel anxious and my chest is tight",
    "more tense",
];

#[test]
fn every_client_reaches_the_end_however_little_is_said() {
    let room = Room::open();
    for text in MONOTONOUS {
        let whole = room.always(text);
        assert!(whole.progress.complete, "{text:?} is never done");
        assert!(whole.says_nothing_twice_in_a_row(), "{text:?}");
        assert!(whole.progress.body_question_count <= 6);
    }
}

#[test]
fn who_refuses_everything_is_never_led_into_the_relaxation() {
    let whole = Room::open().always("no");
    assert!(!whole.decisions.iter().any(|decision| decision.starts_with("alpha_")));
    assert!(whole.unmet().contains(&"ready_for_stage_2"), "nothing was compared");
}

#[test]
fn silence_alone_meets_no_criterion_that_needs_an_answer() {
    let whole = Room::open().always("");
    let met: Vec<&str> =
        whole.progress.criteria.iter().filter(|(_, met)| *met).map(|(name, _)| name.as_str()).collect();
    assert_eq!(met, ["vision_presented", "psycho_education_provided"]);
}

#[test]
fn the_same_conversation_with_the_same_seed_is_the_same() {
    let room = Room::open();
    let (one, two) =
        (room.converse(COOPERATIVE.iter().copied(), 5), room.converse(COOPERATIVE.iter().copied(), 5));
    assert_eq!((one.replies, one.place), (two.replies, two.place));
}

/// Words of all kinds of answers, in any order.
const SAID: &[&str] = &[
    "",
    "...",
    "yes",
    "no",
    "maybe",
    "I don't know",
    "hello",
    "stop",
    "calmer",
    "more tense",
    "the same",
    "better",
    "worse",
    "I want to feel calm",
    "I want to feel better",
    "my chest is tight",
    "in my throat",
    "heavy",
    "nothing",
    "when I wake up",
    "that's all",
    "there is also my stomach",
    "are you human?",
    "I can't sleep",
    "not ready",
    "I don't understand",
    "it makes sense",
    "it's there right now",
    "the weather is fine today",
    "👍",
    "{goal}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_conversation_ends_within_the_protocols_bound(
        picks in prop::collection::vec(prop::sample::select(SAID), 130),
        seed: u64,
    ) {
        let room = Room::open();
        let whole = room.converse(picks.iter().copied(), seed);
        prop_assert!(whole.progress.complete, "not done after {} turns", whole.replies.len());
        prop_assert!(whole.replies.len() <= room.turns_max());
        prop_assert!(whole.says_nothing_twice_in_a_row());
        prop_assert!(whole.progress.body_question_count <= 6);
        prop_assert!(is_bounded(&whole.place));
    }

    #[test]
    fn any_text_can_be_read(texts in prop::collection::vec(".{0,300}", 1..20), seed: u64) {
        let room = Room::open();
        let whole = room.converse(texts.iter().map(String::as_str), seed);
        prop_assert!(whole.says_nothing_twice_in_a_row());
        prop_assert!(is_bounded(&whole.place));
    }
}

fn is_bounded(place: &Place) -> bool {
    place.counters.len() <= 48
        && place.flags.len() <= 32
        && place.facts.len() <= 8
        && place.facts.values().all(|fact| fact.chars().count() <= 200)
        && place.said.len() <= 128
        && place.said.values().all(|used| used.len() <= 12)
}

#[test]
fn no_question_comes_in_the_same_words_twice() {
    let room = Room::open();
    for text in MONOTONOUS {
        for seed in 0..4 {
            let whole = room.converse(std::iter::repeat_n(*text, room.turns_max()), seed);
            let mut times: BTreeMap<&str, u32> = BTreeMap::new();
            for question in whole.questions() {
                *times.entry(question).or_default() += 1;
            }
            let twice: Vec<_> = times.into_iter().filter(|&(_, times)| times > 1).collect();
            assert!(twice.is_empty(), "{text:?}: {twice:?}");
        }
    }
}

#[test]
fn every_text_keeps_to_the_voice() {
    let texts = shipped_texts();
    let never = [
        "diagnos",
        "disorder",
        "medic",
        "pill",
        "promise",
        "guarantee",
        "cure",
        "heal you",
        "human like you",
        "calm down",
    ];
    for key in texts.keys() {
        assert!(texts.wordings(key).count() >= 2, "{key}");
        for wording in texts.wordings(key) {
            assert!(wording.matches('?').count() <= 1, "{key}: more than one question");
            assert!(wording.split_whitespace().count() <= 45, "{key}: too long");
            assert!(wording.ends_with(['.', '?']), "{key}: is no whole sentence");
            for word in never {
                assert!(!wording.to_lowercase().contains(word), "{key}: says {word}");
            }
        }
    }
}

#[test]
fn every_text_has_six_wordings_and_no_question_stands_in_two() {
    let texts = shipped_texts();
    let mut questions = BTreeSet::new();
    for key in texts.keys() {
        assert!(texts.wordings(key).count() >= 6, "{key}");
        for wording in texts.wordings(key).filter(|wording| wording.contains('?')) {
            let asked = wording.split_inclusive(['.', '?', '!', ':']).find(|part| part.ends_with('?'));
            assert!(questions.insert(asked.expect("a question").trim()), "{key}: {asked:?}");
        }
    }
}

#[test]
fn every_text_is_used() {
    let room = Room::open();
    let is_used = |key: &str| {
        let names = [COME_BACK].into_iter().chain(Standing::ALL.iter().map(|own| own.as_str()));
        TRT_STAGE_1.contains(&format!("\"{key}\"")) || names.into_iter().any(|own| own == key)
    };
    let texts = shipped_texts();
    let unused: Vec<&str> = texts.keys().filter(|key| !is_used(key)).collect();
    assert_eq!(unused, [""; 0], "in {}", room.protocol.head().id);
}
