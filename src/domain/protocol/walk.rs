//! The moves that a turn is made of. A walk is used up by the move that ends it.

use super::model::{Answer, Aside, Notice, Part, Protocol, Rule, Step, Then};
use super::navigate::Decision;
use super::place::{ALL, ASKED, HERE, PART, Place};
use crate::domain::guard::{Guard, Subject};
use crate::domain::signals::Signals;

/// The longest fact, in characters.
const FACT_MAX_CHARS: usize = 200;
/// What an aside says to mean the step's own words to choose from.
pub(super) const CHOICES: &str = "@choices";

#[derive(Clone)]
pub(super) struct Walk<'a> {
    protocol: &'a Protocol,
    signals: &'a Signals,
    place: Place,
    texts: Vec<String>,
    why: Vec<String>,
    /// Something of the reply says already that the answer was heard.
    is_heard: bool,
    /// What says so otherwise, before a question that does not say it itself.
    hears: Option<String>,
    /// A rule leads on, so that an affirmation may stand for the next question.
    affirms: bool,
}

impl<'a> Walk<'a> {
    /// Takes in what was noticed, whatever the step makes of it.
    pub(super) fn begin(protocol: &'a Protocol, place: &Place, signals: &'a Signals) -> Self {
        let why = vec![format!("read at {}", place.step), noticed(signals)];
        let mut walk = Self {
            protocol,
            signals,
            place: place.clone(),
            texts: Vec::new(),
            why,
            is_heard: false,
            hears: None,
            affirms: false,
        };
        walk.take_note(&protocol.notices);
        walk
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The first rule of the step that holds.
    pub(super) fn rule<'s>(&self, step: &'s Step) -> Option<&'s Rule> {
        step.rules.iter().find(|rule| self.holds(&rule.when) && self.can_spend(rule))
    }

    /// The rules that a model may choose.
    pub(super) fn offered<'s>(&self, step: &'s Step) -> impl Iterator<Item = &'s Rule> {
        let open = |rule: &&Rule| rule.offer.is_some() && self.can_spend(rule);
        step.rules.iter().filter(open).collect::<Vec<_>>().into_iter()
    }

    /// The aside that goes before the step's rule, if any.
    pub(super) fn aside(&self, rule: Option<&Rule>) -> Option<&'a Aside> {
        self.protocol.asides.iter().find(|aside| {
            let due = self.is_left(aside) || self.leads_out(aside).is_some();
            let due = match aside.answer {
                Answer::Waits => due && self.is_asked(),
                Answer::Wins => due && self.is_asked() && rule.is_none(),
                Answer::Joins => due || aside.always,
            };
            due && self.holds(&aside.when)
        })
    }

    /// The way out of an aside that has reached its total, while it was not taken.
    pub(super) fn leads_out<'s>(&self, aside: &'s Aside) -> Option<&'s Then> {
        let is_spent = self.place.count(&all(aside)) == aside.total;
        aside.then.as_ref().filter(|then| is_spent && self.holds(&then.when))
    }

    /// Ends the turn by an aside's way out.
    pub(super) fn lead_out(mut self, aside: &Aside, then: &Then) -> Decision {
        self.place.bump(&all(aside));
        self.why.push(format!("aside {} has come often enough", aside.name));
        self.texts.extend(then.says.clone());
        self.enter(&then.to, None)
    }

    /// Says an aside's text. True while its caps let it keep the place.
    pub(super) fn hold(&mut self, step: &Step, aside: &Aside) -> bool {
        let left = self.is_left(aside);
        let times = usize::try_from(self.place.count(&here(aside))).unwrap_or(usize::MAX);
        let says = aside.says.get(times).or(aside.says.last()).map(String::as_str);
        let says = if says == Some(CHOICES) { step.choices.as_deref() } else { says };
        self.texts.extend(says.map(str::to_owned));
        self.is_heard |= aside.hears;
        if left {
            self.place.bump(&here(aside));
            self.place.bump(&all(aside));
        }
        let why = if left { "" } else { ", beyond its cap" };
        self.why.push(format!("aside {}{why}", aside.name));
        left && self.is_asked()
    }

    /// Ends the turn where it is, after an aside.
    pub(super) fn rest(mut self, step: &Step, aside: &Aside) -> Decision {
        if aside.reasks {
            self.texts.extend(step.question(&self.place).map(str::to_owned));
        }
        self.why.push(format!("{} stays", step.name));
        self.decision(step, aside.decision.clone(), aside.label.clone())
    }

    /// Ends the turn by a rule.
    pub(super) fn follow(mut self, step: &Step, rule: &Rule) -> Decision {
        self.why.push(format!("rule {}", rule.name));
        self.place.flags.extend(rule.sets.iter().cloned());
        self.place.flags.retain(|flag| !rule.clears.contains(flag));
        self.place.facts.retain(|fact, _| !rule.forgets.contains(fact));
        self.keep(&rule.keeps);
        self.place.counters.retain(|counter, _| !rule.resets.contains(counter));
        if let Some(counter) = &rule.spends {
            self.place.bump(counter);
        }
        self.affirms = rule.spends.is_none();
        self.hears = rule.hears.clone().filter(|_| !self.is_heard);
        self.texts.extend(rule.says.clone());
        if rule.next_part {
            return self.next_part(step, &rule.to);
        }
        if rule.to == step.name {
            return self.ask_again(step, rule.ask.as_deref());
        }
        self.enter(&rule.to, rule.ask.as_deref())
    }

    /// Ends the turn by asking the step's next question, or by its way out when there is none.
    pub(super) fn again(mut self, step: &Step) -> Decision {
        self.why.push("no rule held".to_owned());
        let heard = self.protocol.head.heard.as_ref();
        let heard = heard.filter(|heard| !self.is_heard && self.is_asked() && self.holds(&heard.when));
        self.texts.extend(heard.map(|heard| heard.says.clone()));
        self.ask_again(step, None)
    }

    /// Ends the turn of a session that has nowhere to go.
    pub(super) fn stay(self) -> Decision {
        self.protocol.stand(&self.place, super::place::Standing::Closing)
    }

    fn ask_again(self, step: &Step, ask: Option<&str>) -> Decision {
        let asked = usize::try_from(self.place.count(ASKED)).unwrap_or(usize::MAX);
        let has_more = step.parts.get(self.place.part()).is_some_and(|part| asked < part.asks.len());
        if has_more && !step.counts.iter().any(|counter| self.is_full(counter)) {
            return self.ask(step, ask);
        }
        self.way_out(step)
    }

    fn way_out(mut self, step: &Step) -> Decision {
        let Some(spent) = &step.spent else { return self.stay() };
        self.why.push(format!("{} has asked enough", step.name));
        self.place.flags.extend(spent.sets.iter().cloned());
        self.affirms = false;
        // What a rule has just said answers the client better than the way out's own words.
        if self.texts.is_empty() && self.hears.is_none() {
            self.texts.extend(spent.says.clone());
        }
        if spent.next_part { self.next_part(step, &spent.to) } else { self.enter(&spent.to, None) }
    }

    fn next_part(mut self, step: &Step, after: &str) -> Decision {
        let next = self.place.part().saturating_add(1);
        if next >= step.parts.len() {
            return self.enter(after, None);
        }
        self.place.leave();
        self.place.counters.insert(PART.to_owned(), u32::try_from(next).unwrap_or(u32::MAX));
        self.ask(step, None)
    }

    /// Goes to a step, past those that need not be asked.
    fn enter(mut self, to: &str, ask: Option<&str>) -> Decision {
        self.place.leave();
        to.clone_into(&mut self.place.step);
        let mut ask = ask;
        // The check refuses passes that lead in a circle; the bound holds for an unchecked protocol too.
        for _ in 0..self.protocol.steps.len() {
            let Some(step) = self.protocol.step(&self.place.step) else { break };
            let Some(pass) = step.passes.iter().find(|pass| self.holds(&pass.when)) else { break };
            self.why.push(format!("{} passed", step.name));
            self.place.step.clone_from(&pass.to);
            ask = None;
        }
        let Some(step) = self.protocol.step(&self.place.step) else { return self.stay() };
        self.why.push(format!("on to {}", step.name));
        self.ask(step, ask)
    }

    fn ask(mut self, step: &Step, ask: Option<&str>) -> Decision {
        let Some(part) = step.parts.get(self.place.part()) else { return self.stay() };
        let affirm =
            self.protocol.head.affirm.as_ref().filter(|affirm| {
                ask.is_none() && self.affirms && !self.is_asked() && self.holds(&affirm.when)
            });
        let (said, decision, label) = match (affirm, &part.affirms, &part.invites) {
            (Some(affirm), Some(affirms), _) => (Some(affirms.as_str()), &affirm.decision, &affirm.label),
            (Some(_), None, Some(invites)) => (Some(invites.as_str()), &part.decision, &part.label),
            (Some(_), None, None) | (None, _, _) => {
                self.texts.extend(self.hears.take());
                (ask.or_else(|| self.next_ask(part)), &part.decision, &part.label)
            }
        };
        self.texts.extend(said.map(str::to_owned));
        self.place.bump(ASKED);
        for counter in &step.counts {
            self.place.bump(counter);
        }
        self.place.flags.extend(step.sets.iter().cloned());
        self.take_note(&step.marks);
        self.decision(step, decision.clone(), label.clone())
    }

    fn next_ask<'p>(&self, part: &'p Part) -> Option<&'p str> {
        let asked = usize::try_from(self.place.count(ASKED)).unwrap_or(usize::MAX);
        part.asks.get(asked).or(part.asks.last()).map(String::as_str)
    }

    fn decision(self, step: &Step, decision: String, label: Option<String>) -> Decision {
        Decision {
            decision,
            label,
            texts: self.texts,
            place: self.place,
            next_substate: step.substate.clone(),
            reasoning: self.why.join("; "),
            complete: step.end,
        }
    }

    fn take_note(&mut self, notices: &[Notice]) {
        for notice in notices {
            if self.holds(&notice.when) {
                self.place.flags.extend(notice.flag.clone());
                self.keep(&notice.keeps);
            }
        }
    }

    fn keep(&mut self, facts: &[String]) {
        for name in facts {
            if let Some(fact) = self.signals.fact(name) {
                let fact = fact.chars().take(FACT_MAX_CHARS).collect();
                self.place.facts.insert(name.clone(), fact);
            }
        }
    }

    fn holds(&self, guard: &Guard) -> bool {
        guard.holds(|subject| match subject {
            Subject::Signal(name) => self.signals.has(name),
            Subject::Flag(name) => self.place.flags.contains(name),
            Subject::Fact(name) => self.place.facts.contains_key(name),
            Subject::Full(name) => self.is_full(name),
        })
    }

    fn is_full(&self, counter: &str) -> bool {
        self.protocol.head.counters.get(counter).is_some_and(|&limit| self.place.count(counter) >= limit)
    }

    fn can_spend(&self, rule: &Rule) -> bool {
        rule.spends.as_ref().is_none_or(|counter| !self.is_full(counter))
    }

    fn is_asked(&self) -> bool {
        self.place.count(ASKED) > 0
    }

    fn is_left(&self, aside: &Aside) -> bool {
        let here = usize::try_from(self.place.count(&here(aside))).unwrap_or(usize::MAX);
        here < aside.says.len() && self.place.count(&all(aside)) < aside.total
    }
}

fn here(aside: &Aside) -> String {
    format!("{HERE}{}", aside.name)
}

fn all(aside: &Aside) -> String {
    format!("{ALL}{}", aside.name)
}

/// What was noticed and by which rule, without a word of the client's.
fn noticed(signals: &Signals) -> String {
    let found: Vec<String> =
        signals.found().iter().map(|found| format!("{} ({})", found.signal, found.rule)).collect();
    if found.is_empty() { "nothing noticed".to_owned() } else { format!("noticed {}", found.join(", ")) }
}
