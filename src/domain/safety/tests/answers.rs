//! What people answer, and that the dialogue is not deaf to it.

use super::talk::{Heard, Talk};
use super::*;

/// What is said to `text` in a dialogue that has begun.
fn in_dialogue(safety: &Safety, text: &str) -> Heard {
    let mut talk = Talk::of(safety, Mode::Supervised, 3);
    talk.hears("I want to die");
    talk.hears("no");
    talk.hears(text)
}

/// Whether one of the ways of saying `name` stands in the reply.
fn says(safety: &Safety, heard: &Heard, name: &str) -> bool {
    safety.texts.all().filter(|(own, _)| *own == name).any(|(_, text)| {
        // What stands before a placeholder is enough to know it by.
        let known = text.split('{').max_by_key(|piece| piece.len()).unwrap_or(text);
        heard.text().contains(known.rsplit('}').next().unwrap_or(known))
    })
}

fn assert_says(safety: &Safety, name: &str, texts: &[&str]) {
    for text in texts {
        let heard = in_dialogue(safety, text);
        assert!(says(safety, &heard, name), "{name} to \"{text}\": {}", heard.text());
    }
}

#[test]
fn what_somebody_answers_is_met() {
    let safety = safety();
    assert_says(&safety, "ack_retraction", &["just kidding", "forget what I said", "it was a joke"]);
    assert_says(&safety, "ack_refusal", &["I'd rather not say", "none of your business", "skip"]);
    assert_says(&safety, "ack_silence", &["", "   ", "\n"]);
    assert_says(&safety, "ack_anger", &["you're useless", "fuck you", "stupid bot", "you don't care"]);
    assert_says(&safety, "ack_asks_if_human", &["are you human", "are you a real person?", "is this a bot"]);
    assert_says(&safety, "ack_safe", &["I'm safe now", "I am safe", "my sister is here", "I gave it away"]);
    assert_says(&safety, "ack_called", &["I called the line", "I called 988", "I've texted my therapist"]);
    assert_says(&safety, "ack_leaving", &["bye", "I have to go", "talk tomorrow"]);
    assert_says(&safety, "ack_thanks", &["thanks", "that helps"]);
}

#[test]
fn nobody_is_taken_for_safe_or_for_helped_who_says_otherwise() {
    let safety = safety();
    for text in ["I'm not safe", "I don't feel safe", "I never feel safe", "am I safe", "nobody is here"] {
        assert!(!says(&safety, &in_dialogue(&safety, text), "ack_safe"), "{text}");
    }
    for text in ["I haven't called the line", "I won't call my doctor", "call 988 yourself"] {
        assert!(!says(&safety, &in_dialogue(&safety, text), "ack_called"), "{text}");
    }
}

#[test]
fn a_line_that_was_called_is_no_ambulance_on_its_way() {
    let safety = safety();
    for (text, is_coming) in [("I called 988", false), ("I called 116 123", false), ("I called 911", true)] {
        let mut talk = Talk::of(&safety, Mode::Supervised, 0);
        talk.hears("I am going to kill myself tonight");
        talk.hears(text);
        assert_eq!(talk.place.help_coming, is_coming, "{text}");
    }
}

#[test]
fn a_barrier_has_its_own_word_once_and_is_not_asked_about_any_more() {
    let safety = safety();
    let barriers: [(&str, &[&str]); 6] = [
        ("barrier_shame", &["I'm too ashamed", "what would people think", "they would judge me"]),
        ("barrier_burden", &["I don't want to bother anyone", "they have their own problems"]),
        (
            "barrier_force",
            &["I'm scared of the hospital", "they will lock me up", "I'm not going back to the ward"],
        ),
        ("barrier_cost", &["I can't afford a therapist", "I don't have insurance", "it's too expensive"]),
        ("barrier_nobody", &["I don't have anyone", "there's nobody I could call", "I have no friends"]),
        ("barrier_tried", &["I tried that before", "therapy never worked", "they didn't believe me"]),
    ];
    for (name, texts) in barriers {
        assert_says(&safety, name, texts);
        let mut talk = Talk::of(&safety, Mode::Supervised, 3);
        talk.hears("I want to die");
        talk.hears(texts[0]);
        assert!(!says(&safety, &talk.hears(texts[0]), name), "{name} is said once");
        for _ in 0..30 {
            let heard = talk.hears("okay");
            assert_ne!(heard.reply.and_then(|reply| reply.place.awaiting).as_deref(), Some("ask_obstacle"));
        }
    }
}

