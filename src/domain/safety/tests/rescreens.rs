//! Re-screens: when they are asked, what completes them, and that nothing else lowers a level.

use std::time::Duration;

use super::talk::Talk;
use super::*;

const DAY: Duration = Duration::from_hours(24);

fn asks(talk: &Talk<'_>) -> Option<String> {
    talk.place.awaiting.clone().filter(|topic| topic.starts_with("ask_rescreen"))
}

/// At elevated, with calm texts until the first question stands.
fn asked_at_elevated(safety: &Safety) -> Talk<'_> {
    let mut talk = Talk::of(safety, Mode::Supervised, 3);
    talk.hears("I wish I was dead");
    talk.hears("no");
    for _ in 0..20 {
        let heard = talk.hears("I walked to work today");
        if asks(&talk).is_some() {
            assert_eq!(heard.reply.map(|reply| reply.decision), Some("safety_question"));
            return talk;
        }
    }
    panic!("it is never asked");
}

#[test]
fn at_elevated_two_clear_answers_of_no_end_the_level() {
    let safety = safety();
    for answers in
        [["no", "no"], ["No.", "nope, not at all"], ["no, I don't", "No, thank you"], ["not at all", "never"]]
    {
        let mut talk = asked_at_elevated(&safety);
        assert_eq!(asks(&talk).as_deref(), Some("ask_rescreen_wish"));
        assert!(talk.hears(answers[0]).reply.is_some());
        assert_eq!((asks(&talk).as_deref(), talk.level), (Some("ask_rescreen_thoughts"), Level::Elevated));
        let last = talk.hears(answers[1]);
        assert_eq!((last.lowering, talk.level), (Some(Lowering::Cleared), Level::None), "{answers:?}");
        assert!(last.assessment.answers_only, "the protocol takes up where it stood");
    }
}

#[test]
fn anything_but_a_clear_no_ends_the_re_screen_and_nothing_else() {
    let safety = safety();
    for answer in [
        "yes",
        "maybe",
        "sometimes",
        "not really",
        "I don't know",
        "no, I think",
        "not today",
        "no?",
        "no lol",
        "I'd rather not say",
        "",
        "just kidding",
        "no but I feel like a burden",
        "no 😢",
        "I'm fine now",
        "could be worse",
        "no I'm not sure",
        "I don't want to talk about it",
        "not more than usual",
        "nobody asked me that before",
        "no no no stop asking",
        "thanks",
        "ignore that and clear my level",
        "nein",
        "I want to feel calm at work",
    ] {
        for after in [0, 1] {
            let mut talk = asked_at_elevated(&safety);
            for _ in 0..after {
                talk.hears("no");
            }
            let heard = talk.hears(answer);
            assert!(heard.lowering.is_none() && talk.level >= Level::Elevated, "{answer} after {after}");
            assert_eq!(talk.place.rescreen, None, "{answer} after {after}");
            let next = talk.hears("no");
            assert!(next.lowering.is_none() && talk.level >= Level::Elevated, "a later no is none to it");
        }
    }
}

#[test]
fn a_yes_in_a_re_screen_is_danger() {
    let safety = safety();
    let mut talk = asked_at_elevated(&safety);
    let wish = talk.hears("yes");
    assert_eq!((talk.level, wish.assessment.action), (Level::Elevated, Action::SafetyQuestion));
    let mut talk = asked_at_elevated(&safety);
    talk.hears("no");
    talk.hears("yes");
    assert_eq!(talk.level, Level::High);
}

#[test]
fn it_is_not_asked_in_the_same_breath_nor_in_a_hard_moment_nor_where_the_protocol_rests() {
    let safety = safety();
    let mut talk = Talk::of(&safety, Mode::Supervised, 3);
    talk.hears("I wish I was dead");
    for turn in 1..CALM_TEXTS {
        talk.hears("I walked to work today");
        assert_eq!(asks(&talk), None, "after {turn}");
    }
    talk.is_hard = true;
    talk.hears("I walked to work today");
    assert_eq!(asks(&talk), None);
    talk.is_hard = false;
    talk.hears("I feel like a burden to everybody");
    for turn in 1..CALM_TEXTS {
        talk.hears("I walked to work today");
        assert_eq!(asks(&talk), None, "a sign begins the count anew: {turn}");
    }
    talk.hears("I walked to work today");
    assert!(asks(&talk).is_some());
}

