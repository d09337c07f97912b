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
fn the_shipped_protocol_has_no_faults() {
    assert_eq!(stage_1().check(&shipped_texts(), &lexicon()), []);
}

/// What is replaced by what, and the words of the fault that has to be reported.
const BREAKS: &[(&str, &str, &str)] = &[
    ("start = \"goal\"", "start = \"nowhere\"", "starts at 'nowhere'"),
    ("to = \"vision\"\nsets = [\"goal_stated\"]\nkeeps = [\"goal\"]", "to = \"visoin\"", "leads to 'visoin'"),
    ("name = \"link\"", "name = \"compare\"", "step compare: stands twice"),
    (
        "to = \"seek_body\"\nsays = \"hear_problem\"",
        "to = \"seek_bodies\"",
        "'seek_bodies', which is no step",
    ),
    (
        "spent = { to = \"permission\", says = \"move_on\" }",
        "spent = { to = \"goal\" }",
        "a loop that no counter caps",
    ),
    ("spent = { to = \"link\" }", "", "has no way out"),
    ("spent = { to = \"link\" }", "spent = { to = \"post_alpha\" }", "leads back to itself"),
    ("\"dr_q_link\"", "\"dr_q_lonk\"", "label dr_q_lonk: is not on the list"),
    ("asks = [\"link\"]", "asks = []", "without a text to ask it"),
    ("asks = [\"link\"]", "asks = [\"lonk\"]", "there is no text 'lonk'"),
    ("says = \"link_taken\"", "says = \"link\"", "asks one itself"),
    ("when = [\"better\"]", "when = [\"beter\"]", "'beter', which is no signal"),
    ("\"!flag:left_open\"", "\"!flag:left_opened\"", "'left_opened', which is no flag"),
    ("\"fact:body_place\"", "\"fact:body_part\"", "'body_part', which is no fact"),
    ("spends = \"rounds_opened\"", "spends = \"rounds\"", "'rounds' is no counter"),
    (
        "resets = [\"body_questions_in_round\"]",
        "resets = [\"rounds_opened\"]",
        "spends a counter that is reset",
    ),
    ("sets = [\"present_moment_focus\"]", "", "criterion present_moment_focus: can never become true"),
    ("  \"ready_for_stage_2\",\n", "", "names 11 criteria"),
    ("facts = [\"goal\",", "facts = [\"wish\", \"goal\",", "fact wish: is never kept"),
    ("keeps = [\"trigger\"]", "", "fact trigger: is never kept"),
    ("choices = \"link_choices\"", "", "offers no words to choose from"),
    (
        "body_counter = \"body_questions_asked\"",
        "body_counter = \"steps\"",
        "no step counts the body_counter",
    ),
    ("purpose = \"close stage 1\"", "purpos = \"close stage 1\"", "step complete: unknown field `purpos`"),
    (
        "when = [\"better\"]",
        "when = [\"better\"]\nthen = \"x\"",
        "step compare, rule better: unknown field `then`",
    ),
    ("when = [\"better\"]", "when = [\"sign:better\"]", "'sign:' is unknown"),
    ("title = ", "titel = ", "unknown field `titel`"),
    ("decision = \"link_vision\"", "", "either a decision with its asks, or parts"),
];

#[test]
fn every_break_is_reported_with_where_it_is() {
    for &(from, to, expected) in BREAKS {
        assert!(TRT_STAGE_1.contains(from), "the file no longer has {from:?}");
        let faults = faults_of(&TRT_STAGE_1.replace(from, to));
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{to:?} gave {faults:#?}");
    }
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
    assert!(faults_of(&lonely).iter().any(|fault| fault == "step lonely: cannot be reached"));
}

#[test]
fn what_is_no_toml_is_one_fault() {
    assert_eq!(faults_of("id = ").len(), 1);
}
