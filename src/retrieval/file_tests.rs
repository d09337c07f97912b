use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::*;

const OWN: &str =
    r#"{"id":"own","label":"dr_q_ready","substate":"3.1","situation":"s","client":"c","therapist":"t"}"#;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_file_that_need_not_be_there_may_be_missing_and_a_named_one_may_not() {
    let missing = home().path().join("corpus.jsonl");
    assert_eq!(open(&missing, false).expect("shipped").hash(), Corpus::shipped().expect("sound").hash());
    assert!(matches!(open(&missing, true), Err(CorpusError::Unreadable { .. })));
}

#[test]
fn a_file_that_is_there_is_never_passed_over() {
    let home = home();
    let path = home.path().join("corpus.jsonl");
    fs::write(&path, OWN.replace("dr_q_ready", "dr_q_other")).expect("writable");
    let error = open(&path, false).expect_err("faulty").to_string();
    assert!(error.contains("1 fault(s)") && error.contains("line 1: the label 'dr_q_other'"), "{error}");
    fs::write(&path, [0xff, 0xfe]).expect("writable");
    assert!(matches!(open(&path, false), Err(CorpusError::Unreadable { .. })));
    assert!(matches!(open(home.path(), false), Err(CorpusError::Unreadable { .. })), "a directory");
}

#[test]
fn a_file_is_put_in_place_whole_and_nothing_is_left_beside_it() {
    let home = home();
    let path = home.path().join("deep/corpus.jsonl");
    replace(&path, "old").expect("written");
    let before = fs::metadata(&path).expect("there").ino();
    replace(&path, OWN).expect("written");
    assert_eq!(read(&path).expect("readable"), OWN);
    assert_ne!(fs::metadata(&path).expect("there").ino(), before, "it was not written over");
    assert_eq!(fs::read_dir(home.path().join("deep")).expect("there").count(), 1);
}

#[test]
fn where_it_cannot_be_put_in_place_the_old_one_stands_and_nothing_is_left() {
    let home = home();
    let path = home.path().join("corpus.jsonl");
    fs::create_dir(&path).expect("made");
    assert!(replace(&path, OWN).is_err());
    assert!(path.is_dir());
    assert_eq!(fs::read_dir(home.path()).expect("there").count(), 1);
}
