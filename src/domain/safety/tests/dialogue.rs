//! The crisis dialogue, walked as people walk it.

use super::*;

const ANSWERS: [&str; 9] = [
    "yes",
    "no",
    "I don't want to say",
    "",
    "are you a real person?",
    "just kidding",
    "thanks",
    "maybe",
    "my cat is ill",
];
/// What is never said to somebody in danger.
const FORBIDDEN: [&str; 25] = [
    "calm down",
    "cheer up",
    "at least",
    "look on the bright side",
    "others have it worse",
    "selfish",
    "sin ",
    "promise me",
    "can you promise",
    "you have so much to live for",
    "i know exactly how you feel",
    "i understand exactly",
    "i can't talk about",
    "i cannot talk about",
    "not able to discuss",
    "unable to help",
    "attention",
    "milligram",
    " mg",
    "commit suicide",
    "committed suicide",
    "everything will be",
    "you should not feel",
    "get over it",
    "a human will",
];

struct Walk<'a> {
    safety: &'a Safety,
    place: CrisisPlace,
    level: Level,
    country: Option<&'a str>,
    seed: u64,
    is_on_duty: bool,
}

/// Level and assessment as the pipeline takes them, with nothing remembered that would be re-screened.
fn weigh(safety: &Safety, place: &mut CrisisPlace, text: &str, counted: Level) -> Assessment {
    let memory = SafetyMemory::default();
    safety.assess(place, text, &safety.screen(text), &talk::moment(counted, &memory))
}

impl<'a> Walk<'a> {
    fn from(safety: &'a Safety, country: Option<&'a str>, seed: u64) -> Self {
        Self { safety, place: CrisisPlace::default(), level: Level::None, country, seed, is_on_duty: false }
    }

    /// One turn, as the pipeline takes it.
    fn hears(&mut self, text: &str) -> CrisisReply {
        let screening = self.safety.screen(text);
        self.level = weigh(self.safety, &mut self.place, text, self.level).level;
        let said = Said {
            text,
            screening: &screening,
            level: self.level,
            country: self.country,
            is_on_duty: self.is_on_duty,
            is_ai_due: false,
        };
        let reply = self.safety.reply(&self.place, &said, self.seed);
        self.level = self.level.max(reply.level);
        self.place = reply.place.clone();
        reply
    }
}

/// The questions in a text: every sentence that ends in a question mark.
fn questions(text: &str) -> Vec<String> {
    text.split_inclusive(['.', '?', '\n', ':'])
        .filter(|part| part.ends_with('?'))
        .map(|q| q.trim().to_owned())
        .collect()
}

fn mixed(turn: usize, seed: u64) -> &'static str {
    let spread = u64::try_from(turn).unwrap_or(0).wrapping_mul(2_654_435_761).wrapping_add(seed * 7);
    ANSWERS[usize::try_from(spread % 9).unwrap_or(0)]
}

/// Walks forty turns and checks what must hold in each of them.
fn walk_forty(opening: &str, seed: u64, answer: impl Fn(usize) -> &'static str) {
    let safety = safety();
    let mut walk = Walk::from(&safety, Some("us"), seed);
    let mut last = walk.hears(opening);
    let mut asked = questions(&last.text);
    for turn in 0..40 {
        let level = walk.level;
        let reply = walk.hears(answer(turn));
        assert_ne!(reply.text, last.text, "turn {turn} says the same twice");
        let before: Vec<&str> = last.text.split("\n\n").collect();
        for part in reply.text.split("\n\n") {
            assert!(!before.contains(&part), "turn {turn} repeats a part");
        }
        let new = questions(&reply.text);
        assert!(new.len() <= 1, "turn {turn} asks {} questions", new.len());
        for question in new {
            assert!(!asked.contains(&question), "turn {turn} asks again: {question}");
            asked.push(question);
        }
        assert_eq!(reply.decision, "crisis_support");
        assert!(walk.level >= level, "a level fell");
        assert!(!reply.text.is_empty() && !reply.text.contains(['{', '}']) && !reply.resources.is_empty());
        last = reply;
    }
}

#[test]
fn forty_turns_of_one_answer_are_never_stuck_and_ask_nothing_twice() {
    for opening in ["I want to kill myself", "I'm going to kill myself tonight", "I cut myself last night"] {
        for answer in ANSWERS {
            walk_forty(opening, 3, |_| answer);
        }
    }
}

#[test]
fn forty_turns_of_mixed_answers_are_never_stuck_and_ask_nothing_twice() {
    for seed in 0..20 {
        walk_forty("I want to die", seed, |turn| mixed(turn, seed));
    }
}

