//! One turn of the protocol: a place and what was noticed, to a decision. Pure and deterministic.

use super::model::{Answer, Aside, Protocol, Rule, Step};
use super::place::{ASKED, Place};
use super::walk::Walk;
use crate::domain::signals::Signals;

/// The name under which a model may leave the answer unread.
const NEITHER: &str = "neither";

/// What follows from what the client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Navigation {
    Decided(Decision),
    /// No rule understood an answer that says something. A model may be asked what it means.
    Open(Options),
}

/// What the reply does, and where the session stands after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its name on the wire.
    pub decision: String,
    /// The label for passages, `rag_query` on the wire.
    pub label: Option<String>,
    /// The keys of the texts to say, in this order; the last is the question.
    pub texts: Vec<String>,
    /// The place after the turn.
    pub place: Place,
    pub next_substate: String,
    /// Which rules fired, by name. Holds nothing of what the client said.
    pub reasoning: String,
    /// The protocol has reached its end.
    pub complete: bool,
}

/// One reading of the answer that a model may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub name: String,
    /// What choosing it means, for the model.
    pub meaning: String,
    decision: Decision,
}

/// A closed list of readings. Every one was worked out beforehand: whoever chooses sets neither step nor substate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    choices: Vec<Choice>,
    by_rule: Decision,
}

impl Options {
    /// The readings that may be chosen, "neither" last.
    pub fn choices(&self) -> impl Iterator<Item = (&str, &str)> {
        let neither = (NEITHER, "none of these");
        self.choices.iter().map(|choice| (choice.name.as_str(), choice.meaning.as_str())).chain([neither])
    }

    /// What follows from a choice; from one that is not on the list, what the rule decides.
    #[must_use]
    pub fn settle(self, choice: &str) -> Decision {
        let chosen = self.choices.into_iter().find(|offered| offered.name == choice);
        chosen.map_or(self.by_rule, |chosen| chosen.decision)
    }

    /// What the rule decides when no model is asked.
    #[must_use]
    pub fn by_rule(self) -> Decision {
        self.by_rule
    }
}

/// Takes one turn from a place that [`Protocol::admit`] has let in. At a place that it would not, and at an end, the
/// place stays.
#[must_use]
pub fn navigate(protocol: &Protocol, place: &Place, signals: &Signals) -> Navigation {
    let walk = Walk::begin(protocol, place, signals);
    let Some(step) = protocol.step(&place.step).filter(|step| !step.end) else {
        return Navigation::Decided(walk.stay());
    };
    let rule = walk.rule(step);
    if let Some(aside) = walk.aside(rule) {
        return Navigation::Decided(beside(walk, step, aside, rule));
    }
    match rule {
        Some(rule) => Navigation::Decided(walk.follow(step, rule)),
        None => unread(&walk, step, signals),
    }
}

fn beside(mut walk: Walk<'_>, step: &Step, aside: &Aside, rule: Option<&Rule>) -> Decision {
    if let Some(then) = walk.leads_out(aside) {
        return walk.lead_out(aside, then).named(aside);
    }
    let held = walk.hold(step, aside);
    match (aside.answer, rule, held) {
        (Answer::Joins, Some(rule), _) => walk.follow(step, rule).named(aside),
        (Answer::Joins, None, false) => walk.again(step).named(aside),
        (Answer::Joins | Answer::Waits | Answer::Wins, _, _) => walk.rest(step, aside),
    }
}

fn unread(walk: &Walk<'_>, step: &Step, signals: &Signals) -> Navigation {
    let by_rule = walk.clone().again(step);
    // Before the step's question was asked there is no answer that could be read.
    let answered = walk.place().count(ASKED) > 0 && signals.has("told");
    let choices: Vec<Choice> =
        walk.offered(step).filter(|_| answered).filter_map(|rule| choice(walk, step, rule)).collect();
    if choices.is_empty() {
        return Navigation::Decided(by_rule);
    }
    Navigation::Open(Options { choices, by_rule })
}

fn choice(walk: &Walk<'_>, step: &Step, rule: &Rule) -> Option<Choice> {
    let meaning = rule.offer.clone()?;
    Some(Choice { name: rule.name.clone(), meaning, decision: walk.clone().follow(step, rule) })
}

impl Decision {
    /// The same, under an aside's name: the reply begins with what the aside says.
    fn named(mut self, aside: &Aside) -> Self {
        self.decision.clone_from(&aside.decision);
        self.label.clone_from(&aside.label);
        self
    }
}
