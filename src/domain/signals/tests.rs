//! What the shipped English words see, and what they must not see.

mod set;

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Signals {
    lexicon().read(text)
}

fn lexicon() -> &'static Lexicon {
    static LEXICON: std::sync::LazyLock<Lexicon> =
        std::sync::LazyLock::new(|| Lexicon::parse(ENGLISH).expect("the shipped lexicon"));
    &LEXICON
}

/// A text, a signal, and whether it shows it.
const SEEN: &[(&str, &str, bool)] = &[
    // Whole words, never substrings.
    ("I have a knot", "consent_no", false),
    ("right now", "consent_no", false),
    ("I know", "consent_no", false),
    ("nobody knows", "consent_no", false),
    ("this is a thing", "greeting", false),
    // A wish to do harm, or to be gone, is no goal.
    ("I want to hurt my boss", "goal", false),
    ("I want to feel dead inside", "goal", false),
    ("I want to stop eating", "goal", false),
    ("I want to feel nothing", "goal", false),
    ("I want to make him suffer", "goal", false),
    ("I want to feel calm", "grave", false),
    ("I want to poison my neighbour", "goal", false),
    ("I hope she dies", "goal", false),
    // At any step.
    ("this is stupid", "resists", true),
    ("leave me alone", "resists", true),
    ("leave me alone", "consent_no", false),
    ("I feel alone", "resists", false),
    ("I'm crying", "cries", true),
    ("I cry every night", "cries", false),
    ("I feel dizzy", "unwell", true),
    ("ich möchte ruhiger sein", "other_language", true),
    ("I want to feel calm", "other_language", false),
    ("yea", "consent_yes", true),
    ("please do", "consent_yes", true),
    ("actually I want peace", "corrects", true),
    ("mornings", "trigger", true),
    ("hi", "greeting", true),
    ("it is broken", "consent_yes", false),
    ("he yessed me", "consent_yes", false),
    ("I was stopped at the border", "stop", false),
    ("pain au chocolat, painful", "sensation", true),
    ("I am painting", "sensation", false),
    // Consent is three-valued.
    ("yes", "consent_yes", true),
    ("Yes, I'd like to", "consent_yes", true),
    ("okay, let's try", "consent_yes", true),
    ("I'm ready", "consent_yes", true),
    ("👍", "consent_yes", true),
    ("no problem", "consent_yes", true),
    ("why not", "consent_yes", true),
    ("not ready", "consent_yes", false),
    ("I am not ready", "consent_yes", false),
    ("I am not ready", "consent_no", true),
    ("I'm not sure I'm ready", "consent_yes", false),
    ("I don't think I'm ready", "consent_yes", false),
    ("no", "consent_no", true),
    ("no thanks", "consent_no", true),
    ("I'd rather not", "consent_no", true),
    ("maybe", "consent_unclear", true),
    ("yes, but not now", "consent_yes", false),
    ("yes, but not now", "consent_unclear", true),
    ("sure, I guess", "consent_yes", false),
    ("not okay", "consent_yes", false),
    ("what is it?", "consent_yes", false),
    ("ready or not", "consent_yes", false),
    // Calm and tension.
    ("calmer", "calmer", true),
    ("less tense", "calmer", true),
    ("more tense", "calmer", false),
    ("more tense", "tenser", true),
    ("uncomfortable", "calmer", false),
    ("uncomfortable", "tenser", true),
    ("not calm", "calmer", false),
    ("not calm", "tenser", true),
    ("I can't relax", "tenser", true),
    ("not tense", "tenser", false),
    ("calmer in the jaw but my neck is more tense", "calmer", false),
    // Goals.
    ("I want to feel calm", "goal", true),
    ("to be happy again", "goal", true),
    ("peace", "goal", true),
    ("not feeling great", "goal", false),
    ("I'm not calm", "goal", false),
    ("I don't want to be anxious", "goal", false),
    ("I want to disappear", "goal", false),
    ("I used to be happy", "goal", false),
    ("I just want to feel better", "vague", true),
    ("whatever", "vague", true),
    ("I want to sleep at night", "vague", false),
    // Problems.
    ("I can't sleep", "problem", true),
    ("my boss keeps shouting", "problem", true),
    ("the divorce", "problem", true),
    ("no stress", "problem", false),
    ("my daughter died last year", "problem", true),
    // Body.
    ("in my chest", "body_place", true),
    ("my back hurts", "body_place", true),
    ("back", "body_place", true),
    ("I want my life back", "body_place", false),
    ("on the other hand", "body_place", false),
    ("not in my chest", "body_place", false),
    ("a lump in my throat", "sensation", true),
    ("no tension at all", "sensation", false),
    ("I don't feel anything", "no_body", true),
    // Understanding.
    ("that makes sense", "understood", true),
    ("that doesn't make sense", "understood", false),
    ("I don't understand", "not_understood", true),
    ("it's unclear", "understood", false),
    ("yes", "understood", true),
    ("I can't picture it", "accepted", false),
    ("I can see myself laughing", "accepted", true),
    // Here and now.
    ("I feel it right now", "present", true),
    ("not right now", "present", false),
    ("I can't feel it", "present", false),
    ("it's gone", "not_present", true),
    // Pattern.
    ("when my boss comes in", "trigger", true),
    ("my heart races", "trigger", true),
    // Readiness.
    ("no, that's all", "nothing_more", true),
    ("nothing", "nothing_more", true),
    ("there is also my throat", "new", true),
    ("no, nothing else", "new", false),
    // Stop.
    ("stop", "stop", true),
    ("please stop", "stop", true),
    ("I want to stop", "stop", true),
    ("I can't stop thinking", "stop", false),
    // Compare.
    ("much better", "better", true),
    ("lighter", "better", true),
    ("not better", "better", false),
    ("not better", "same", true),
    ("no change", "same", true),
    ("it's worse", "worse", true),
    ("not worse", "worse", false),
    ("better here but worse there", "better", false),
    // At any step.
    ("", "silent", true),
    ("...", "silent", true),
    (" \t ", "silent", true),
    ("hmm", "silent", true),
    ("hmm, in my chest", "silent", false),
    ("I don't know", "dont_know", true),
    ("idk", "dont_know", true),
    ("I don't know, maybe my chest", "dont_know", false),
    ("I know", "dont_know", false),
    ("are you human?", "asks_if_human", true),
    ("Am I talking to a person", "asks_if_human", true),
    ("my boss is not human", "asks_if_human", false),
    ("I'm only human", "asks_if_human", false),
    ("I think it is because of him", "thinking", true),
    ("years ago", "past", true),
    // Emotions.
    ("I'm so scared", "emotion", true),
    ("I'm not scared", "emotion", false),
    ("not scared but sad", "emotion", true),
    ("I can't stop worrying", "emotion", true),
];

