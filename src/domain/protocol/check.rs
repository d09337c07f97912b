//! Proves of a protocol that it can be walked to its end, before anybody is walked through it.

use std::collections::BTreeSet;

use super::graph;
use super::model::{Answer, Aside, Protocol, Rule, Step};
use super::place::{CRITERIA_MAX, Standing};
use super::walk::CHOICES;
use crate::domain::fault::Fault;
use crate::domain::guard::{Guard, Subject};
use crate::domain::labels;
use crate::domain::signals::Lexicon;
use crate::domain::texts::{COME_BACK, Texts};

impl Protocol {
    /// What is wrong with the protocol; nothing when every step can be reached, an end can be reached from every step,
    /// every loop has its cap, and every name means something.
    #[must_use]
    pub fn check(&self, texts: &Texts, lexicon: &Lexicon) -> Vec<Fault> {
        let texts = &self.texts.over(texts);
        let mut faults = Vec::new();
        self.check_names(&mut faults);
        self.check_steps(&mut faults);
        if faults.is_empty() {
            graph::check(self, &mut faults);
        }
        self.check_texts(texts, &mut faults);
        self.check_guards(lexicon, &mut faults);
        self.check_counters(&mut faults);
        self.check_facts(texts, lexicon, &mut faults);
        self.check_criteria(&mut faults);
        self.check_labels(&mut faults);
        self.outline.place(faults)
    }

    /// The labels that it looks examples up under, with where each stands.
    pub fn labelled(&self) -> impl Iterator<Item = (String, &str)> {
        let parts = self.steps.iter().flat_map(|step| step.parts.iter().map(move |part| (step, part)));
        let parts = parts.filter_map(|(step, part)| Some((at(step), part.label.as_deref()?)));
        let asides = self.asides.iter().filter_map(|a| Some((at_aside(a), a.label.as_deref()?)));
        let affirm = self.head.affirm.iter().filter_map(|a| Some(("affirm".to_owned(), a.label.as_deref()?)));
        parts.chain(asides).chain(affirm)
    }

    /// The same faults, each with its line in the file.
    #[must_use]
    pub fn place(&self, faults: Vec<Fault>) -> Vec<Fault> {
        self.outline.place(faults)
    }

    fn check_names(&self, faults: &mut Vec<Fault>) {
        unique(self.steps.iter().map(|step| &step.name), "step", faults);
        unique(self.asides.iter().map(|aside| &aside.name), "aside", faults);
        for step in &self.steps {
            unique(step.rules.iter().map(|rule| &rule.name), &format!("{}, rule", at(step)), faults);
            for (place, to) in targets(step).filter(|(_, to)| self.step(to).is_none()) {
                faults.push(Fault::new(place, format!("leads to '{to}', which is no step")));
            }
        }
        let exits = self.asides.iter().filter_map(|aside| Some((aside, aside.then.as_ref()?)));
        for (aside, then) in exits.filter(|(_, then)| self.step(&then.to).is_none()) {
            faults.push(Fault::new(at_aside(aside), format!("leads to '{}', which is no step", then.to)));
        }
        if self.step(&self.head.start).is_none() {
            faults.push(Fault::new("start", format!("'{}' is no step", self.head.start)));
        }
    }

    fn check_steps(&self, faults: &mut Vec<Fault>) {
        for step in &self.steps {
            for rule in step.rules.iter().filter(|rule| rule.hears.is_some() && rule.says.is_some()) {
                faults.push(Fault::new(at_rule(step, rule), "has either 'hears' or 'says'"));
            }
            let mut say = |what: &str| faults.push(Fault::new(at(step), what));
            if step.parts.iter().any(|part| part.asks.is_empty()) {
                say("has a question without a text to ask it");
            }
            if step.substate.is_empty() {
                say("has no substate");
            }
            match (step.end, &step.spent) {
                (true, Some(_)) => say("is an end and leads on"),
                (true, None) if !(step.rules.is_empty() && step.passes.is_empty()) => {
                    say("is an end and has rules");
                }
                (false, None) => say("has no way out when its questions are asked: 'spent' is missing"),
                (false, Some(spent)) if spent.to == step.name => say("leads back to itself when it is spent"),
                (true, None) | (false, Some(_)) => {}
            }
            if !step.end && step.choices.is_none() && self.offers_choices() {
                say("offers no words to choose from");
            }
        }
    }

    fn offers_choices(&self) -> bool {
        self.asides.iter().any(|aside| aside.says.iter().any(|says| says == CHOICES))
    }

