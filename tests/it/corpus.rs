//! `attune corpus`, and what the server makes of a file of examples.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use attune::access::Secret;
use attune::app::{StartError, open_retrieval};
use attune::config::Config;
use attune::tasks::Tasks;
use secrecy::SecretBox;
use serde_json::json;

use crate::process::run;

fn line(id: &str, label: &str) -> String {
    let client = "The zebra crossing by the harbour.";
    json!({"id": id, "label": label, "substate": "own", "situation": "s", "client": client, "therapist": "t"})
        .to_string()
}

fn written(home: &Path, lines: &[String]) -> PathBuf {
    let path = home.join("own.jsonl");
    fs::write(&path, lines.join("\n")).expect("writable");
    path
}

fn corpus(home: &Path, command: &str, file: Option<&Path>) -> (bool, String, String) {
    let file = file.map(|path| path.to_str().expect("plain"));
    let arguments: Vec<&str> = ["corpus", command].into_iter().chain(file).collect();
    let Output { status, stdout, stderr } = run(home, &[], &arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.success(), text(stdout), text(stderr))
}

#[test]
fn the_shipped_examples_are_counted_by_label() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (sound, said, _) = corpus(home.path(), "check", None);
    assert!(sound && said.contains("    6  dr_q_ready\n") && said.trim_end().ends_with("sound"), "{said}");
}

#[test]
fn a_faulty_file_is_told_line_by_line_and_is_not_imported() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = written(home.path(), &[line("a", "dr_q_ready"), line("b", "dr_q_other"), "{".to_owned()]);
    for command in ["check", "import"] {
        let (sound, said, failure) = corpus(home.path(), command, Some(&file));
        assert!(!sound && failure.contains("2 fault(s)"), "{failure}");
        assert!(said.contains("line 2: the label") && said.contains("line 3: "), "{said}");
    }
    assert!(!home.path().join("data").exists());
}

#[test]
fn imported_examples_are_where_the_server_looks_and_it_is_said_which_shipped_ones_they_stand_for() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = written(home.path(), &[line("goal-just-happy", "dr_q_goal_clarification")]);
    let (sound, said, failure) = corpus(home.path(), "import", Some(&file));
    assert!(sound, "{failure}");
    assert!(said.contains("goal-just-happy: yours stands for the shipped one"), "{said}");
    assert!(said.contains("next start"), "{said}");
    let place = home.path().join("data/corpus.jsonl");
    assert_eq!(fs::read(&place).expect("there"), fs::read(&file).expect("there"));
    let (sound, said, _) = corpus(home.path(), "import", Some(&file));
    assert!(sound && said.contains("take the place of those"), "{said}");
}

fn config(data: &Path, named: Option<&Path>) -> Config {
    let mut variables = BTreeMap::from([("ATTUNE_DATA".to_owned(), data.display().to_string())]);
    variables.extend(named.map(|path| ("ATTUNE_CORPUS".to_owned(), path.display().to_string())));
    Config::from_variables(variables).expect("sound")
}

#[tokio::test]
async fn a_server_finds_the_users_own_examples_and_does_not_start_with_faulty_ones() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let secret = Secret::new(Arc::new(SecretBox::new(Box::new([1; 32]))));
    let open = |named: Option<&Path>| open_retrieval(&config(home.path(), named), &secret, None, &tasks);

    let shipped = open(None).expect("nothing of one's own is needed");
    assert_eq!(shipped.corpus().overridden().len(), 0);
    let named = written(home.path(), &[line("zebra", "dr_q_ready")]);
    let own = open(Some(&named)).expect("sound");
    let found = own.passages("dr_q_ready", "I saw a zebra").await.passages;
    assert_eq!(found[0].passage.id, "zebra");
    assert_eq!(tasks.running(), 0, "without a model there is nothing to learn");

    let missing = home.path().join("missing.jsonl");
    assert!(matches!(open(Some(&missing)), Err(StartError::Corpus(_))));
    fs::write(home.path().join("corpus.jsonl"), "{}").expect("writable");
    assert!(matches!(open(None), Err(StartError::Corpus(_))));
}
