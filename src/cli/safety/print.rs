//! Figures and explanations on the terminal.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::{Value, json};

use crate::domain::language::written_in;
use crate::domain::safety::eval::{Confusion, Fired, Group, Outcome, Report};
use crate::domain::safety::{Level, Rules, Sign};

use super::{Failure, say};

/// Everything as one line of JSON, with the misses where they are asked for.
pub(super) fn json(report: &Report, misses: Option<&[&Outcome]>) -> Result<(), Failure> {
    let mut whole = serde_json::to_value(report).map_err(Failure::of)?;
    if let (Some(misses), Value::Object(members)) = (misses, &mut whole) {
        let misses = misses.iter().map(|it| {
            json!({"line": it.line, "label": it.label.as_str(), "found": it.found.as_str(), "rules": rules_of(it)})
        });
        members.insert("misses".to_owned(), misses.collect());
    }
    say(whole)
}

pub(super) fn figures(report: &Report) -> Result<(), Failure> {
    say(format_args!("{} texts; danger is what is labelled {} or more", report.texts, report.at))?;
    say(format_args!("recall        {}", report.recall))?;
    say(format_args!("precision     {}", report.precision))?;
    say(format_args!("false alarms  {}", report.false_alarms))?;
    if let Some(levels) = &report.levels {
        confusion(levels)?;
    }
    say("\nalarms by label")?;
    for (label, share) in &report.alarms_by_label {
        say(format_args!("  {label:<10} {share}"))?;
    }
    report.by.iter().try_for_each(|(name, groups)| broken_down(name, groups))?;
    spoke("tier", &report.by_tier)?;
    spoke("rule", &report.by_rule)?;
    let times = &report.timings;
    say(format_args!(
        "\nmicroseconds a text: p50 {:.1}, p99 {:.1}, longest {:.1}; {:.1} a KiB",
        times.p50_us, times.p99_us, times.max_us, times.per_kib_us
    ))
}

fn confusion(levels: &Confusion) -> Result<(), Failure> {
    say("\nof what should pause")?;
    say(format_args!("  noticed      {}", levels.pausing_noticed))?;
    say(format_args!("  under-graded {}", levels.under_graded))?;
    say("what should not pause and does")?;
    say(format_args!("  none         {}", levels.none_pauses))?;
    say(format_args!("  elevated     {}", levels.elevated_pauses))?;
    say(format_args!("\n{:<10} none  elevated      high    crisis   found", "label"))?;
    for (label, found) in &levels.found {
        let count = |level: Level| found.get(level.as_str()).copied().unwrap_or_default();
        let [none, elevated, high, crisis] = Level::ALL.map(count);
        say(format_args!("{label:<10} {none:>4} {elevated:>9} {high:>9} {crisis:>9}"))?;
    }
    Ok(())
}

fn broken_down(name: &str, groups: &BTreeMap<String, Group>) -> Result<(), Failure> {
    say(format_args!("\nby {name}{:>36} {:>16} {:>10}", "noticed", "false alarms", "pause"))?;
    for (value, group) in groups {
        let of = |share: crate::domain::safety::eval::Share| format!("{}/{}", share.count, share.of);
        say(format_args!(
            "  {value:<32} {:>9} {:>13} {:>12}",
            of(group.recall),
            of(group.false_alarms),
            of(group.pauses)
        ))?;
    }
    Ok(())
}

fn spoke<K: Display>(name: &str, fired: &BTreeMap<K, Fired>) -> Result<(), Failure> {
    say(format_args!("\n{name}s that spoke{:>28} {:>12}", "in danger", "in harmless"))?;
    for (rule, fired) in fired {
        say(format_args!("  {rule:<30} {:>8} {:>12}", fired.in_danger, fired.in_harmless))?;
    }
    Ok(())
}

/// A line of a set by its number; never what stands in it.
pub(super) fn miss(outcome: &Outcome) -> Result<(), Failure> {
    let (label, found) = (outcome.label.as_str(), outcome.found.as_str());
    say(format_args!("line {}: {label} is {found} {}", outcome.line, rules_of(outcome).join(" ")))
}

fn rules_of(outcome: &Outcome) -> Vec<&str> {
    outcome.rules.iter().map(|(rule, _)| rule.as_str()).collect()
}

pub(super) fn explanation(rules: &Rules, text: &str) -> Result<(), Failure> {
    let explanation = rules.explain(text);
    let whose = if explanation.screening.third_person { ", another person's" } else { "" };
    say(format_args!("level: {}{whose}", explanation.screening.level.as_str()))?;
    say(format_args!("language: {}", written_in(text).map_or("not sure", |language| language.code())))?;
    if let Some(weight) = &explanation.weight {
        let heaviest = weight.heaviest.join(" | ");
        say(format_args!(
            "weighs for danger:  {:.2} of {:.2}  {heaviest}",
            weight.danger, weight.danger_sign
        ))?;
        say(format_args!("weighs for a pause: {:.2} of {:.2}", weight.pausing, weight.pausing_sign))?;
    }
    explanation.signs.iter().try_for_each(sign)
}

fn sign(sign: &Sign) -> Result<(), Failure> {
    let notes = notes(sign);
    let level = sign.level.as_str();
    say(format_args!("{level:<9} {} ({}) \"{}\"{notes}", sign.rule, sign.tier.as_str(), sign.phrase))
}

fn notes(sign: &Sign) -> String {
    let around = sign.around;
    let capped = around.at_most.map(|most| format!("an idiom: at most {}", most.as_str()));
    [
        around.negated.then(|| "negated".to_owned()),
        around.anothers.then(|| "another person's, or quoted".to_owned()),
        around.long_past.then(|| "long past".to_owned()),
        around.alone.then(|| "alone: what it needs beside it is missing".to_owned()),
        capped,
        around.doubted.map(|most| format!("its words weigh against it: at most {}", most.as_str())),
    ]
    .into_iter()
    .flatten()
    .fold(String::new(), |notes, note| format!("{notes}; {note}"))
}
