//! The versions of the protocol that a deployment knows: the one that new sessions follow, and those that older
//! sessions, or sessions of a newer server, still follow.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::model::Protocol;
use super::place::{Place, Progress};

/// A lock, because versions are taken up while turns run: another server may be newer than this one.
pub struct Protocols {
    newest: Arc<Protocol>,
    others: RwLock<BTreeMap<String, Arc<Protocol>>>,
}

/// What another program can read and write of a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    pub substate: Option<String>,
    pub body_question_count: Option<u32>,
    pub criteria: BTreeMap<String, bool>,
}

impl Protocols {
    #[must_use]
    pub fn of(newest: Protocol) -> Self {
        Self { newest: Arc::new(newest), others: RwLock::default() }
    }

    /// What new sessions follow.
    #[must_use]
    pub fn newest(&self) -> &Arc<Protocol> {
        &self.newest
    }

    pub fn take_up(&self, protocol: Protocol) {
        let hash = protocol.reference().hash.clone();
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.insert(hash, Arc::new(protocol));
    }

    /// The version that a place names.
    #[must_use]
    pub fn named(&self, place: &Place) -> Option<Arc<Protocol>> {
        if self.newest.reference() == &place.protocol {
            return Some(Arc::clone(&self.newest));
        }
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.get(&place.protocol.hash).map(Arc::clone)
    }

    /// The version that a place names, else the newest.
    #[must_use]
    pub fn version_of(&self, place: &Place) -> Arc<Protocol> {
        self.named(place).unwrap_or_else(|| Arc::clone(&self.newest))
    }

    /// What the wire shows of a place; `None` where its version is not known here.
    #[must_use]
    pub fn progress(&self, place: &Place) -> Option<Progress> {
        Some(self.named(place)?.progress(place))
    }

    /// The place as another program left it: its substate, count and criteria win over what the place remembers. A
    /// place whose version is not known here stays as it is.
    #[must_use]
    pub fn follow(&self, place: &Place, written: &Written) -> Place {
        let Some(protocol) = self.named(place) else { return place.clone() };
        let seen = protocol.progress(place);
        let mut followed = match &written.substate {
            Some(substate) if *substate != seen.substate => {
                protocol.place_for_substate(place, substate).unwrap_or_else(|| place.clone())
            }
            Some(_) | None => place.clone(),
        };
        if let Some(count) = written.body_question_count.filter(|count| *count != seen.body_question_count) {
            followed.counters.insert(protocol.head().body_counter.clone(), count);
        }
        for (name, was) in &seen.criteria {
            match written.criteria.get(name) {
                Some(true) if !was => drop(followed.flags.insert(name.clone())),
                Some(false) if *was => drop(followed.flags.remove(name)),
                Some(_) | None => {}
            }
        }
        followed
    }
}

#[cfg(test)]
mod tests {
    use super::super::TRT_STAGE_1;
    use super::*;

    fn protocols() -> Protocols {
        Protocols::of(Protocol::parse(TRT_STAGE_1).expect("sound"))
    }

    #[test]
    fn what_another_program_wrote_of_a_place_wins() {
        let protocols = protocols();
        let place = protocols.newest().start();
        let written = Written {
            substate: Some("1.2_problem_and_body".to_owned()),
            body_question_count: Some(2),
            criteria: BTreeMap::from([("goal_stated".to_owned(), true), ("unheard_of".to_owned(), true)]),
        };
        let followed = protocols.follow(&place, &written);
        let progress = protocols.progress(&followed).expect("a known version");
        assert_eq!(progress.substate, "1.2_problem_and_body");
        assert_eq!((followed.step.as_str(), progress.body_question_count), ("problem", 2));
        assert!(progress.criteria.contains(&("goal_stated".to_owned(), true)));
        assert!(!followed.flags.contains("unheard_of"));
        let back =
            Written { criteria: BTreeMap::from([("goal_stated".to_owned(), false)]), ..Written::default() };
        assert!(!protocols.follow(&followed, &back).flags.contains("goal_stated"));
    }

    #[test]
    fn what_is_written_as_it_was_changes_nothing() {
        let protocols = protocols();
        let place = protocols.newest().start();
        let progress = protocols.progress(&place).expect("a known version");
        let written = Written {
            substate: Some(progress.substate),
            body_question_count: Some(progress.body_question_count),
            criteria: progress.criteria.into_iter().collect(),
        };
        assert_eq!(protocols.follow(&place, &written), place);
        let unknown = Written { substate: Some("9.9_nowhere".to_owned()), ..Written::default() };
        assert_eq!(protocols.follow(&place, &unknown), place);
    }

    #[test]
    fn a_place_of_an_unknown_version_stays_as_it_is() {
        let protocols = protocols();
        let mut place = protocols.newest().start();
        "unknown".clone_into(&mut place.protocol.hash);
        let written = Written { body_question_count: Some(5), ..Written::default() };
        assert_eq!(protocols.follow(&place, &written), place);
        assert!(protocols.progress(&place).is_none());
    }
}