#[test]
fn a_language_that_is_not_read_is_told_with_lines_and_not_twice_in_a_row() {
    let safety = safety();
    for text in [
        "ich weiss nicht mehr weiter, ich kann nicht mehr",
        "je ne sais plus quoi faire, je suis fatigué",
        "no puedo más, estoy muy mal y nadie me ayuda",
        "non ce la faccio piu, sono stanco di tutto",
        "ik kan niet meer en niemand weet het",
        "я больше не могу так жить",
        "もう生きていたくない",
        "لا أستطيع الاستمرار",
        "ich kann nicht mehr und bin so müde",
        "nie chcę już żyć, boję się",
        "não aguento mais, estou muito triste",
    ] {
        let mut talk = Talk::of(&safety, Mode::Supervised, 1);
        talk.hears("I want to die");
        let heard = talk.hears(text);
        assert!(says(&safety, &heard, "language_not_read"), "{text}: {}", heard.text());
        assert!(heard.reply.as_ref().is_some_and(|reply| !reply.resources.is_empty()));
        assert!(!says(&safety, &talk.hears(text), "language_not_read"), "{text}");
    }
    for english in
        ["I am so tired of it all", "no", "mom is at work", "I'm done", "we were in Das Boot", "me too"]
            .into_iter()
            .chain(["idk man im just tired lol", "ok", "c'est la vie I guess", "my name is Nadia Morir"])
    {
        assert!(!says(&safety, &in_dialogue(&safety, english), "language_not_read"), "{english}");
    }
}

#[test]
fn explicit_intent_in_another_language_is_danger_and_told_to_be_in_another_language() {
    let safety = safety();
    let heard = Talk::of(&safety, Mode::Supervised, 1).hears("ich will sterben, ich kann nicht mehr");
    assert!(heard.assessment.level >= Level::High);
    assert!(says(&safety, &heard, "language_not_read"), "{}", heard.text());
}

#[test]
fn what_a_text_tells_unasked_is_not_asked() {
    let safety = safety();
    let mut talk = Talk::of(&safety, Mode::Supervised, 2);
    talk.hears("I want to die");
    talk.hears("I have a plan to kill myself this weekend");
    for topic in ["ask_plan", "ask_intent", "ask_means", "ask_time"] {
        assert!(talk.place.asked.contains(topic), "{topic}");
    }
    for _ in 0..30 {
        let awaiting = talk.hears("okay").reply.and_then(|reply| reply.place.awaiting);
        assert!(!awaiting.is_some_and(|topic| ["ask_plan", "ask_time"].contains(&topic.as_str())));
    }
}

#[test]
fn the_steps_come_in_their_order_one_at_a_time() {
    let safety = safety();
    let mut talk = Talk::of(&safety, Mode::Supervised, 5);
    let mut topics = vec![talk.hears("I want to die").reply.and_then(|reply| reply.place.awaiting)];
    for _ in 0..24 {
        topics.push(talk.hears("no").reply.and_then(|reply| reply.place.awaiting));
    }
    let asked: Vec<String> = topics.into_iter().flatten().collect();
    let expected = [
        "today",
        "plan",
        "intent",
        "means",
        "time",
        "person",
        "professional",
        "obstacle",
        "coping",
        "warning",
        "eases",
        "whom",
        "place",
    ];
    assert_eq!(asked, expected.map(|topic| format!("ask_{topic}")));
}

