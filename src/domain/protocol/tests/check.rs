//! What the parser and the checker refuse. Each row breaks the shipped file in one way.

use super::*;

fn faults_of(source: &str) -> Vec<String> {
    match Protocol::parse(source) {
        Ok(protocol) => {
            protocol.check(&shipped_texts(), &lexicon()).iter().map(ToString::to_string).collect()
        }
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_shipped_protocols_have_no_faults() {
    for source in SHIPPED {
        let protocol = Protocol::parse(source).expect("a shipped protocol");
        assert_eq!(protocol.check(&shipped_texts(), &lexicon()), []);
    }
}

/// What is replaced by what, at which place the fault has to be named, and words of what is said of it.
const BREAKS: &[(&str, &str, &str, &str)] = &[
    ("start = \"goal\"", "start = \"nowhere\"", "start", "'nowhere' is no step"),
    (
        "to = \"vision\"\nsets = [\"goal_stated\"]\nkeeps = [\"goal\"]",
        "to = \"visoin\"",
        "step goal, rule goal_told",
        "leads to 'visoin'",
    ),
    ("name = \"link\"", "name = \"compare\"", "step compare", "stands twice"),
    (
        "to = \"seek_body\"\nhears = \"hear_problem\"",
        "to = \"seek_bodies\"",
        "step problem, rule problem_told",
        "'seek_bodies', which is no step",
    ),
    (
        "to = \"readiness\"\n\n[[step.rule]]\nname = \"body_told\"",
        "to = \"nowhere\"\n\n[[step.rule]]\nname = \"body_told\"",
        "step seek_body, pass",
        "'nowhere', which is no step",
    ),
    (
        "spent = { to = \"permission\", says = \"move_on\" }",
        "spent = { to = \"goal\" }",
        "step vision",
        "a loop that no counter caps",
    ),
    ("spent = { to = \"link\" }", "", "step post_alpha", "has no way out"),
    (
        "spent = { to = \"link\" }",
        "spent = { to = \"post_alpha\" }",
        "step post_alpha",
        "leads back to itself",
    ),
    (
        "spent = { to = \"link\" }",
        "spent = { to = \"lonk\" }",
        "step post_alpha, spent",
        "'lonk', which is no",
    ),
    ("\"dr_q_link\"", "\"dr_q_lonk\"", "step link", "the label 'dr_q_lonk' is not on the list"),
    ("label = \"dr_q_cry\"", "label = \"dr_q_sob\"", "aside cry", "the label 'dr_q_sob' is not on the list"),
    ("asks = [\"link\"]", "asks = []", "step link", "without a text to ask it"),
    ("asks = [\"link\"]", "asks = [\"lonk\"]", "step link", "there is no text 'lonk'"),
    ("hears = \"link_taken\"", "hears = \"link\"", "step link", "asks one itself"),
    ("invites = \"affirm_link\"", "invites = \"link\"", "step link", "asks one itself"),
    ("says = [\"crying\", \"crying\"]", "says = [\"link\"]", "aside cry", "asks one itself"),
    ("says = [\"crying\", \"crying\"]", "says = []", "aside cry", "says nothing"),
    (
        "hears = \"better_taken\"",
        "hears = \"better_taken\"\nsays = \"better_taken\"",
        "step compare, rule better",
        "either 'hears' or 'says'",
    ),
    ("when = [\"better\"]", "when = [\"beter\"]", "step compare, rule better", "'beter', which is no signal"),
    ("when = [\"cries\"]", "when = [\"weeps\"]", "aside cry", "'weeps', which is no signal"),
    (
        "\"!flag:left_open\"",
        "\"!flag:left_opened\"",
        "step complete, mark",
        "'left_opened', which is no flag",
    ),
    (
        "\"fact:body_place\"",
        "\"fact:body_part\"",
        "step location, rule sensation_told",
        "'body_part', which is no fact",
    ),
    ("spends = \"rounds_opened\"", "spends = \"rounds\"", "step readiness", "'rounds' is no counter"),
    (
        "resets = [\"body_questions_in_round\"]",
        "resets = [\"rounds_opened\"]",
        "step readiness, rule something_new",
        "spends a counter that is reset",
    ),
    ("sets = [\"present_moment_focus\"]", "", "criteria, present_moment_focus", "can never become true"),
    ("  \"ready_for_stage_2\",\n", "  \"ready\", \"ready_2\",\n", "criteria", "names 13 of them"),
    ("facts = [\"goal\",", "facts = [\"wish\", \"goal\",", "facts, wish", "is never kept"),
    ("keeps = [\"trigger\"]", "", "facts, trigger", "is never kept"),
    ("choices = \"link_choices\"", "", "step link", "offers no words to choose from"),
    (
        "body_counter = \"body_questions_asked\"",
        "body_counter = \"steps\"",
        "body_counter",
        "no step counts it",
    ),
    ("purpose = \"close stage 1\"", "purpos = \"close stage 1\"", "step complete", "unknown field `purpos`"),
    (
        "when = [\"better\"]",
        "when = [\"better\"]\nthen = \"x\"",
        "step compare, rule better",
        "unknown field `then`",
    ),
    ("when = [\"better\"]", "when = [\"sign:better\"]", "step compare, rule better", "'sign:' is unknown"),
    ("decision = \"link_vision\"", "", "step link", "either a decision with its asks, or parts"),
    (
        "then = { to = \"alpha_permission\", says = \"enough_talk\" }\n\n[[aside]]\nname = \"past\"",
        "then = { to = \"alpha\", says = \"enough\" }\n\n[[aside]]\nname = \"past\"",
        "aside think",
        "there is no text 'enough'",
    ),
];

/// The line on which a place is written, found by its names alone.
fn line_of(source: &str, at: &str) -> usize {
    let mut from = 0;
    for part in at.split(", ") {
        let (kind, name) = part.split_once(' ').unwrap_or((part, ""));
        let written = match (kind, name) {
            ("step" | "aside", _) => format!("[[{kind}]]\nname = \"{name}\""),
            ("rule", _) => format!("[[step.rule]]\nname = \"{name}\""),
            ("pass" | "mark", _) => format!("\n[[step.{kind}]]"),
            ("spent" | "start" | "criteria" | "facts" | "body_counter", _) => format!("\n{kind} = "),
            _ => continue,
        };
        let last = name == "compare" && source.matches(&written).count() > 1;
        let found =
            source.get(from..).and_then(|rest| if last { rest.rfind(&written) } else { rest.find(&written) });
        from += found.expect("the place stands in the file") + usize::from(written.starts_with('\n'));
    }
    source.get(..from).expect("within").matches('\n').count() + 1
}

#[test]
fn every_break_is_reported_with_its_line_and_its_step() {
    assert!(BREAKS.len() >= 20);
    for &(from, to, at, expected) in BREAKS {
        assert!(TRT_STAGE_1.contains(from), "the file no longer has {from:?}");
        let broken = TRT_STAGE_1.replacen(from, to, if at == "step compare" { 1 } else { usize::MAX });
        let place = format!("line {}, {at}", line_of(&broken, at));
        let faults = faults_of(&broken);
        let is_told = |fault: &String| fault.starts_with(&place) && fault.contains(expected);
        assert!(faults.iter().any(is_told), "{to:?} at {place} gave {faults:#?}");
    }
}

#[test]
fn a_field_that_the_file_does_not_know_is_reported() {
    let faults = faults_of(&TRT_STAGE_1.replace("title = ", "titel = "));
    assert!(faults.iter().any(|fault| fault.contains("unknown field `titel`")), "{faults:?}");
}

#[test]
fn faults_in_several_places_are_reported_together() {
    let broken = TRT_STAGE_1
        .replace("purpose = \"close stage 1\"", "purpos = \"x\"")
        .replace("when = [\"better\"]", "when = [\"sign:better\"]")
        .replace("total = 12", "totally = 12");
    let faults = faults_of(&broken);
    for expected in ["step complete", "step compare, rule better", "aside silent"] {
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected} in {faults:#?}");
    }
}

#[test]
fn a_step_that_nothing_leads_to_is_reported() {
    let lonely = format!(
        "{TRT_STAGE_1}\n[[step]]\nname = \"lonely\"\nsubstate = \"9\"\npurpose = \"none\"\ndecision = \"x\"\n\
         asks = [\"link\"]\nchoices = \"link_choices\"\nspent = {{ to = \"complete\" }}\n"
    );
    assert!(faults_of(&lonely).iter().any(|fault| fault.ends_with("step lonely: cannot be reached")));
}

#[test]
fn what_is_no_toml_is_one_fault() {
    assert_eq!(faults_of("id = ").len(), 1);
}