#[test]
fn words_are_seen_whole_and_with_their_negation() {
    let wrong: Vec<_> = SEEN.iter().filter(|(text, signal, is)| read(text).has(signal) != *is).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn everything_found_names_its_rule() {
    let signals = read("I want to feel calm");
    let rule =
        |signal: &str| signals.found().iter().find(|found| found.signal == signal).map(|f| f.rule.as_str());
    assert_eq!(rule("wants"), Some("goal.wanting"));
    assert_eq!(rule("goal"), Some("derived"));
}

#[test]
fn facts_fit_the_texts_that_say_them_back() {
    for (text, fact, said) in [
        ("I want to feel calm", "goal", Some("to feel calm")),
        ("calm", "goal", Some("to feel calm")),
        ("calm, I guess", "goal", Some("to feel calm")),
        ("Peace", "goal", Some("peace")),
        ("I want my life back", "goal", Some("your life back")),
        ("I wish I could sleep", "goal", Some("to sleep")),
        ("I wish I was braver", "goal", Some("to be braver")),
        ("to be like myself again please", "goal", Some("to be like yourself")),
        ("I want to feel calm because my job is awful", "goal", Some("to feel calm")),
        ("I want you to help me", "goal", None),
        ("I can't sleep at night", "problem", Some("you can't sleep at night")),
        (
            "I am tired. I feel anxious around my mother.",
            "problem",
            Some("you feel anxious around your mother"),
        ),
        ("I hate myself", "problem", None),
        ("in my back, here", "body_place", Some("back")),
        ("my chest is so tight", "body_place", Some("chest")),
        ("my chest is so tight", "sensation", Some("tightness")),
        ("I'd be walking with my dog", "vision", Some("you'd be walking with your dog")),
        ("When Anna calls me I freeze", "trigger", Some("when Anna calls you")),
        ("when I think about my father", "trigger", Some("when you think about your father")),
    ] {
        assert_eq!(read(text).fact(fact), said, "{text}");
    }
}

#[test]
fn emotions_have_a_group_and_an_intensity() {
    for (text, group, intensity) in [
        ("", "neutral", 0),
        ("the table is brown", "neutral", 0),
        ("I'm not sad", "neutral", 0),
        ("a bit nervous", "anxiety", 1),
        ("I'm sad", "sadness", 2),
        ("I'm very sad", "sadness", 3),
        ("terrified", "anxiety", 3),
        ("a little lonely and so angry", "anger", 3),
    ] {
        let state = read(text).emotional_state;
        assert_eq!((state.primary_emotion.as_str(), state.intensity), (group, intensity), "{text}");
    }
    assert_eq!(read("sad and angry").emotional_state.categories, ["sadness", "anger"]);
}

#[test]
fn what_the_wire_shows_has_its_phrases() {
    let signals = read("I don't know, back then I used to run");
    assert_eq!(signals.past.phrases_found, ["back then", "used to"]);
    assert_eq!(signals.dont_know.phrases_found, ["i don't know"]);
    assert_eq!((signals.dont_know.context, read("idk").dont_know.context), ("alone", "alone"));
    assert_eq!(read("I don't know, my chest").dont_know.context, "with_answer");
    let calm = read("calm");
    assert!(!calm.past.detected && !calm.thinking.detected && calm.dont_know.context == "none");
    assert!(read("I think it's logical").thinking.detected);
}

#[test]
fn the_category_says_what_kind_of_answer_it_is() {
    for (text, category) in [
        ("", "silence"),
        ("are you a bot", "question_about_attune"),
        ("my chest", "body"),
        ("I want peace", "goal"),
        ("yes", "agreement"),
        ("no", "refusal"),
        ("hello", "greeting"),
        ("the table", "general"),
    ] {
        assert_eq!(read(text).input_category, category, "{text}");
    }
}

#[test]
fn only_what_is_no_word_is_corrected() {
    let signals = read("  Im  anixous, dont\u{200B} know “why”  ");
    assert_eq!(signals.cleaned_input, "Im anixous, dont know \"why\"");
    assert_eq!(signals.corrected_input, "I'm anxious, don't know \"why\"");
    let pairs: Vec<(&str, &str)> =
        signals.spelling_corrections.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(pairs, [("Im", "I'm"), ("anixous", "anxious"), ("dont", "don't")]);
}

#[test]
fn a_correct_word_is_left_alone() {
    let correct = "I hear what the boy said: feeding the cat is right, so stay here, were we ill or well, its cant and wont, id";
    let signals = read(correct);
    assert_eq!(signals.corrected_input, correct);
    assert_eq!(signals.spelling_corrections, []);
}

#[test]
fn a_faulty_lexicon_is_refused_with_all_its_faults() {
    let broken = ENGLISH
        .replacen("id = \"goal.adjective\"", "id = \"goal.noun\"", 1)
        .replacen("phrases = [\"chest\",", "phrases = [\"Chest\",", 1)
        .replacen("phrases = [\"not ready\",", "phrases = [\"not if ready\",", 1)
        .replacen("when = [\"says_no|refuses|stop\"", "when = [\"says_noo|refuses|stop\"", 1);
    let faults: Vec<String> =
        Lexicon::parse(&broken).expect_err("four faults").iter().map(ToString::to_string).collect();
    for expected in [
        "rule goal.noun: its id stands twice",
        "'Chest' is no phrase",
        "'not if ready' can never",
        "'says_noo'",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected} in {faults:?}");
    }
    assert!(Lexicon::parse(&format!("surprise = 1\n{ENGLISH}")).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_and_stays_bounded(text in ".{0,2000}") {
        let signals = read(&text);
        prop_assert!(signals.found().len() <= 128);
        prop_assert!(signals.facts.values().all(|fact| fact.len() <= 160));
        prop_assert_eq!(&read(&text), &signals);
    }

    #[test]
    fn cleaning_twice_changes_nothing(text in ".{0,300}") {
        let once = read(&text).cleaned_input;
        prop_assert_eq!(read(&once).cleaned_input, once);
    }
}

#[test]
fn a_hope_is_said_back_only_where_it_follows_a_wish() {
    assert_eq!(read("I hope to sleep again").fact("goal"), Some("to sleep"));
    assert_eq!(read("I hope it gets better").fact("goal"), None);
    assert_eq!(read("I want is peace").fact("goal"), Some("peace"));
}
