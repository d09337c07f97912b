//! Proves of a protocol that it can be walked to its end, before anybody is walked through it.

use std::collections::BTreeSet;

use super::graph;
use super::model::{Protocol, Step};
use super::place::{CRITERIA, Standing};
use super::walk::CHOICES;
use crate::domain::fault::Fault;
use crate::domain::guard::{Guard, Subject};
use crate::domain::labels;
use crate::domain::signals::Lexicon;
use crate::domain::texts::Texts;

impl Protocol {
    /// What is wrong with the protocol; nothing when every step can be reached, an end can be reached from every step,
    /// every loop has its cap, and every name means something.
    #[must_use]
    pub fn check(&self, texts: &Texts, lexicon: &Lexicon) -> Vec<Fault> {
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
        faults
    }

    fn check_names(&self, faults: &mut Vec<Fault>) {
        unique(self.steps.iter().map(|step| &step.name), "step", faults);
        unique(self.asides.iter().map(|aside| &aside.name), "aside", faults);
        for step in &self.steps {
            unique(step.rules.iter().map(|rule| &rule.name), &format!("{}, rule", at(step)), faults);
            for to in targets(step).filter(|to| self.step(to).is_none()) {
                faults.push(Fault::new(at(step), format!("leads to '{to}', which is no step")));
            }
        }
        if self.step(&self.head.start).is_none() {
            faults.push(Fault::new("file", format!("starts at '{}', which is no step", self.head.start)));
        }
    }

    fn check_steps(&self, faults: &mut Vec<Fault>) {
        for step in &self.steps {
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
            said.extend(keys.map(|key| (format!("aside {}", aside.name), key.as_str())));
        }
        said.extend(self.head.heard.iter().map(|heard| ("heard".to_owned(), heard.says.as_str())));
        said.extend(Standing::ALL.map(|standing| ("file".to_owned(), standing.as_str())));
        said
    }

    fn check_texts(&self, texts: &Texts, faults: &mut Vec<Fault>) {
        for (place, key) in self.said().into_iter().filter(|(_, key)| !texts.has(key)) {
            faults.push(Fault::new(place, format!("there is no text '{key}'")));
        }
        for aside in self.asides.iter().filter(|aside| aside.says.is_empty()) {
            faults.push(Fault::new(format!("aside {}", aside.name), "says nothing"));
        }
        for (step, key) in self.steps.iter().flat_map(|step| statements(step).map(move |key| (step, key))) {
            if texts.wordings(key).any(|wording| wording.contains('?')) {
                faults.push(Fault::new(
                    at(step),
                    format!("'{key}' is said before a question and asks one itself"),
                ));
            }
        }
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
                faults
                    .push(Fault::new(at(step), format!("rule {} spends a counter that is reset", rule.name)));
            }
        }
        if !self.steps.iter().any(|step| step.counts.contains(&self.head.body_counter)) {
            faults.push(Fault::new("file", "no step counts the body_counter"));
        }
    }

    fn check_facts(&self, texts: &Texts, lexicon: &Lexicon, faults: &mut Vec<Fault>) {
        let declared: BTreeSet<&str> = self.head.facts.iter().map(String::as_str).collect();
        let told: BTreeSet<&str> = lexicon.facts().collect();
        let kept: BTreeSet<&str> = self.keeps().collect();
        let said: BTreeSet<&str> = self.said().into_iter().flat_map(|(_, key)| texts.slots(key)).collect();
        let mut say = |name: &str, what: &str| faults.push(Fault::new(format!("fact {name}"), what));
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
        unique(self.head.criteria.iter(), "criterion", faults);
        if self.head.criteria.len() != CRITERIA {
            faults.push(Fault::new(
                "file",
                format!("names {} criteria, not {CRITERIA}", self.head.criteria.len()),
            ));
        }
        let settable: BTreeSet<&str> = self.settable().collect();
        for name in self.head.criteria.iter().filter(|name| !settable.contains(name.as_str())) {
            faults.push(Fault::new(format!("criterion {name}"), "can never become true"));
        }
    }

    /// A label that is not on the list would find no example.
    fn check_labels(&self, faults: &mut Vec<Fault>) {
        let unknown: BTreeSet<&str> = self.labels().filter(|label| !labels::is_known(label)).collect();
        for label in unknown {
            faults.push(Fault::new(format!("label {label}"), "is not on the list of labels"));
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
            guards.extend(
                step.rules.iter().map(|rule| (format!("{}, rule {}", at(step), rule.name), &rule.when)),
            );
            guards.extend(step.passes.iter().map(|pass| (format!("{}, pass", at(step)), &pass.when)));
            guards.extend(step.marks.iter().map(|mark| (format!("{}, mark", at(step)), &mark.when)));
        }
        guards.extend(self.asides.iter().map(|aside| (format!("aside {}", aside.name), &aside.when)));
        guards.extend(self.head.heard.iter().map(|heard| ("heard".to_owned(), &heard.when)));
        guards.extend(self.notices.iter().map(|notice| ("notice".to_owned(), &notice.when)));
        guards
    }
}

fn at(step: &Step) -> String {
    format!("step {}", step.name)
}

fn targets(step: &Step) -> impl Iterator<Item = &String> {
    let rules = step.rules.iter().map(|rule| &rule.to);
    rules.chain(step.passes.iter().map(|pass| &pass.to)).chain(step.spent.iter().map(|spent| &spent.to))
}

/// The texts that ask.
fn questions(step: &Step) -> impl Iterator<Item = &str> {
    let asks = step.parts.iter().flat_map(|part| part.asks.iter().map(String::as_str));
    asks.chain(step.rules.iter().filter_map(|rule| rule.ask.as_deref()))
}

/// The texts that are said before a question.
fn statements(step: &Step) -> impl Iterator<Item = &str> {
    let rules = step.rules.iter().filter_map(|rule| rule.says.as_deref());
    rules.chain(step.spent.iter().filter_map(|spent| spent.says.as_deref()))
}

fn unique<'a>(names: impl Iterator<Item = &'a String>, what: &str, faults: &mut Vec<Fault>) {
    let mut seen = BTreeSet::new();
    for name in names.filter(|name| !seen.insert(*name)) {
        faults.push(Fault::new(format!("{what} {name}"), "stands twice"));
    }
}