#[test]
fn a_plan_is_put_together_and_read_back_without_their_words() {
    let safety = safety();
    let mut talk = Talk::of(&safety, Mode::Supervised, 5);
    talk.hears("I want to die");
    let mut read_back = None;
    for _ in 0..30 {
        let answer = match talk.place.awaiting.as_deref() {
            Some("ask_person") => "Zebulon from next door",
            Some("ask_coping" | "ask_eases") => "playing the zither",
            Some("ask_warning") => "zigzag thoughts",
            Some(_) => "no",
            None => "ok",
        };
        let heard = talk.hears(answer);
        assert!(!heard.text().to_lowercase().contains("zi"), "{}", heard.text());
        let stored = serde_json::to_string(&talk.place).expect("plain data").to_lowercase();
        assert!(!["zebulon", "zither", "zigzag"].iter().any(|word| stored.contains(word)));
        if says(&safety, &heard, "plan_back") {
            assert!(read_back.replace(heard.text().to_owned()).is_none(), "it is read back once");
        }
    }
    let text = read_back.expect("the plan was read back");
    for part in ["a sign that tells you", "takes the edge off", "a person to turn to"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("a place where"), "what was not named is no part of it: {text}");
}

#[test]
fn a_bare_yes_names_no_part_of_a_plan() {
    let safety = safety();
    let mut talk = Talk::of(&safety, Mode::Supervised, 5);
    talk.hears("I want to die");
    talk.hears("no");
    for _ in 0..30 {
        let is_danger = ["ask_today", "ask_plan", "ask_intent", "ask_means", "ask_time"]
            .iter()
            .any(|topic| talk.place.awaiting.as_deref() == Some(*topic));
        talk.hears(if is_danger { "no" } else { "ok" });
    }
    assert!(talk.place.plan.is_empty() && !talk.place.plan_read, "{:?}", talk.place.plan);
}

#[test]
fn whoever_fears_the_hospital_in_a_crisis_is_still_sent_for_help() {
    let safety = safety();
    for opening in ["I took all my pills", "I am going to kill myself tonight"] {
        let mut talk = Talk::of(&safety, Mode::Supervised, 2);
        talk.hears(opening);
        let heard = talk.hears("I'm scared of the hospital");
        assert!(
            says(&safety, &heard, "barrier_force_now") && heard.text().contains("911"),
            "{}",
            heard.text()
        );
    }
}

#[test]
fn that_somebody_is_on_duty_is_said_only_while_it_is_true() {
    let safety = safety();
    let claims = |text: &str| text.contains("on duty") && !text.contains("obody of");
    let mut talk = Talk::of(&safety, Mode::Supervised, 1);
    let first = talk.hears("I want to die");
    assert!(!first.text().contains("on duty") && first.text().contains("an AI"), "{}", first.text());
    for text in ["no", "are you human?", "okay", "is anyone reading this"] {
        assert!(!claims(talk.hears(text).text()), "{text}");
    }
    talk.is_on_duty = true;
    assert!(claims(talk.hears("okay").text()), "it is told when it begins");
    assert!(!talk.hears("okay").text().contains("on duty"), "and not again");
    assert!(claims(talk.hears("are you human?").text()));
    talk.is_on_duty = false;
    let ended = talk.hears("okay");
    assert!(says(&safety, &ended, "off_duty"), "{}", ended.text());
    assert!(!claims(talk.hears("are you human?").text()));
    let mut talk = Talk::of(&safety, Mode::Supervised, 1);
    talk.is_on_duty = true;
    let first = talk.hears("I want to die");
    assert!(claims(first.text()) && first.text().contains("an AI"), "{}", first.text());
}