#[test]
fn every_first_reply_is_whole_in_every_country_and_without_a_store() {
    let safety = safety();
    let countries: Vec<Option<&str>> =
        safety.resources.countries().map(Some).chain([None, Some("zz"), Some("")]).collect();
    for country in countries {
        for text in [
            "I want to die",
            "I'm going to kill myself tonight",
            "how do I kill myself",
            "I keep cutting myself",
        ] {
            for seed in [0, 1, 2, 3, u64::MAX] {
                let reply = Walk::from(&safety, country, seed).hears(text);
                assert!(reply.text.contains("an AI"), "says what it is");
                assert!(reply.text.contains(safety.resources.line(country)), "names a line");
                assert_eq!(questions(&reply.text).len(), 1, "asks one question");
                assert_eq!(reply.resources, safety.resources.for_country(country));
                let call = format!("call {}", safety.resources.emergency(country));
                assert!(
                    reply.level < Level::Crisis || reply.text.contains(&call),
                    "names the emergency number"
                );
            }
        }
    }
}

#[test]
fn no_text_says_what_must_never_be_said() {
    let safety = safety();
    for (name, text) in safety.texts.all() {
        let lower = text.to_lowercase();
        for forbidden in FORBIDDEN {
            assert!(!lower.contains(forbidden), "{name} says \"{forbidden}\"");
        }
    }
}

#[test]
fn no_text_implies_that_a_person_reads() {
    let safety = safety();
    for (name, text) in safety.texts.all() {
        let lower = text.to_lowercase();
        for claim in [
            "our team",
            "a counsellor is",
            "someone is reading",
            "somebody is reading",
            "i have alerted",
            "has been notified",
            "i'm human",
        ] {
            assert!(!lower.contains(claim), "{name} claims: {claim}");
        }
    }
    for text in ["are you a real person?", "is anyone reading this", "am I talking to a bot"] {
        let mut walk = Walk::from(&safety, None, 0);
        walk.hears("I want to die");
        assert!(walk.hears(text).text.contains("AI"));
    }
}

#[test]
fn a_yes_to_plan_or_means_makes_it_a_crisis_with_the_emergency_number() {
    let safety = safety();
    let mut walk = Walk::from(&safety, Some("GB"), 1);
    walk.hears("I want to die");
    assert_eq!(walk.hears("no").level, Level::High);
    let reply = walk.hears("yes");
    assert_eq!((reply.level, walk.level), (Level::Crisis, Level::Crisis));
    assert!(reply.text.contains("999"));
}

#[test]
fn whoever_keeps_refusing_is_no_longer_questioned_about_the_danger() {
    let safety = safety();
    let mut walk = Walk::from(&safety, None, 0);
    walk.hears("I want to die");
    for _ in 0..12 {
        walk.hears("I'd rather not say");
    }
    for topic in ["ask_intent", "ask_means", "ask_time"] {
        assert!(!walk.place.asked.contains(topic), "{topic}");
    }
    assert!(walk.place.asked.contains("ask_person"));
}

#[test]
fn a_safety_question_is_one_and_names_the_lines_once() {
    let safety = safety();
    let mut walk = Walk::from(&safety, Some("IE"), 5);
    let first = walk.hears("I wish I was dead");
    assert_eq!(
        (first.decision, questions(&first.text).len(), first.level),
        ("safety_question", 1, Level::Elevated)
    );
    assert!(!first.resources.is_empty() && first.text.contains("116 123"));
    let second = walk.hears("I feel like a burden");
    assert_ne!(first.text, second.text);
    assert!(second.resources.is_empty() && !second.text.contains("116 123"));
}

#[test]
fn a_yes_to_the_safety_question_pauses_and_a_later_yes_does_not() {
    let safety = safety();
    let mut walk = Walk::from(&safety, None, 0);
    walk.hears("I wish I was dead");
    let mut later = walk.place.clone();
    let now = weigh(&safety, &mut walk.place, "yes", Level::Elevated);
    assert_eq!((now.level, now.action, now.rose), (Level::High, Action::Crisis, true));
    assert_eq!(weigh(&safety, &mut later, "no, not at all", Level::Elevated).action, Action::Continue);
    assert_eq!(weigh(&safety, &mut later, "yes", Level::Elevated).level, Level::Elevated);
}

#[test]
fn somebody_elses_danger_is_met_with_help_for_helping_and_no_pause() {
    let safety = safety();
    let mut walk = Walk::from(&safety, Some("DE"), 0);
    let reply = walk.hears("my friend wants to kill himself");
    assert_eq!((reply.decision, reply.level), ("safety_question", Level::Elevated));
    assert!(
        reply.text.contains("112") && reply.text.contains("116 123") && questions(&reply.text).len() == 1
    );
}

#[test]
fn a_retraction_lowers_nothing() {
    let safety = safety();
    for opening in ["I wish I was dead", "I want to die", "I'm going to kill myself"] {
        let mut walk = Walk::from(&safety, None, 0);
        walk.hears(opening);
        let level = walk.level;
        for taken_back in ["just kidding", "I didn't mean it", "I'm fine now", "it was a joke"] {
            walk.hears(taken_back);
            assert!(walk.level >= level);
        }
    }
}

