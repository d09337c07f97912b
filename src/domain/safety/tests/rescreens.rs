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