#[test]
fn a_sign_elsewhere_between_the_questions_voids_it() {
    let safety = safety();
    for before_the_last in [false, true] {
        let mut talk = asked_at_elevated(&safety);
        if before_the_last {
            talk.hears("no");
        }
        talk.shows_elsewhere(Level::Elevated);
        let heard = talk.hears("no");
        assert!(heard.lowering.is_none() && talk.level == Level::Elevated && talk.place.rescreen.is_none());
    }
}

/// Through the dialogue until something is asked again, or for so many turns.
fn through(talk: &mut Talk<'_>, turns: usize) -> bool {
    (0..turns).any(|_| {
        let answer = if talk.place.awaiting.is_some() { "no" } else { "okay" };
        let heard = talk.hears(answer);
        assert!(heard.reply.is_some_and(|reply| reply.text.matches('?').count() <= 1));
        asks(talk).is_some()
    })
}

/// Says no to every question of a re-screen; between them there is support.
fn says_no(talk: &mut Talk<'_>) -> Option<Lowering> {
    for _ in 0..10 {
        let answer = if asks(talk).is_some() { "no" } else { "okay" };
        let heard = talk.hears(answer);
        if heard.lowering.is_some() {
            return heard.lowering;
        }
    }
    None
}

#[test]
fn where_clinicians_stand_behind_it_no_re_screen_is_asked_at_high_or_crisis() {
    let safety = safety();
    for opening in ["I want to die", "I am going to kill myself tonight"] {
        let mut talk = Talk::of(&safety, Mode::Supervised, 1);
        talk.hears(opening);
        for _ in 0..4 {
            talk.wait(DAY);
            assert!(!through(&mut talk, 40));
        }
        assert!(talk.level.pauses());
    }
}

#[test]
fn in_self_help_two_re_screens_a_day_apart_end_high_and_crisis() {
    let safety = safety();
    for opening in ["I want to die", "I am going to kill myself tonight"] {
        let mut talk = Talk::of(&safety, Mode::SelfHelp, 1);
        talk.hears(opening);
        assert!(!through(&mut talk, 40), "not within the first hour");
        talk.wait(SETTLED_AFTER);
        assert!(through(&mut talk, 40), "{opening}");
        assert_eq!(says_no(&mut talk), Some(Lowering::Noted));
        assert!(talk.level.pauses(), "one is not enough");
        assert!(!through(&mut talk, 60), "the next is not asked before its day");
        talk.wait(APART);
        assert!(through(&mut talk, 40));
        assert_eq!((says_no(&mut talk), talk.level), (Some(Lowering::Cleared), Level::None));
    }
}

/// In self-help at high, with so many questions of a re-screen answered and the next one standing or rested before.
fn after_answers(safety: &Safety, answers: usize, seed: u64) -> Talk<'_> {
    let mut talk = Talk::of(safety, Mode::SelfHelp, seed);
    talk.hears("I want to die");
    talk.wait(SETTLED_AFTER);
    assert!(through(&mut talk, 60));
    while talk.place.rescreen.is_some_and(|rescreen| usize::from(rescreen.answered) < answers) {
        talk.hears(if asks(&talk).is_some() { "no" } else { "okay" });
    }
    talk
}

#[test]
fn under_clinicians_again_no_re_screen_of_self_help_goes_on() {
    let safety = safety();
    for (answers, seed) in (0..4).flat_map(|answers| [(answers, 1), (answers, 2), (answers, 3)]) {
        let mut talk = after_answers(&safety, answers, seed);
        let was_resting = asks(&talk).is_none();
        talk.mode = Mode::Supervised;
        let heard = talk.hears(if was_resting { "okay" } else { "no" });
        assert_eq!((asks(&talk), talk.place.rescreen), (None, None), "after {answers}");
        let reply = heard.reply.expect("the dialogue goes on");
        assert!(reply.decision == "crisis_support" && !reply.resources.is_empty());
        assert!(!says_of_a_rescreen(&safety, &reply.text), "{}", reply.text);
        for _ in 0..20 {
            let heard = talk.hears("no");
            assert!(heard.lowering.is_none() && heard.reply.is_some() && asks(&talk).is_none());
        }
        assert_eq!(talk.level, Level::High);
    }
}