    /// Every text that is said, with where.
    fn said(&self) -> BTreeSet<(String, &str)> {
        let mut said: BTreeSet<(String, &str)> = BTreeSet::new();
        for step in &self.steps {
            let keys = questions(step).chain(step.choices.as_deref()).chain(statements(step));
            said.extend(keys.map(|key| (at(step), key)));
        }
        for aside in &self.asides {
            let keys = aside.says.iter().filter(|says| *says != CHOICES);
            let keys = keys.chain(aside.then.iter().filter_map(|then| then.says.as_ref()));
            said.extend(keys.map(|key| (at_aside(aside), key.as_str())));
        }
        said.extend(self.head.heard.iter().map(|heard| ("heard".to_owned(), heard.says.as_str())));
        said.extend(Standing::ALL.map(|standing| ("file".to_owned(), standing.as_str())));
        said.insert(("file".to_owned(), COME_BACK));
        said
    }

    fn check_texts(&self, texts: &Texts, faults: &mut Vec<Fault>) {
        for (place, key) in self.said().into_iter().filter(|(_, key)| !texts.has(key)) {
            faults.push(Fault::new(place, format!("there is no text '{key}'")));
        }
        for aside in self.asides.iter().filter(|aside| aside.says.is_empty()) {
            faults.push(Fault::new(at_aside(aside), "says nothing"));
        }
        for (place, key) in self.statements() {
            if texts.wordings(key).any(|wording| wording.contains('?')) {
                let what =
                    format!("'{key}' is said before a question, or instead of one, and asks one itself");
                faults.push(Fault::new(place, what));
            }
        }
    }

    /// The texts that hold no question, with where.
    fn statements(&self) -> impl Iterator<Item = (String, &str)> {
        let steps = self.steps.iter().flat_map(|step| statements(step).map(move |key| (at(step), key)));
        let asides = self.asides.iter().flat_map(|aside| {
            let before = aside.says.iter().filter(|_| aside.reasks || aside.answer == Answer::Joins);
            let then = aside.then.iter().filter_map(|then| then.says.as_ref());
            before.chain(then).map(move |key| (at_aside(aside), key.as_str()))
        });
        let heard = self.head.heard.iter().map(|heard| ("heard".to_owned(), heard.says.as_str()));
        steps.chain(asides).chain(heard)
    }

    fn check_guards(&self, lexicon: &Lexicon, faults: &mut Vec<Fault>) {
        let signals: BTreeSet<&str> = lexicon.signals().collect();
        let flags: BTreeSet<&str> = self.settable().collect();
        for (place, guard) in self.guards() {
            for literal in guard.literals() {
                let (known, what, name) = match &literal.subject {
                    Subject::Signal(name) => (signals.contains(name.as_str()), "signal", name),
                    Subject::Flag(name) => (flags.contains(name.as_str()), "flag that is ever set", name),
                    Subject::Fact(name) => (self.head.facts.contains(name), "fact", name),
                    Subject::Full(name) => (self.head.counters.contains_key(name), "counter", name),
                };
                if !known {
                    faults.push(Fault::new(&place, format!("asks for '{name}', which is no {what}")));
                }
            }
        }
    }

    fn check_counters(&self, faults: &mut Vec<Fault>) {
        let rules = || self.steps.iter().flat_map(|step| step.rules.iter().map(move |rule| (step, rule)));
        let counts = self.steps.iter().flat_map(|step| step.counts.iter().map(move |name| (step, name)));
        let spends = rules().filter_map(|(step, rule)| rule.spends.as_ref().map(|name| (step, name)));
        let resets = rules().flat_map(|(step, rule)| rule.resets.iter().map(move |name| (step, name)));
        for (step, name) in counts.chain(spends).chain(resets) {
            if !self.head.counters.contains_key(name) {
                faults.push(Fault::new(at(step), format!("'{name}' is no counter")));
            }
        }
        let reset: BTreeSet<&String> = rules().flat_map(|(_, rule)| &rule.resets).collect();
        for (step, rule) in rules() {
            if rule.spends.as_ref().is_some_and(|name| reset.contains(name)) {
                faults.push(Fault::new(at_rule(step, rule), "spends a counter that is reset"));
            }
        }
        if !self.steps.iter().any(|step| step.counts.contains(&self.head.body_counter)) {
            faults.push(Fault::new("body_counter", "no step counts it"));
        }
    }

    fn check_facts(&self, texts: &Texts, lexicon: &Lexicon, faults: &mut Vec<Fault>) {
        let declared: BTreeSet<&str> = self.head.facts.iter().map(String::as_str).collect();
        let told: BTreeSet<&str> = lexicon.facts().collect();
        let kept: BTreeSet<&str> = self.keeps().collect();
        let said: BTreeSet<&str> = self.said().into_iter().flat_map(|(_, key)| texts.slots(key)).collect();
        let mut say = |name: &str, what: &str| faults.push(Fault::new(format!("facts, {name}"), what));
        for name in &declared {
            if !told.contains(name) {
                say(name, "no rule of the lexicon tells it");
            }
            if !kept.contains(name) {
                say(name, "is never kept");
            }
            if !said.contains(name) {
                say(name, "is in no text");
            }
        }
        for name in kept.union(&said).filter(|name| !declared.contains(*name)) {
            say(name, "is kept or said but not declared");
        }
    }

