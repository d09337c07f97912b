//! Where a session stands in its protocol, and what the wire shows of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::model::{Protocol, Step};
use super::navigate::Decision;

/// The most completion criteria that a protocol may name. Stage 1 of the therapy names as many.
pub const CRITERIA_MAX: usize = 12;

/// Which protocol a session follows. An older version stays loaded until its sessions end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProtocolRef {
    pub id: String,
    /// SHA-256 over the file, in hexadecimal, its first 16 digits.
    pub hash: String,
}

/// Where a session stands in its protocol, and all that the navigator remembers: names and data, no code, so that a
/// richer protocol never breaks a stored session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub protocol: ProtocolRef,
    pub step: String,
    /// How often what happened, by name.
    #[serde(default)]
    pub counters: BTreeMap<String, u32>,
    /// What is true by now, completion criteria among it.
    #[serde(default)]
    pub flags: BTreeSet<String>,
    /// What the client said, in its own words, by name. Bounded.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// Which variants of which text were used, latest last, so that nothing is said twice in a row.
    #[serde(default)]
    pub said: BTreeMap<String, Vec<u16>>,
}

/// What the wire shows of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub stage: String,
    pub substate: String,
    pub step: String,
    pub body_question_count: u32,
    /// The criteria in the protocol's order.
    pub criteria: Vec<(String, bool)>,
    pub complete: bool,
}

/// Why a place cannot be walked on from: the session is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceFault {
    #[error("the place belongs to another protocol or another version of it")]
    OtherProtocol,
    #[error("the protocol has no such step")]
    UnknownStep,
    #[error("the step has no such part")]
    UnknownPart,
}

/// A reply that leaves the place as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Input to a completed session.
    Closing,
    /// Input to a session that a person paused.
    Hold,
    /// The first words after a session was gone: greets, and asks where it stood.
    WelcomeBack,
    /// The answer to a safety question is no answer to the step's own: thanks, and asks where it stood.
    SafetyAnswered,
}

impl Standing {
    pub const ALL: [Self; 4] = [Self::Closing, Self::Hold, Self::WelcomeBack, Self::SafetyAnswered];

    const fn reasks(self) -> bool {
        matches!(self, Self::WelcomeBack | Self::SafetyAnswered)
    }

    /// The decision's name on the wire, which is the key of its text too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closing => "closing",
            Self::Hold => "hold",
            Self::WelcomeBack => "welcome_back",
            Self::SafetyAnswered => "safety_answered",
        }
    }
}

/// The counter that tells which part of its step a place is in.
pub(super) const PART: &str = "part";
/// The counter of questions asked since the step (or part) was entered.
pub(super) const ASKED: &str = "asked";
/// Begins the counters of asides since the step was entered.
pub(super) const HERE: &str = "here.";
/// Begins the counters of asides in the whole session.
pub(super) const ALL: &str = "all.";

impl Place {
    pub(super) fn count(&self, counter: &str) -> u32 {
        self.counters.get(counter).copied().unwrap_or(0)
    }

    pub(super) fn bump(&mut self, counter: &str) {
        let count = self.counters.entry(counter.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Forgets what counts for one visit of a step only.
    pub(super) fn leave(&mut self) {
        self.counters.retain(|name, _| name != PART && name != ASKED && !name.starts_with(HERE));
    }

    pub(super) fn part(&self) -> usize {
        usize::try_from(self.count(PART)).unwrap_or(usize::MAX)
    }
}

impl Protocol {
    /// A place before the first turn: nothing has been asked yet.
    #[must_use]
    pub fn start(&self) -> Place {
        Place {
            protocol: self.reference().clone(),
            step: self.head().start.clone(),
            counters: BTreeMap::new(),
            flags: BTreeSet::new(),
            facts: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// Whether this protocol can go on from a place.
    pub fn admit(&self, place: &Place) -> Result<(), PlaceFault> {
        if place.protocol != *self.reference() {
            return Err(PlaceFault::OtherProtocol);
        }
        let step = self.step(&place.step).ok_or(PlaceFault::UnknownStep)?;
        step.parts.get(place.part()).map(|_| ()).ok_or(PlaceFault::UnknownPart)
    }

    /// The place under a substate that another program wrote: the same where it is the step's own, else the first step
    /// of that substate, nothing of it asked yet. `None` when no step has that substate.
    #[must_use]
    pub fn place_for_substate(&self, place: &Place, substate: &str) -> Option<Place> {
        if self.step(&place.step).is_some_and(|step| step.substate == substate) {
            return Some(place.clone());
        }
        let step = self.steps().iter().find(|step| step.substate == substate)?;
        let mut place = place.clone();
        place.leave();
        place.step.clone_from(&step.name);
        Some(place)
    }

    #[must_use]
    pub fn progress(&self, place: &Place) -> Progress {
        let step = self.step(&place.step);
        Progress {
            stage: self.head().stage.clone(),
            substate: self.substate(place),
            step: place.step.clone(),
            body_question_count: self.body_question_count(place),
            criteria: self
                .head()
                .criteria
                .iter()
                .map(|name| (name.clone(), place.flags.contains(name)))
                .collect(),
            complete: step.is_some_and(|step| step.end),
        }
    }

    /// The substate that a place is shown as.
    #[must_use]
    pub fn substate(&self, place: &Place) -> String {
        self.step(&place.step).map(|step| step.substate.clone()).unwrap_or_default()
    }

    #[must_use]
    pub fn body_question_count(&self, place: &Place) -> u32 {
        place.count(&self.head().body_counter)
    }

    /// The completion criteria in the protocol's order, a `1` for each that is met.
    #[must_use]
    pub fn met(&self, place: &Place) -> String {
        let met = |name: &String| if place.flags.contains(name) { '1' } else { '0' };
        self.head().criteria.iter().map(met).collect()
    }

    /// The criteria by name, out of what [`Protocol::met`] has given; what is missing there is not met.
    pub fn criteria_met<'a>(&'a self, met: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
        let met = met.bytes().map(|digit| digit == b'1').chain(std::iter::repeat(false));
        self.head().criteria.iter().map(String::as_str).zip(met)
    }

    /// A reply beside the protocol; the place stays.
    #[must_use]
    pub fn stand(&self, place: &Place, standing: Standing) -> Decision {
        let step = self.step(&place.step);
        let mut texts = vec![standing.as_str().to_owned()];
        if standing.reasks() {
            texts.extend(step.and_then(|step| step.question(place)).map(str::to_owned));
        }
        Decision {
            decision: standing.as_str().to_owned(),
            label: None,
            texts,
            place: place.clone(),
            next_substate: step.map(|step| step.substate.clone()).unwrap_or_default(),
            reasoning: format!("{}; the step {} stays", standing.as_str(), place.step),
            complete: step.is_some_and(|step| step.end),
        }
    }
}

impl Step {
    /// The text of the question that stands, or that comes first where none was asked.
    pub(super) fn question(&self, place: &Place) -> Option<&str> {
        let asks = &self.parts.get(place.part())?.asks;
        let last = usize::try_from(place.count(ASKED)).unwrap_or(usize::MAX).saturating_sub(1);
        asks.get(last).or(asks.last()).map(String::as_str)
    }
}
