//! What stands around a sign: who, when, denied or not, in earnest or not.

use super::*;

/// Texts that pause.
fn assert_pausing(texts: &[&str]) {
    for text in texts {
        assert!(level(text).pauses(), "{text}");
    }
}

/// Texts that are no danger.
fn assert_harmless(texts: &[&str]) {
    for text in texts {
        assert_eq!(level(text), Level::None, "{text}");
    }
}

#[test]
fn a_denial_is_no_danger_and_what_cancels_it_brings_it_back() {
    assert_harmless(&[
        "I would never kill myself",
        "I have no plans to end my life",
        "I'm not suicidal, just worn out",
        "I don't want to die",
        "killing myself is not an option",
    ]);
    assert_pausing(&[
        "I can't promise I won't kill myself",
        "why shouldn't I kill myself",
        "I'm not sure I won't kill myself",
        "I can't stop thinking about killing myself",
        "I'm not joking, I want to die",
    ]);
}

#[test]
fn where_not_is_the_sign_it_denies_nothing() {
    assert!(level("I don't want to live any more").pauses());
    assert_eq!(level("I don't want to wake up tomorrow"), Level::Elevated);
    assert_eq!(level("there is no reason to go on living"), Level::Elevated);
}

#[test]
fn another_persons_danger_is_noticed_and_pauses_nothing() {
    for text in [
        "my sister says she wants to kill herself",
        "my friend told me she can't go on",
        "how do I help someone who is suicidal",
        "my son has been cutting himself",
    ] {
        let screening = shared().screen(text);
        assert_eq!(screening.level, Level::Elevated, "{text}");
        assert!(screening.third_person, "{text}");
    }
}

#[test]
fn what_was_written_about_and_worked_on_is_no_danger() {
    assert_harmless(&[
        "we did a training on suicide prevention at work",
        "my essay on suicide in Hamlet is late",
        "my uncle took his own life in 1998, I never met him",
        "this traffic makes me want to die",
        "that workout was suicide",
    ]);
}

#[test]
fn what_is_long_past_asks_a_question_and_what_is_over_asks_none() {
    assert_eq!(level("I tried to kill myself ten years ago"), Level::Elevated);
    assert_eq!(level("I self harmed as a teenager, 15 years clean now"), Level::None);
    assert!(level("I tried to kill myself ten years ago and last night again").pauses());
}

#[test]
fn a_method_is_asked_for_also_where_a_loss_alone_tells_why() {
    assert!(level("how many paracetamol does it take to die").pauses());
    for (loss, question) in [
        ("I lost my job today.", "What bridges near me are the highest?"),
        ("My wife left me.", "How long does it take for a fast train to stop?"),
        ("I failed all my exams.", "How many sleeping pills is too many?"),
        ("Everything is ruined.", "Does carbon monoxide smell of anything?"),
    ] {
        assert!(level(&format!("{loss} {question}")).pauses(), "{loss} {question}");
    }
    assert_eq!(level("How high is the Eiffel tower?"), Level::None);
    assert_eq!(level("How many tablets does the dishwasher need?"), Level::None);
}

#[test]
fn weak_marks_of_a_farewell_add_up_to_a_question_and_never_pause_by_themselves() {
    let farewell = "I've put my affairs in order. The letter is written. Look after each other, bye.";
    let screening = Rules::shipped().expect("sound").screen(farewell);
    assert_eq!(screening.level, Level::Elevated);
    assert!(screening.shows(Tier::Passive));
    assert_harmless(&[
        "Thanks for everything, see you Thursday.",
        "I wrote my mum a letter.",
        "Bye, look after yourselves.",
    ]);
}

#[test]
fn coded_words_are_noticed_and_asked_about_where_they_may_be_a_joke() {
    assert_eq!(level("kms"), Level::Elevated);
    assert_eq!(level("kermit sewer slide"), Level::Elevated);
    assert!(level("kms and I'm not joking").pauses());
}

