//! How far a receiver was told, as it is written down: all up to an event, and some behind it.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::event::EventId;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    to: EventId,
    beyond: BTreeSet<EventId>,
}

impl Progress {
    pub fn at(to: EventId) -> Self {
        Self { to, beyond: BTreeSet::new() }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut ids = text.split(' ').map(EventId::parse);
        Some(Self { to: ids.next()??, beyond: ids.collect::<Option<_>>()? })
    }

    /// All before and with this one is done.
    pub const fn to(&self) -> EventId {
        self.to
    }

    pub fn add(&mut self, id: EventId) {
        self.beyond.insert(id);
    }

    pub fn has(&self, id: EventId) -> bool {
        id <= self.to || self.beyond.contains(&id)
    }

    pub fn is_only_a_place(&self) -> bool {
        self.beyond.is_empty()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to)?;
        self.beyond.iter().try_for_each(|id| write!(f, " {id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_reads_back() {
        let id = |number| EventId { ms: 5, number };
        let mut progress = Progress::at(id(3));
        for number in [9, 6] {
            progress.add(id(number));
        }
        assert_eq!(progress.to_string(), "5-3 5-6 5-9");
        assert_eq!(Progress::parse("5-3 5-6 5-9"), Some(progress.clone()));
        let told: Vec<u64> = (1..=9).filter(|number| progress.has(id(*number))).collect();
        assert_eq!(told, [1, 2, 3, 6, 9]);
        assert_eq!([Progress::parse(""), Progress::parse("5-3 x")], [None, None]);
    }
}
