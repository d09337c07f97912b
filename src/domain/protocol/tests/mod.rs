//! The engine and the shipped protocol, taken through the table.

mod asides;
mod check;
mod edges;
mod general;
mod place;
mod redirects;

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

/// A protocol with all it needs, and a place to walk on from.
struct Room {
    protocol: Protocol,
    lexicon: Lexicon,
}

impl Room {
    fn stage_1() -> Self {
        Self::with(stage_1())
    }

    fn with(protocol: Protocol) -> Self {
        Self { protocol, lexicon: lexicon() }
    }

    /// A place at a step whose question has just been asked.
    fn asked(&self, step: &str) -> Place {
        let mut place = self.protocol.start();
        step.clone_into(&mut place.step);
        place.counters.insert("asked".to_owned(), 1);
        place
    }

    fn navigate(&self, place: &Place, text: &str) -> Navigation {
        navigate(&self.protocol, place, &self.lexicon.read(text))
    }

    /// One turn as the rule decides it.
    fn decide(&self, place: &Place, text: &str) -> Decision {
        match self.navigate(place, text) {
            Navigation::Decided(decision) => decision,
            Navigation::Open(options) => options.by_rule(),
        }
    }

    /// Turns one after the other.
    fn walk(&self, place: &Place, texts: &[&str]) -> Decision {
        let (first, rest) = texts.split_first().expect("at least one turn");
        rest.iter().fold(self.decide(place, first), |decision, text| self.decide(&decision.place, text))
    }
}