#[test]
fn a_place_is_bounded_and_survives_storing() {
    let safety = safety();
    let mut walk = Walk::from(&safety, None, 9);
    walk.hears("I want to die");
    for turn in 0..300 {
        walk.hears(mixed(turn, 4));
    }
    let stored = serde_json::to_string(&walk.place).expect("a place is plain data");
    assert!(stored.len() < 2_000, "{}", stored.len());
    assert_eq!(serde_json::from_str::<CrisisPlace>(&stored).expect("it was just written"), walk.place);
    assert_eq!(
        serde_json::from_str::<CrisisPlace>("{}").expect("every field has a default"),
        CrisisPlace::default()
    );
}

#[test]
fn a_dialogue_with_two_questions_or_an_unknown_name_is_refused() {
    let source = include_str!("../../../../prompts/safety/crisis.en.toml");
    for (was, is) in [
        ("ack_thanks = [", "ack_thank = ["),
        ("I'm glad you're here.", "I'm glad you're here?"),
        ("If you can, {line}.", "If you can, {phone}."),
        ("[texts]", "[texts]\nextra = [\"a\", \"b\", \"c\"]"),
    ] {
        assert!(source.contains(was));
        assert!(CrisisTexts::parse(&source.replacen(was, is, 1)).is_err(), "{is}");
    }
}

#[test]
fn a_maybe_to_the_safety_question_is_no_no() {
    let safety = safety();
    for (answer, level) in [("maybe", Level::High), ("sometimes", Level::High), ("no", Level::Elevated)] {
        let mut walk = Walk::from(&safety, None, 3);
        walk.hears("I can't go on like this");
        assert_eq!(walk.hears(answer).level, level, "{answer}");
    }
}

#[test]
fn a_short_answer_to_a_safety_question_answers_nothing_else() {
    let safety = safety();
    for (answer, only) in [("no", true), ("No, I'm not", true), ("I'd rather not say", true), ("", false)] {
        let mut walk = Walk::from(&safety, None, 3);
        walk.hears("I can't go on like this");
        let assessment = weigh(&safety, &mut walk.place, answer, walk.level);
        assert_eq!(assessment.answers_only, only, "{answer}");
        let later = weigh(&safety, &mut walk.place, answer, walk.level);
        assert!(!later.answers_only, "the question waits no longer");
    }
    let mut walk = Walk::from(&safety, None, 3);
    walk.hears("I can't go on like this");
    let more = "no, I would like to feel calm at work again";
    assert!(!weigh(&safety, &mut walk.place, more, walk.level).answers_only);
}

#[test]
fn a_yes_to_whether_somebody_else_is_in_danger_is_met_with_help_and_no_second_question() {
    let safety = safety();
    let mut walk = Walk::from(&safety, Some("GB"), 5);
    let first = walk.hears("my sister told me she wants to kill herself");
    let assessment = weigh(&safety, &mut walk.place, "yes", walk.level);
    assert_eq!(assessment.action, Action::SafetyQuestion);
    let second = walk.hears("yes");
    assert!(second.text.contains("999") && second.level == Level::Elevated);
    assert_eq!(questions(&second.text).len(), 0);
    assert_ne!(first.text, second.text);
}

#[test]
fn whoever_has_taken_something_is_not_asked_whether_and_not_sent_for_a_walk() {
    let safety = safety();
    let mut walk = Walk::from(&safety, Some("US"), 1);
    let first = walk.hears("I took all of his tablets ten minutes ago");
    assert!(first.text.contains("911"));
    let mut asked = first.place.asked.clone();
    for answer in ["he's at work", "no", "I'm scared", "ok", "I don't know", "no"] {
        asked.extend(walk.hears(answer).place.asked);
    }
    for absurd in ["ask_coping", "ask_safety_plan", "ask_means", "ask_plan"] {
        assert!(!asked.contains(absurd), "{absurd}");
    }
    assert_eq!(questions(&first.text).len(), 1);
    assert!(!questions(&first.text)[0].contains("already"), "they have said so");
}

#[test]
fn when_help_is_on_its_way_the_number_is_not_pressed_and_nothing_more_is_asked() {
    let safety = safety();
    for told in ["ok I called 911", "they're coming", "I can hear the siren", "I called an ambulance"] {
        let mut walk = Walk::from(&safety, Some("US"), 2);
        walk.hears("I am going to kill myself tonight, I have the pills");
        walk.hears(told);
        for _ in 0..6 {
            let reply = walk.hears("I'm waiting");
            assert!(!reply.text.contains("911") && questions(&reply.text).is_empty(), "{told}");
        }
    }
}

#[test]
fn help_that_does_not_come_is_not_taken_for_coming() {
    let safety = safety();
    for told in
        ["I haven't called 911", "nobody is coming", "they're not coming", "I'm on the way to the bridge"]
    {
        let mut walk = Walk::from(&safety, Some("US"), 2);
        walk.hears("I am going to kill myself tonight, I have the pills");
        assert!(!walk.hears(told).place.help_coming, "{told}");
    }
}
