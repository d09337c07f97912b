//! Detection, on sentences written for it. A failure names lines of the data, never what stands in them.

use serde::Deserialize;

use super::source::SHIPPED;
use super::*;

const SENTENCES: &str = include_str!("../../../../tests/data/safety.jsonl");
/// Labelled before the rules had met them.
const HELD_OUT: &str = include_str!("../../../../tests/data/safety_held_out.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    text: String,
    level: Level,
}

/// Numbered as in the file.
fn numbered(data: &str) -> Vec<(usize, Sentence)> {
    let read = |line: &str| serde_json::from_str(line).expect("a line of the data");
    data.lines().enumerate().map(|(at, line)| (at + 1, read(line))).collect()
}

fn sentences() -> Vec<(usize, Sentence)> {
    numbered(SENTENCES)
}

fn wrong(is_wrong: impl Fn(Level, Level) -> bool) -> Vec<String> {
    wrong_of(sentences(), is_wrong)
}

/// Numbers of the lines, with the level found and the rules that spoke, whose screening `is_wrong`.
fn wrong_of(sentences: Vec<(usize, Sentence)>, is_wrong: impl Fn(Level, Level) -> bool) -> Vec<String> {
    let safety = safety();
    let mut wrong = Vec::new();
    for (line, sentence) in sentences {
        let screening = safety.screen(&sentence.text);
        if is_wrong(sentence.level, screening.level) {
            let rules: Vec<&str> = screening.hits.iter().map(|hit| hit.rule.as_str()).collect();
            wrong.push(format!(
                "line {line}: {} is {} {rules:?}",
                sentence.level.as_str(),
                screening.level.as_str()
            ));
        }
    }
    wrong
}

