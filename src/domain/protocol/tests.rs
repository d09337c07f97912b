use super::*;
use crate::domain::signals::{self, Lexicon};
use crate::domain::texts::{self, Texts};

fn stage_1() -> Protocol {
    Protocol::parse(TRT_STAGE_1).expect("the shipped protocol")
}

fn lexicon() -> Lexicon {
    Lexicon::parse(signals::ENGLISH).expect("the shipped lexicon")
}

fn shipped_texts() -> Texts {
    Texts::parse(texts::ENGLISH).expect("the shipped texts")
}

#[test]
fn the_shipped_protocol_has_no_faults() {
    assert_eq!(stage_1().check(&shipped_texts(), &lexicon()), []);
}