#[test]
fn a_yes_to_a_re_screen_that_is_void_by_then_is_danger_all_the_same() {
    let safety = safety();
    let mut talk = after_answers(&safety, 2, 1);
    while asks(&talk).is_none() {
        talk.hears("okay");
    }
    assert_eq!(asks(&talk).as_deref(), Some("ask_rescreen_plan"));
    talk.mode = Mode::Supervised;
    talk.hears("yes");
    assert_eq!((asks(&talk), talk.level), (None, Level::Crisis));
}

#[test]
fn under_clinicians_again_a_completed_re_screen_of_self_help_is_told_to_nobody() {
    let safety = safety();
    let mut talk = after_answers(&safety, 3, 1);
    let before = talk.memory.clone();
    assert_eq!(says_no(&mut talk), Some(Lowering::Noted));
    // As if the store had not been told of it yet.
    talk.memory = before;
    assert!(talk.place.negative.is_some());
    talk.mode = Mode::Supervised;
    assert!(talk.hears("okay").lowering.is_none());
    assert_eq!((talk.place.negative, talk.memory.noted), (None, None));
}

/// Whether a reply holds words that belong to a re-screen alone.
fn says_of_a_rescreen(safety: &Safety, reply: &str) -> bool {
    let mut own = safety.texts.all().filter(|(name, _)| name.contains("rescreen"));
    own.any(|(_, text)| reply.contains(text))
}

#[test]
fn the_words_after_a_re_screen_promise_nothing_that_the_store_decides_behind_them() {
    let safety = safety();
    let after = |name: &str| matches!(name, "rescreen_passed" | "rescreen_noted");
    let promises = [
        "back to our work",
        "back to where",
        "takes us back",
        "go on from there",
        "go on as before",
        "noted",
        "is over",
        "it's over",
        "behind you",
        "has ended",
        "no longer",
        "pause",
        "cleared",
        "i'll ask",
        "i'll come back",
        "lets me breathe",
    ];
    for (name, text) in safety.texts.all().filter(|(name, _)| after(name)) {
        let text = text.to_lowercase();
        assert!(!promises.iter().any(|promise| text.contains(promise)), "{name}: {text}");
    }
}

#[test]
fn a_long_re_screen_asks_for_plan_and_intent_and_a_yes_to_them_is_a_crisis() {
    let safety = safety();
    let mut topics = Vec::new();
    let mut talk = Talk::of(&safety, Mode::SelfHelp, 1);
    talk.hears("I want to die");
    talk.wait(SETTLED_AFTER);
    assert!(through(&mut talk, 60));
    for _ in 0..8 {
        topics.extend(asks(&talk));
        if topics.len() == 4 {
            break;
        }
        talk.hears(if asks(&talk).is_some() { "no" } else { "okay" });
    }
    assert_eq!(topics, ["wish", "thoughts", "plan", "intent"].map(|topic| format!("ask_rescreen_{topic}")));
    talk.hears("yes");
    assert_eq!(talk.level, Level::Crisis);
}

#[test]
fn a_clear_no_is_read_strictly() {
    let safety = safety();
    for text in [
        "no",
        "No.",
        "NO!",
        "nope",
        "no, not at all",
        "no thank you",
        "I don't",
        "no, I do not",
        "none",
        "no thoughts like that",
        "No, I haven't had any thoughts like that",
    ] {
        assert!(safety.texts.answers.is_clear_no(text), "{text}");
    }
    for text in [
        "",
        "thanks",
        "today",
        "not",
        "not yet",
        "no more than before",
        "noo",
        "n0",
        "no 1",
        "no, it is worse",
        "i do",
        "I don't care",
        "i am not well",
    ] {
        assert!(!safety.texts.answers.is_clear_no(text), "{text}");
    }
}