    fn check_criteria(&self, faults: &mut Vec<Fault>) {
        unique(self.head.criteria.iter(), "criteria,", faults);
        let count = self.head.criteria.len();
        if !(1..=CRITERIA_MAX).contains(&count) {
            let what = format!("names {count} of them; one to {CRITERIA_MAX} can be shown");
            faults.push(Fault::new("criteria", what));
        }
        let settable: BTreeSet<&str> = self.settable().collect();
        for name in self.head.criteria.iter().filter(|name| !settable.contains(name.as_str())) {
            faults.push(Fault::new(format!("criteria, {name}"), "can never become true"));
        }
    }

    /// A label that is not on the list would find no example.
    fn check_labels(&self, faults: &mut Vec<Fault>) {
        for (place, label) in self.labelled().filter(|(_, label)| !labels::is_known(label)) {
            faults.push(Fault::new(place, format!("the label '{label}' is not on the list of labels")));
        }
    }

    /// Every flag that something makes true.
    fn settable(&self) -> impl Iterator<Item = &str> {
        let steps = self.steps.iter().flat_map(|step| {
            let rules = step.rules.iter().flat_map(|rule| &rule.sets);
            let spent = step.spent.iter().flat_map(|spent| &spent.sets);
            let marks = step.marks.iter().filter_map(|mark| mark.flag.as_ref());
            rules.chain(spent).chain(&step.sets).chain(marks)
        });
        steps.chain(self.notices.iter().filter_map(|notice| notice.flag.as_ref())).map(String::as_str)
    }

    fn keeps(&self) -> impl Iterator<Item = &str> {
        let rules = self
            .steps
            .iter()
            .flat_map(|step| &step.rules)
            .flat_map(|rule| rule.keeps.iter().chain(&rule.forgets));
        rules.chain(self.notices.iter().flat_map(|notice| &notice.keeps)).map(String::as_str)
    }

    fn guards(&self) -> Vec<(String, &Guard)> {
        let mut guards: Vec<(String, &Guard)> = Vec::new();
        for step in &self.steps {
            guards.extend(step.rules.iter().map(|rule| (at_rule(step, rule), &rule.when)));
            guards.extend(step.passes.iter().map(|pass| (format!("{}, pass", at(step)), &pass.when)));
            guards.extend(step.marks.iter().map(|mark| (format!("{}, mark", at(step)), &mark.when)));
        }
        guards.extend(self.asides.iter().map(|aside| (at_aside(aside), &aside.when)));
        let exits = self.asides.iter().filter_map(|aside| Some((aside, aside.then.as_ref()?)));
        guards.extend(exits.map(|(aside, then)| (at_aside(aside), &then.when)));
        guards.extend(self.head.affirm.iter().map(|affirm| ("affirm".to_owned(), &affirm.when)));
        guards.extend(self.head.heard.iter().map(|heard| ("heard".to_owned(), &heard.when)));
        guards.extend(self.notices.iter().map(|notice| ("notice".to_owned(), &notice.when)));
        guards
    }
}

fn at(step: &Step) -> String {
    format!("step {}", step.name)
}

fn at_rule(step: &Step, rule: &Rule) -> String {
    format!("{}, rule {}", at(step), rule.name)
}

fn at_aside(aside: &Aside) -> String {
    format!("aside {}", aside.name)
}

/// Where a step may lead, each with where that is written.
fn targets(step: &Step) -> impl Iterator<Item = (String, &String)> {
    let rules = step.rules.iter().map(|rule| (at_rule(step, rule), &rule.to));
    let passes = step.passes.iter().map(|pass| (format!("{}, pass", at(step)), &pass.to));
    let spent = step.spent.iter().map(|spent| (format!("{}, spent", at(step)), &spent.to));
    rules.chain(passes).chain(spent)
}

/// The texts that ask.
fn questions(step: &Step) -> impl Iterator<Item = &str> {
    let asks = step.parts.iter().flat_map(|part| part.asks.iter().map(String::as_str));
    asks.chain(step.rules.iter().filter_map(|rule| rule.ask.as_deref()))
}

/// The texts that are said before a question, or instead of one.
fn statements(step: &Step) -> impl Iterator<Item = &str> {
    let rules =
        step.rules.iter().flat_map(|rule| rule.hears.as_deref().into_iter().chain(rule.says.as_deref()));
    let spent = step.spent.iter().filter_map(|spent| spent.says.as_deref());
    let parts =
        step.parts.iter().flat_map(|part| part.affirms.as_deref().into_iter().chain(part.invites.as_deref()));
    rules.chain(spent).chain(parts)
}

fn unique<'a>(names: impl Iterator<Item = &'a String>, what: &str, faults: &mut Vec<Fault>) {
    let mut seen = BTreeSet::new();
    for name in names.filter(|name| !seen.insert(*name)) {
        faults.push(Fault::new(format!("{what} {name}"), "stands twice"));
    }
}
