//! The figures that outcomes add up to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::share::as_f64;
use super::{Outcome, Share};
use crate::domain::safety::level::Level;

/// All figures of a set. "Danger" is what is labelled at least `at`; an alarm is a screening of at least `at`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub at: &'static str,
    pub texts: usize,
    /// Alarms among danger.
    pub recall: Share,
    /// Danger among alarms.
    pub precision: Share,
    /// Alarms among what shows no danger.
    pub false_alarms: Share,
    /// Only where levels are labelled.
    pub levels: Option<Confusion>,
    /// For each label, how many of its texts raise an alarm.
    pub alarms_by_label: BTreeMap<&'static str, Share>,
    /// For each member that breaks the set down, and each of its values.
    pub by: BTreeMap<String, BTreeMap<String, Group>>,
    pub by_tier: BTreeMap<&'static str, Fired>,
    pub by_rule: BTreeMap<String, Fired>,
    pub timings: Timings,
}

/// Levels against labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confusion {
    /// By label, then by the level found.
    pub found: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
    /// Of what should pause, how much is noticed at all.
    pub pausing_noticed: Share,
    /// Of what should pause, how much does not.
    pub under_graded: Share,
    /// Of what is labelled none, how much pauses.
    pub none_pauses: Share,
    /// Of what is labelled elevated, how much pauses.
    pub elevated_pauses: Share,
}

/// A part of a set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    pub recall: Share,
    pub false_alarms: Share,
    /// Of all texts, how many pause.
    pub pauses: Share,
}

/// In how many texts a rule or a tier spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Fired {
    pub in_danger: usize,
    pub in_harmless: usize,
}

/// What screening took, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timings {
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    pub per_kib_us: f64,
}

impl Report {
    #[must_use]
    pub fn of(outcomes: &[Outcome], at: Level) -> Self {
        let all: Vec<&Outcome> = outcomes.iter().collect();
        let whole = group(&all, at);
        let alarms = count(&all, |it| it.found >= at);
        Self {
            at: at.as_str(),
            texts: outcomes.len(),
            recall: whole.recall,
            precision: Share::of(whole.recall.count, alarms),
            false_alarms: whole.false_alarms,
            levels: all.iter().any(|it| it.label.level().is_some()).then(|| confusion(&all)),
            alarms_by_label: alarms_by_label(&all, at),
            by: broken_down(&all, at),
            by_tier: fired(&all, at, |it| it.rules.iter().map(|(_, tier)| tier.as_str()).collect()),
            by_rule: fired(&all, at, |it| it.rules.iter().map(|(rule, _)| rule.clone()).collect()),
            timings: timings(&all),
        }
    }
}

fn count(outcomes: &[&Outcome], is_counted: impl Fn(&Outcome) -> bool) -> usize {
    outcomes.iter().filter(|it| is_counted(it)).count()
}

/// Of the outcomes that are `of`, how many are `is` as well.
fn share(outcomes: &[&Outcome], of: impl Fn(&Outcome) -> bool, is: impl Fn(&Outcome) -> bool) -> Share {
    Share::of(count(outcomes, |it| of(it) && is(it)), count(outcomes, &of))
}

fn group(outcomes: &[&Outcome], at: Level) -> Group {
    Group {
        recall: share(outcomes, |it| it.label.reaches(at), |it| it.found >= at),
        false_alarms: share(outcomes, |it| !it.label.reaches(at), |it| it.found >= at),
        pauses: share(outcomes, |_| true, |it| it.found.pauses()),
    }
}

fn confusion(outcomes: &[&Outcome]) -> Confusion {
    let mut found: BTreeMap<_, BTreeMap<_, usize>> = BTreeMap::new();
    for outcome in outcomes {
        if let Some(label) = outcome.label.level() {
            *found.entry(label.as_str()).or_default().entry(outcome.found.as_str()).or_default() += 1;
        }
    }
    let should_pause = |it: &Outcome| it.label.level().is_some_and(Level::pauses);
    let labelled = |level| move |it: &Outcome| it.label.level() == Some(level);
    Confusion {
        found,
        pausing_noticed: share(outcomes, should_pause, |it| it.found > Level::None),
        under_graded: share(outcomes, should_pause, |it| !it.found.pauses()),
        none_pauses: share(outcomes, labelled(Level::None), |it| it.found.pauses()),
        elevated_pauses: share(outcomes, labelled(Level::Elevated), |it| it.found.pauses()),
    }
}

fn alarms_by_label(outcomes: &[&Outcome], at: Level) -> BTreeMap<&'static str, Share> {
    let labels: Vec<&'static str> = outcomes.iter().map(|it| it.label.as_str()).collect();
    let of = |label| share(outcomes, |it| it.label.as_str() == label, |it| it.found >= at);
    labels.into_iter().map(|label| (label, of(label))).collect()
}

fn broken_down(outcomes: &[&Outcome], at: Level) -> BTreeMap<String, BTreeMap<String, Group>> {
    let mut parts: BTreeMap<&String, BTreeMap<&String, Vec<&Outcome>>> = BTreeMap::new();
    for outcome in outcomes {
        for (name, value) in &outcome.groups {
            parts.entry(name).or_default().entry(value).or_default().push(outcome);
        }
    }
    let groups = |values: BTreeMap<&String, Vec<&Outcome>>| {
        values.into_iter().map(|(value, part)| (value.clone(), group(&part, at))).collect()
    };
    parts.into_iter().map(|(name, values)| (name.clone(), groups(values))).collect()
}

fn fired<K: Ord>(outcomes: &[&Outcome], at: Level, names: impl Fn(&Outcome) -> Vec<K>) -> BTreeMap<K, Fired> {
    let mut fired: BTreeMap<K, Fired> = BTreeMap::new();
    for outcome in outcomes {
        let mut names = names(outcome);
        names.sort_unstable();
        names.dedup();
        for name in names {
            let fired = fired.entry(name).or_default();
            let place = if outcome.label.reaches(at) { &mut fired.in_danger } else { &mut fired.in_harmless };
            *place += 1;
        }
    }
    fired
}

fn timings(outcomes: &[&Outcome]) -> Timings {
    let mut took: Vec<f64> = outcomes.iter().map(|it| it.took_us).collect();
    took.sort_by(f64::total_cmp);
    // The nearest rank: the smallest that at least this many of a hundred do not exceed.
    let rank = |percent: usize| (took.len() * percent).div_ceil(100).saturating_sub(1);
    let at = |nth: usize| took.get(nth).copied().unwrap_or_default();
    let length: usize = outcomes.iter().map(|it| it.length_bytes).sum();
    Timings {
        p50_us: at(rank(50)),
        p99_us: at(rank(99)),
        max_us: took.last().copied().unwrap_or_default(),
        per_kib_us: took.iter().sum::<f64>() / (as_f64(length) / 1_024.0).max(f64::MIN_POSITIVE),
    }
}
