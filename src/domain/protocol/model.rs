//! The protocol as it is read from its file. Holds data, walks nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::outline::Outline;
use super::place::ProtocolRef;
use crate::domain::guard::Guard;
use crate::domain::texts::Texts;

/// A protocol whose file could be read. Whether it can be walked to its end, [`Protocol::check`] tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    pub(super) reference: ProtocolRef,
    pub(super) head: Head,
    pub(super) steps: Vec<Step>,
    pub(super) asides: Vec<Aside>,
    pub(super) notices: Vec<Notice>,
    /// Texts of its own, which go before the shared ones of the same key.
    pub(super) texts: Texts,
    pub(super) outline: Outline,
}

/// What stands before the steps.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub id: String,
    pub title: String,
    pub stage: String,
    /// The step at which the first words are read.
    pub start: String,
    /// The counter that the wire shows as `body_question_count`.
    pub body_counter: String,
    /// The completion criteria, each of which is a flag, in the wire's order.
    pub criteria: Vec<String>,
    /// The facts that may be kept of what a client tells.
    pub facts: Vec<String>,
    /// Counters by name, each with its limit.
    pub counters: BTreeMap<String, u32>,
    /// How an answer is met that no rule understood.
    pub heard: Option<Heard>,
    /// When a client who gives what is looked for is met with an affirmation instead of a question.
    pub affirm: Option<Affirm>,
}

/// What is said before the next question, so that nobody is passed over who told something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    pub when: Guard,
    pub says: String,
}

/// Affirming rather than asking: where `when` holds and a rule understood the answer, the next question is replaced by
/// its part's own [`Part::affirms`], under this decision's name, or [`Part::invites`], under the part's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affirm {
    pub when: Guard,
    pub decision: String,
    pub label: Option<String>,
}

/// A place in the protocol: a question, and what may follow its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub name: String,
    pub substate: String,
    pub purpose: String,
    /// One, unless the step has several questions that follow each other.
    pub parts: Vec<Part>,
    /// Counters that each of its questions adds to. None is asked while one of them is at its limit.
    pub counts: Vec<String>,
    /// Flags that asking makes true.
    pub sets: Vec<String>,
    /// Flags that entering makes true where a condition holds.
    pub marks: Vec<Notice>,
    /// The text that offers words to choose from.
    pub choices: Option<String>,
    /// Where the step is passed without asking; the first that holds.
    pub passes: Vec<Pass>,
    /// What may follow an answer; the first that holds.
    pub rules: Vec<Rule>,
    /// What follows when all of its questions were asked and no rule held. An end has none.
    pub spent: Option<Spent>,
    pub end: bool,
}

/// A question of a step, in the wordings for the first time, the second time, ... Their number is the cap.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub decision: String,
    pub label: Option<String>,
    pub asks: Vec<String>,
    /// The text that stands for its first question where the client is affirmed.
    pub affirms: Option<String>,
    /// The same for a part whose decision the affirmation does not change.
    pub invites: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    pub when: Guard,
    pub to: String,
}

/// What follows an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub name: String,
    pub when: Guard,
    /// A step; the step itself means to ask again.
    pub to: String,
    /// Go to the step's next part first, and to `to` after the last.
    #[serde(default)]
    pub next_part: bool,
    /// Says that the answer was heard. Left out where something else of the reply says so.
    pub hears: Option<String>,
    /// Said before the question in any case.
    pub says: Option<String>,
    /// The question's text, where it is not the step's own first.
    pub ask: Option<String>,
    #[serde(default)]
    pub sets: Vec<String>,
    #[serde(default)]
    pub clears: Vec<String>,
    /// Facts that no longer hold.
    #[serde(default)]
    pub forgets: Vec<String>,
    /// Facts that are taken over from what was noticed.
    #[serde(default)]
    pub keeps: Vec<String>,
    /// A counter that this rule adds to; at its limit the rule no longer holds.
    pub spends: Option<String>,
    /// Counters that begin anew.
    #[serde(default)]
    pub resets: Vec<String>,
    /// How a model is told what this choice means. Without it the model may not choose the rule.
    pub offer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    pub to: String,
    #[serde(default)]
    pub next_part: bool,
    pub says: Option<String>,
    #[serde(default)]
    pub sets: Vec<String>,
}

/// Something that may come at any step and does not lose the place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aside {
    pub name: String,
    pub when: Guard,
    pub decision: String,
    pub label: Option<String>,
    /// What is said the first time at a step, the second time, ... `@choices` is the step's own. Their number is the cap.
    pub says: Vec<String>,
    /// The cap for the whole session.
    pub total: u32,
    /// What becomes of an answer that a rule of the step understands.
    pub answer: Answer,
    /// Whether the step's question is asked again, in other words.
    #[serde(default)]
    pub reasks: bool,
    /// Whether its words say that the answer was heard, so that nothing else has to.
    #[serde(default)]
    pub hears: bool,
    /// Whether it is said beyond its caps too, where it joins.
    #[serde(default)]
    pub always: bool,
    /// Where it leads, once in a session, when it comes again after its total.
    pub then: Option<Then>,
}

/// A way out of an aside that keeps coming.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    #[serde(default)]
    pub when: Guard,
    pub to: String,
    pub says: Option<String>,
}

/// What an aside does with an answer that came along with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The aside goes first and the answer waits; after its caps the step goes on without it.
    Waits,
    /// The step's rule goes first.
    Wins,
    /// Both count: the aside's text is said, and the rule moves on.
    Joins,
}

/// A flag that becomes true, and facts that are kept, whenever a condition holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    pub flag: Option<String>,
    pub when: Guard,
    #[serde(default)]
    pub keeps: Vec<String>,
}

impl Protocol {
    #[must_use]
    pub fn reference(&self) -> &ProtocolRef {
        &self.reference
    }

    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    #[must_use]
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    #[must_use]
    pub fn asides(&self) -> &[Aside] {
        &self.asides
    }

    /// Texts of its own, which go before the shared ones of the same key.
    #[must_use]
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Every decision that it may come to.
    pub fn decisions(&self) -> impl Iterator<Item = &str> {
        let parts = self.steps.iter().flat_map(|step| &step.parts).map(|part| part.decision.as_str());
        let affirm = self.head.affirm.iter().map(|affirm| affirm.decision.as_str());
        parts.chain(self.asides.iter().map(|aside| aside.decision.as_str())).chain(affirm)
    }

    /// The most turns that a session can take from its start to an end, whatever is said: every turn asks one of a
    /// step's questions or spends an aside, and a step is entered again only by spending a counter or an aside's one
    /// way out.
    #[must_use]
    pub fn turns_max(&self) -> u32 {
        let exits = self.asides.iter().filter(|aside| aside.then.is_some()).count();
        let spent: u32 = self.spent_counters().filter_map(|name| self.head.counters.get(name)).sum();
        let again = spent.saturating_add(u32::try_from(exits).unwrap_or(u32::MAX));
        let asks = self.steps.iter().flat_map(|step| &step.parts).map(|part| part.asks.len());
        let asks = asks.fold(0u32, |sum, n| sum.saturating_add(u32::try_from(n).unwrap_or(u32::MAX)));
        let asides: u32 = self.asides.iter().map(|aside| aside.total).sum();
        asks.saturating_mul(again.saturating_add(1)).saturating_add(asides)
    }

    fn spent_counters(&self) -> impl Iterator<Item = &String> {
        let mut names: Vec<&String> =
            self.steps.iter().flat_map(|step| &step.rules).filter_map(|rule| rule.spends.as_ref()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }
}
