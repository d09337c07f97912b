//! The protocol as a graph: what can be reached, what leads to an end, and that no loop goes on for ever.
//!
//! Asking again is capped by the number of a step's texts. Every other loop has to go through a rule that spends a
//! counter which nothing resets, or through an aside's way out, which is taken once; without those the graph must have
//! no circle.

use std::collections::BTreeSet;

use super::model::{Protocol, Step};
use crate::domain::fault::Fault;

pub(super) fn check(protocol: &Protocol, faults: &mut Vec<Fault>) {
    let reached = reached(protocol);
    let leading = leading_to_an_end(protocol);
    for step in protocol.steps() {
        let at = format!("step {}", step.name);
        if !reached.contains(step.name.as_str()) {
            faults.push(Fault::new(&at, "cannot be reached"));
        }
        if !leading.contains(step.name.as_str()) {
            faults.push(Fault::new(&at, "has no way to an end"));
        }
    }
    faults.extend(
        circle(protocol)
            .into_iter()
            .map(|step| Fault::new(format!("step {step}"), "lies on a loop that no counter caps")),
    );
}

/// Where a turn may lead from a step, without and with the rules that spend a counter.
fn free(step: &Step) -> impl Iterator<Item = &str> {
    let rules = step.rules.iter().filter(|rule| rule.spends.is_none()).map(|rule| rule.to.as_str());
    let passes = step.passes.iter().map(|pass| pass.to.as_str());
    rules.chain(passes).chain(step.spent.iter().map(|spent| spent.to.as_str()))
}

fn all(step: &Step) -> impl Iterator<Item = &str> {
    free(step).chain(step.rules.iter().map(|rule| rule.to.as_str()))
}

fn reached(protocol: &Protocol) -> BTreeSet<&str> {
    let mut reached = BTreeSet::new();
    let exits = protocol.asides().iter().filter_map(|aside| aside.then.as_ref());
    let mut open: Vec<&str> = exits.map(|then| then.to.as_str()).collect();
    open.push(&protocol.head().start);
    while let Some(step) = open.pop().and_then(|name| protocol.step(name)) {
        if reached.insert(step.name.as_str()) {
            open.extend(all(step));
        }
        open.retain(|name| !reached.contains(name));
    }
    reached
}

/// Steps from which an end is reached by the ways that are always there.
fn leading_to_an_end(protocol: &Protocol) -> BTreeSet<&str> {
    let mut leading = BTreeSet::new();
    loop {
        let before = leading.len();
        for step in protocol.steps() {
            let leads = step.end || step.spent.iter().any(|spent| leading.contains(spent.to.as_str()));
            if leads {
                leading.insert(step.name.as_str());
            }
        }
        if leading.len() == before {
            return leading;
        }
    }
}

/// The steps that remain when those without a way into the rest are taken away, again and again.
fn circle(protocol: &Protocol) -> BTreeSet<&str> {
    let mut rest: BTreeSet<&str> = protocol.steps().iter().map(|step| step.name.as_str()).collect();
    loop {
        let on_it = |step: &&Step| free(step).any(|to| to != step.name && rest.contains(to));
        let kept: BTreeSet<&str> = protocol
            .steps()
            .iter()
            .filter(|step| rest.contains(step.name.as_str()))
            .filter(on_it)
            .map(|step| step.name.as_str())
            .collect();
        if kept.len() == rest.len() {
            return kept;
        }
        rest = kept;
    }
}