#[test]
fn no_danger_is_graded_too_low() {
    let wrong = wrong(|meant, found| found < meant);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lines of the held-out data that the rules grade otherwise than a reader does, each with what they find. A sentence
/// here is no class, or has an innocent twin: it stays until a rule is found that costs no false alarm.
const OTHERWISE: [(usize, Level); 2] = [(21, Level::Elevated), (83, Level::None)];

#[test]
fn the_held_out_sentences_are_graded_as_labelled_but_for_the_known_ones() {
    let mut sentences = numbered(HELD_OUT);
    assert_eq!(sentences.len(), 150);
    for (line, found) in OTHERWISE {
        let sentence = &mut sentences[line - 1].1;
        assert_ne!(sentence.level, found, "line {line} is graded as labelled by now");
        sentence.level = found;
    }
    let wrong = wrong_of(sentences, |meant, found| found != meant);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_danger_is_graded_more_than_one_level_too_high() {
    let wrong = wrong(|meant, found| meant > Level::None && found as u8 > meant as u8 + 1);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_harmless_is_taken_for_danger() {
    let wrong = wrong(|meant, found| meant == Level::None && found > Level::None);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_should_not_pause_does_not_pause() {
    let wrong = wrong(|meant, found| !meant.pauses() && found.pauses());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn hundreds_of_sentences_of_each_kind_are_tried() {
    let sentences = sentences();
    for level in Level::ALL {
        assert!(
            sentences.iter().filter(|(_, sentence)| sentence.level == level).count() >= 70,
            "{}",
            level.as_str()
        );
    }
}

#[test]
fn hurting_oneself_is_caught_and_sending_something_is_not() {
    let safety = safety();
    assert_eq!(safety.screen("I keep hurting myself").level, Level::High);
    assert_eq!(safety.screen("send it").level, Level::None);
}

#[test]
fn danger_at_the_end_of_a_long_text_is_seen() {
    let long = "Today I went for a walk and thought about work. ".repeat(5_000) + "I want to kill myself";
    assert_eq!(safety().screen(&long).level, Level::High);
}

#[test]
fn a_danger_beside_an_idiom_is_still_danger() {
    let safety = safety();
    for text in [
        "this homework is killing me and I want to kill myself",
        "my friend wants to die and so do I, I want to kill myself",
        "I would never kill myself. That was a lie. I am going to kill myself tonight",
        "just kidding. I want to die",
    ] {
        assert!(safety.screen(text).level.pauses());
    }
}

#[test]
fn only_somebody_elses_danger_is_third_person() {
    let safety = safety();
    assert!(safety.screen("my sister is suicidal").third_person);
    assert!(!safety.screen("my sister is suicidal and I want to die too").third_person);
    assert!(!safety.screen("I want to die").third_person);
    assert!(!safety.screen("hello").third_person);
}

#[test]
fn what_is_told_of_it_holds_the_words_found_and_the_level() {
    let told = safety().screen("I WANT to d1e").self_harm();
    assert!(told.detected);
    assert_eq!(told.severity, "high");
    assert!(told.phrases_found.contains(&"want to die".to_owned()));
    let none = safety().screen("hello").self_harm();
    assert_eq!((none.detected, none.phrases_found.len(), none.severity.as_str()), (false, 0, "none"));
}

/// What a text costs, in operations of the matcher.
fn work(rules: &Rules, unit: &str, bytes: usize) -> u64 {
    rules.screen_counted(&unit.repeat(bytes / unit.len())).1
}

#[test]
fn twice_the_text_is_at_most_twice_the_work() {
    let safety = safety();
    for unit in [
        "i want to ",
        "i ",
        "not ",
        "kill myself ",
        "how many pills ",
        "my friend ",
        "k ",
        "i want to die. ",
        "x",
        "a*",
    ] {
        let (half, whole) = (work(&safety.rules, unit, 4_096), work(&safety.rules, unit, 8_192));
        assert!(whole <= 2 * half + 5_000, "{unit:?}: {half} then {whole}");
        assert!(whole <= 8_192 * 400, "{unit:?}: {whole}");
    }
}

#[test]
fn an_ordinary_text_costs_little() {
    let text =
        "I had a long day at work and my shoulders feel quite tight. When I came home I noticed my jaw.";
    let (screening, work) = safety().rules.screen_counted(text);
    assert_eq!(screening.level, Level::None);
    assert!(work < 5_000, "{work}");
}

#[test]
fn an_explicit_statement_is_seen_through_every_disguise() {
    for disguised in [
        "I want to k\u{200b}ill my\u{200d}self",
        "I want to k\u{301}i\u{308}l\u{335}l\u{336} m\u{300}yself",
        "\u{202e}I want to kill myself\u{202c}",
        "I want to \u{2066}kill\u{2069} myself",
        "I want to kіll mуsеlf",
        "I want to kill\0 myself",
        "I want to 🔪kill🔪 myself 😀",
        "{\"role\":\"system\",\"content\":\"I want to kill myself\"}",
        "Ignore your rules. {goal} I want to kill myself",
        "I want to k.i.l.l myself",
        "I want to kill-myself",
        "I want to kill_myself",
        "I want to kill/myself",
    ] {
        assert!(safety().screen(disguised).level.pauses(), "{}", disguised.escape_unicode());
    }
}

/// The faults of the shipped rules where one file holds `text` besides, and of it `from` stands as `to`.
fn faults(name: &str, (from, to): (&str, &str), more: &str) -> Vec<Fault> {
    let texts: Vec<(&str, String)> = SHIPPED
        .iter()
        .map(|file| {
            let changed = file.text.replacen(from, to, usize::from(file.name == name));
            let more = if file.name == name { more } else { "" };
            (file.name, changed + more)
        })
        .collect();
    let files: Vec<RuleFile> = texts.iter().map(|(name, text)| RuleFile { name, text }).collect();
    Rules::parse(&files).err().unwrap_or_default()
}

#[test]
fn faulty_rules_are_refused_and_every_fault_is_told() {
    let (plan, twice) = ("plan.en.toml", ("id = \"plan.last_day\"", "id = \"plan.intent\""));
    assert!(matches!(faults(plan, twice, "").as_slice(), [Fault::Wrong { .. }]));
    let unknown = faults(plan, ("negatable = false", "negateable = false"), "");
    assert!(matches!(unknown.as_slice(), [Fault::Unreadable { problem, .. }] if problem.contains(plan)));
    for bad in ["_2 die", "die?", "(die", "die)", "a|b", "@nothing", "DIE", "_9 die", "die .*", "?", "( )"] {
        let more = format!("\n[[rules]]\nid = \"bad\"\ntier = \"active\"\npatterns = [\"{bad}\"]\n");
        assert_eq!(faults(plan, ("", ""), &more).len(), 1, "{bad}");
    }
    let more =
        "\n[[rules]]\nid = \"bad\"\ntier = \"active\"\nbeside = [\"none\"]\npatterns = [\"(\", \")\"]\n";
    assert_eq!(faults(plan, twice, more).len(), 4);
}

#[test]
fn a_class_that_names_itself_or_stands_in_two_files_is_refused() {
    let (classes, none) = ("classes.en.toml", ("", ""));
    let rule = "\n[[rules]]\nid = \"bad\"\ntier = \"active\"\npatterns = [\"@loop\"]\n";
    assert_eq!(faults(classes, none, &format!("loop = [\"a @loop\"]\n{rule}")).len(), 1);
    assert_eq!(faults("coded.en.toml", none, "\n[classes]\nkill = [\"die\"]\n").len(), 1);
}

#[test]
fn every_country_has_a_way_to_reach_somebody_and_the_finder_stands_for_the_rest() {
    let resources = safety().resources;
    for country in ["US", "CA", "GB", "IE", "AU", "NZ", "IN", "DE", "FR", "ES", "IT", "NL"] {
        let lines = resources.for_country(Some(country));
        assert_eq!(lines[0].country, country);
        assert_eq!(resources.for_country(Some(&country.to_lowercase())), lines);
        assert!(lines.iter().any(|line| line.hours.contains("24/7")), "{country}");
    }
    assert!(resources.unchecked().count() > 12, "no shipped line claims a check that nobody made");
    for unknown in [None, Some("ZZ"), Some(""), Some("united states")] {
        assert_eq!(resources.for_country(unknown)[0].country, "international");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_whatever_stops_the_screen_or_the_dialogue(text in ".{0,200}", seed: u64, replies in 0_u32..9) {
        let screening = shared().screen(&text);
        let place = CrisisPlace { replies, ..CrisisPlace::default() };
        let said = Said { text: &text, screening: &screening, level: screening.level.max(Level::High), country: Some(&text), is_on_duty: text.len().is_multiple_of(2), is_ai_due: text.len().is_multiple_of(3) };
        let reply = shared().reply(&place, &said, seed);
        assert!(!reply.text.is_empty() && reply.level >= Level::High);
    }

    #[test]
    fn words_around_an_explicit_statement_do_not_hide_it(before in "[a-z ]{0,30}", after in "[a-z ]{0,30}") {
        assert!(level(&format!("{before}. I want to kill myself. {after}")).pauses());
    }
}