#[test]
fn that_this_is_an_ai_is_said_where_it_is_due_behind_everything_else_and_once_in_a_reply() {
    let safety = safety();
    let tells = |heard: &Heard| {
        let own = safety.texts.all().filter(|(name, _)| matches!(*name, "ai" | "ai_on_duty"));
        own.map(|(_, text)| text).filter(|text| heard.text().contains(text)).count()
    };
    let ways: [&[&str]; 4] = [
        &["I wish I was dead", "I feel like a burden to everyone", "I feel hopeless"],
        &["I want to die", "no", "thanks", "my sister says she wants to kill herself", "yes", "okay"],
        &["I am going to kill myself tonight", "I took all the pills", "I called 911", "okay"],
        &["my son says he wants to kill himself", "yes"],
    ];
    for (texts, is_on_duty) in ways.into_iter().flat_map(|texts| [(texts, false), (texts, true)]) {
        let mut talk = Talk::of(&safety, Mode::Supervised, 5);
        talk.is_on_duty = is_on_duty;
        for (nth, text) in texts.iter().enumerate() {
            talk.is_ai_due = nth > 0;
            let heard = talk.hears(text);
            let reply = heard.reply.as_ref().expect("the dialogue answers");
            assert_eq!(reply.tells_ai, tells(&heard) == 1, "{text}: {}", heard.text());
            assert!(reply.tells_ai || nth == 0, "{text}: {}", heard.text());
            let last = heard.text().rsplit("\n\n").next().unwrap_or_default();
            assert!(nth == 0 || last.contains("AI"), "{text}: {last}");
        }
        talk.is_ai_due = true;
        let asked = talk.hears("are you a real person?");
        assert!(asked.reply.is_none_or(|reply| reply.tells_ai && reply.text.matches("AI").count() == 1));
    }
}

#[test]
fn no_text_on_duty_says_more_than_that_a_list_shows_it() {
    let safety = safety();
    for (name, text) in safety.texts.all() {
        let lower = text.to_lowercase();
        let is_claim =
            lower.contains("on duty") && !lower.contains("nobody of") && !lower.contains("gone off duty");
        assert!(!is_claim || name.contains("on_duty"), "{name}: {text}");
        for claim in [
            "is reading",
            "has been told",
            "was told",
            "will call you",
            "will come",
            "is coming to you",
            "notified",
            "sees this now",
        ] {
            assert!(!(is_claim && lower.contains(claim)), "{name} claims: {claim}");
        }
    }
}

#[test]
fn somebody_elses_danger_now_gives_the_number_for_them_and_pauses_nothing() {
    let safety = safety();
    for (answer, name) in [("yes", "third_person_now"), ("I don't know", "third_person_unsure")] {
        let mut talk = Talk::of(&safety, Mode::Supervised, 2);
        let first = talk.hears("my daughter says she wants to kill herself");
        assert_eq!(talk.place.awaiting.as_deref(), Some("ask_their_danger"), "{}", first.text());
        let second = talk.hears(answer);
        assert!(says(&safety, &second, name) && second.text().contains("911"), "{}", second.text());
        assert_eq!(talk.level, Level::Elevated);
        let own = talk.hears("and I want to kill myself too");
        assert!(talk.level.pauses() && own.text().contains("an AI"), "one's own is one's own");
    }
    let mut talk = Talk::of(&safety, Mode::Supervised, 2);
    talk.hears("my daughter says she wants to kill herself");
    assert!(talk.hears("no").reply.is_none(), "the protocol goes on");
}

#[test]
fn a_helper_who_is_in_danger_too_is_met_as_both() {
    let safety = safety();
    let mut talk = Talk::of(&safety, Mode::Supervised, 2);
    talk.hears("I want to die");
    let heard = talk.hears("my son wants to kill himself");
    assert!(says(&safety, &heard, "third_person_help") && talk.level == Level::High);
    let heard = talk.hears("yes");
    assert!(says(&safety, &heard, "third_person_now"), "{}", heard.text());
    assert_eq!(talk.level, Level::High, "their danger is not one's own");
}

#[test]
fn who_comes_back_under_a_remembered_level_is_not_thanked_for_what_they_did_not_say() {
    let safety = safety();
    let mut talk = Talk::of(&safety, Mode::Supervised, 2);
    talk.shows_elsewhere(Level::High);
    let heard = talk.hears("hello");
    assert!(says(&safety, &heard, "open_return") && heard.text().contains("an AI"), "{}", heard.text());
}
