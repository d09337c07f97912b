//! `attune safety`: figures and explanations without a server, and no word of a text in the figures.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::process::run;

fn safety(home: &Path, arguments: &[&str]) -> (bool, String, String) {
    let arguments: Vec<&str> = ["safety"].iter().chain(arguments).copied().collect();
    let Output { status, stdout, stderr } = run(home, &[], &arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.success(), text(stdout), text(stderr))
}

fn file(home: &Path, name: &str, text: &str) -> String {
    let path = home.join(name);
    fs::write(&path, text).expect("writable");
    path.to_str().expect("plain").to_owned()
}

const SET: &str = r#"{"text":"I want to kill myself, zebra","label":"high","kind":"ideation"}
{"text":"this heat is killing me, zebra","label":"none","kind":"idiom"}
{"text":"the zebra is fine","label":true,"kind":"odd","note":"zebra crossing"}
"#;

#[test]
fn figures_are_told_and_no_word_of_a_text() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let set = file(home.path(), "set.jsonl", SET);
    let (done, said, failure) = safety(home.path(), &["eval", &set, "--misses"]);
    assert!(done, "{failure}");
    assert!(said.contains("recall        0.500  1/2"), "{said}");
    assert!(said.contains("false alarms  0.000  0/1") && said.contains("line 3: true is none"), "{said}");
    assert!(!said.contains("zebra") && !said.contains("crossing"), "{said}");
    assert!(!home.path().join("data").exists(), "it opens no store");
}

#[test]
fn figures_come_as_json_too() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let set = file(home.path(), "set.jsonl", SET);
    let (done, said, _) = safety(home.path(), &["eval", &set, "--json", "--misses", "--at", "high"]);
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert!(done && !said.contains("zebra"), "{said}");
    assert_eq!((&told["texts"], &told["at"]), (&3.into(), &"high".into()));
    assert_eq!(told["recall"]["count"], 1);
    assert_eq!(told["by"]["kind"]["idiom"]["false_alarms"]["count"], 0);
    assert_eq!(told["misses"][0]["line"], 3);
}

#[test]
fn a_bad_line_is_named_by_its_number_alone() {
    let home = tempfile::tempdir().expect("a temporary directory");
    for (line, why) in [
        (r#"{"text":"zebra"}"#, "has no \"label\""),
        ("zebra", "is no JSON object"),
        (r#"{"label":"none"}"#, "has no \"text\""),
    ] {
        let set = file(home.path(), "set.jsonl", &format!("{{\"text\":\"a\",\"label\":\"none\"}}\n{line}\n"));
        let (done, said, failure) = safety(home.path(), &["eval", &set]);
        assert!(!done && failure.contains("line 2") && failure.contains(why), "{failure}");
        assert!(!said.contains("zebra") && !failure.contains("zebra"), "{failure}");
    }
    let (done, _, failure) = safety(home.path(), &["eval", "nowhere.jsonl"]);
    assert!(!done && failure.contains("nowhere.jsonl"), "{failure}");
}

#[test]
fn a_changed_file_of_rules_is_tried_and_its_faults_are_told() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let set = file(home.path(), "set.jsonl", SET);
    let rule = "[[rules]]\nid = \"own.zebra\"\ntier = \"passive\"\npatterns = [\"zebra is fine\"]\n";
    let own = file(home.path(), "own.toml", rule);
    let calm = "the zebra is fine today, we had lunch at work with the whole team and the weather was nice";
    let (_, said, _) = safety(home.path(), &["explain", calm, "--rules", &own]);
    assert!(said.contains("its words weigh against it: at most none"), "{said}");
    let own = file(home.path(), "own.toml", &format!("{rule}firm = true\n"));
    let (done, said, _) = safety(home.path(), &["eval", &set, "--rules", &own]);
    assert!(done && said.contains("recall        1.000  2/2") && said.contains("own.zebra"), "{said}");
    let broken = file(
        home.path(),
        "own.toml",
        "[[rules]]\nid = \"own.zebra\"\ntier = \"passive\"\npatterns = [\"(\"]\n",
    );
    let (done, said, failure) = safety(home.path(), &["eval", &set, "--rules", &broken]);
    assert!(!done && said.contains("own.zebra") && failure.contains("1 fault(s)"), "{said} {failure}");
}

#[test]
fn a_file_of_rules_that_names_the_tier_of_the_weights_is_refused() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let set = file(home.path(), "set.jsonl", SET);
    let rule = |tier: &str, more: &str| {
        format!("[[rules]]\nid = \"own.zebra\"\ntier = \"{tier}\"\npatterns = [\"zebra\"]\n{more}")
    };
    let sum = "[[sums]]\nid = \"own.sum\"\ntier = \"weighed\"\nof = [\"own.zebra\"]\nat_least = 1\n";
    for (rules, whose) in [
        (rule("weighed", ""), "own.zebra"),
        (rule("passive", "needs = [\"weighed\"]\n"), "own.zebra"),
        (rule("mark", sum), "own.sum"),
    ] {
        let own = file(home.path(), "own.toml", &rules);
        for arguments in [&["eval", &set, "--rules", &own][..], &["explain", "zebra", "--rules", &own]] {
            let (done, said, failure) = safety(home.path(), arguments);
            let fault = format!("{whose} names the tier weighed, which belongs to the weights of words");
            assert!(!done && said.contains(&fault), "{rules}: {said} {failure}");
        }
    }
}

#[test]
fn an_explanation_names_level_rule_and_context() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (done, said, _) = safety(home.path(), &["explain", "I would never kill myself"]);
    assert!(done && said.starts_with("level: none\nlanguage: en\n"), "{said}");
    assert!(said.contains("active.kill (active) \"kill myself\"; negated"), "{said}");
    let (_, said, _) = safety(home.path(), &["explain", "my sister says she wants to kill herself"]);
    assert!(said.starts_with("level: elevated, another person's"), "{said}");
}

#[test]
fn nothing_is_learned_from_the_sets_that_measure() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let texts = |file: &Path| -> Vec<String> {
        let read = fs::read_to_string(file).expect("a readable set");
        let text = |line: &str| serde_json::from_str::<Value>(line).expect("a line")["text"].to_string();
        read.lines().map(|line| text(line).to_lowercase()).collect()
    };
    let of = |names: &[&str]| names.iter().flat_map(|name| texts(&data.join(name))).collect::<Vec<_>>();
    let measuring: BTreeSet<String> =
        of(&["frozen.jsonl", "blind/chat.jsonl", "blind/later.jsonl", "blind/fresh.jsonl"])
            .into_iter()
            .collect();
    let files = fs::read_dir(data.join("learn")).expect("a folder").map(|file| file.expect("a file").path());
    let learned: Vec<String> = files.flat_map(|file| texts(&file)).collect();
    assert!(learned.len() > 30_000 && measuring.len() > 2_000);
    assert_eq!(learned.iter().filter(|text| measuring.contains(*text)).count(), 0);
}