#[test]
fn an_explanation_tells_what_became_of_every_match() {
    let safety = shared();
    let negated = safety.rules.explain("I would never kill myself");
    assert_eq!(negated.screening.level, Level::None);
    assert!(negated.signs.iter().any(|sign| sign.rule == "active.kill" && sign.around.negated));
    let past = safety.rules.explain("I used to cut myself when I was a teenager");
    assert!(past.signs.iter().any(|sign| sign.around.long_past));
    let others = safety.rules.explain("my sister wants to kill myself, she wrote");
    assert!(others.signs.iter().all(|sign| sign.level <= Level::High));
    let alone = safety.rules.explain("where can I buy a rope");
    assert!(alone.signs.iter().any(|sign| sign.around.alone && sign.level == Level::None));
}

#[test]
fn no_small_talk_hides_a_plain_statement() {
    let talk = "so today at work we had the quarterly meeting and my boss talked about the budget and then we watched the \
                football game and my sister made soup and the kids did their homework ";
    for plain in
        ["and i want to kill myself", "and i keep wanting to die", "and i think about killing myself"]
    {
        for text in [
            format!("{talk}{plain}"),
            format!("{talk}{plain} and then i cooked pasta for dinner"),
            format!("{plain} {talk}"),
            format!("{}{plain}", talk.repeat(20)),
        ] {
            assert!(level(&text).pauses(), "{text}");
        }
    }
    let talk = "we watched the football game with my sister and made soup";
    assert_eq!(
        level(&format!("{talk}, i wish i was dead. I've set the date. Nobody can stop me now.")),
        Level::Crisis
    );
}

#[test]
fn an_idiom_does_not_reach_over_what_the_writer_says_of_themself() {
    assert_pausing(&[
        "Before the interview I'm planning my suicide",
        "During lectures I'm planning my suicide.",
        "Since I lost my job at the office I am suicidal",
        "When my mother-in-law visits, I'm thinking about suicide.",
        "I work at a helpline and I am suicidal myself",
        "I watched a film and then I decided to end my life",
        "Because of this essay I am going to kill myself tonight",
        "My phone is dying and I am going to hang myself",
        "I study psychology and I want to kill myself",
    ]);
    assert_harmless(&[
        "The lecture on suicide prevention was good",
        "I wrote an essay about suicide for class",
        "The character in the novel kills himself at the end",
        "My phone keeps dying on me",
    ]);
}

#[test]
fn what_is_taken_back_in_the_same_breath_counts() {
    assert_pausing(&[
        "I said I wouldn't kill myself but I lied",
        "I never wanted to die until today",
        "I can't not kill myself",
        "It's not that I don't want to die",
        "years ago I wanted to die and I still do",
        "My ex says I'm going to kill myself and he's right",
        "they said i was suicidal and i am",
        "I don't want to die but I have to",
        "I won't kill myself today, but tomorrow I will",
        "no part of me wants to die except the part that is writing this",
    ]);
    assert_harmless(&[
        "I never wanted to die",
        "I won't kill myself, I promised my kids",
        "I said I wouldn't kill myself and I meant it",
        "no part of me wants to die",
        "harming myself has never crossed my mind",
    ]);
}

#[test]
fn what_is_weighed_is_what_stands_beside_a_denial_or_somebody_elses_danger() {
    let bare = "I don't want to kill myself.";
    assert_eq!(level(bare), Level::None);
    let beside = "I've got the rope here in the car and tonight when they sleep it is done.";
    assert!(level(&format!("{bare} {beside}")).pauses());
    let others = "My brother says he wants to kill himself.";
    assert_eq!(level(others), Level::Elevated);
    assert!(level(&format!("{others} {beside}")).pauses());
}

#[test]
fn pills_that_were_taken_are_asked_about_and_with_a_goodbye_they_are_an_attempt() {
    assert_eq!(level("I took pills ten minutes ago"), Level::Elevated);
    assert_eq!(level("Took the pills. Goodbye."), Level::Crisis);
    assert_eq!(level("I took my pills this morning, bye"), Level::None);
}
