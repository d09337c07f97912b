//! What is asked of alerts: pages of them, that somebody has seen one, that a client reports a reply.
//!
//! That a level rose is written by what raises it, in the same change; nobody asks for it here.

use std::time::Duration;

use crate::domain::alert::{Acknowledgement, Alert, AlertId, AlertNote, AlertState, ReportReason};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::safety::Level;
use crate::domain::time::Timestamp;

/// When the sweep looks again at one that was acknowledged and waits for its level to be cleared.
pub(super) const LOOK_AGAIN: Duration = Duration::from_hours(24);
/// Reports that are kept of one session, dealt with or not.
pub const REPORTS_MAX: usize = 50;
/// Open alerts of one client above which a report of it is not kept. A level that rises is always kept: between two
/// clearings it can do so twice.
pub const OPEN_MAX: usize = 200;

/// In which order a page comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertOrder {
    /// Higher levels before lower ones, in each the newest first.
    Danger,
    Newest,
}

#[derive(Debug, Clone)]
pub struct AlertQuery {
    pub org: OrgId,
    pub state: Option<AlertState>,
    pub level: Option<Level>,
    pub order: AlertOrder,
    pub limit: usize,
    pub cursor: Option<AlertPlace>,
}

impl AlertQuery {
    /// As little as tells how many are open.
    pub fn count(org: OrgId) -> Self {
        let (state, level) = (Some(AlertState::Open), Some(Level::Crisis));
        Self { org, state, level, order: AlertOrder::Danger, limit: 1, cursor: None }
    }
}

/// Where a page ended. The level counts where the most danger comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertPlace {
    pub level: Level,
    pub id: AlertId,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlertPage {
    pub rows: Vec<Alert>,
    pub next: Option<AlertPlace>,
    /// All open alerts of the organisation, whatever was asked for. The embedded store counts to 10,000.
    pub open: u64,
}

#[derive(Debug, Clone)]
pub struct Acknowledge {
    pub org: OrgId,
    pub id: AlertId,
    /// Up to 80 characters.
    pub by: Option<String>,
    pub note: Option<AlertNote>,
}

impl Acknowledge {
    pub(super) fn seen_at(&self, now: Timestamp) -> Acknowledgement {
        Acknowledgement { at: now, by: self.by.clone(), note: self.note }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Acknowledged {
    Done(Alert),
    /// It was not open any more: somebody has acknowledged it, or the level was cleared. As it stands.
    Already(Alert),
    /// No such alert.
    Absent,
}

#[derive(Debug, Clone)]
pub struct Report {
    pub session: SessionKey,
    /// Counts from 1; `None` where the client means the conversation.
    pub turn: Option<u32>,
    pub reason: ReportReason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// The same turn and reason are one report, however often they are sent.
    Kept {
        alert: AlertId,
        is_new: bool,
    },
    /// There are too many already: nothing was written.
    TooMany,
    NoSuchTurn,
    /// No such session.
    Absent,
}

/// The lists, one for each state and level, out of which a page is put together, and where each is to be read from:
/// `None` is its newest.
pub(super) fn lanes(query: &AlertQuery) -> Vec<(AlertState, Level, Option<AlertId>)> {
    let states = AlertState::ALL.iter().copied().filter(|state| query.state.is_none_or(|is| is == *state));
    let levels = |state| Level::ALL.into_iter().map(move |level| (state, level));
    let wanted = states.flat_map(levels).filter(|(_, level)| query.level.is_none_or(|is| is == *level));
    let from = |(state, level)| match (&query.cursor, query.order) {
        (None, _) => Some((state, level, None)),
        (Some(at), AlertOrder::Danger) if level > at.level => None,
        (Some(at), AlertOrder::Danger) if level < at.level => Some((state, level, None)),
        (Some(at), AlertOrder::Danger | AlertOrder::Newest) => Some((state, level, Some(at.id.clone()))),
    };
    wanted.filter_map(from).collect()
}

/// What is on the page, and where the next begins. Each list brings one more than `limit` where it has them.
pub(super) fn choose(query: &AlertQuery, mut found: Vec<AlertPlace>) -> (Vec<AlertId>, Option<AlertPlace>) {
    match query.order {
        AlertOrder::Danger => found.sort_by(|a, b| (b.level, &b.id).cmp(&(a.level, &a.id))),
        AlertOrder::Newest => found.sort_by(|a, b| b.id.cmp(&a.id)),
    }
    // One that was acknowledged between two reads may be in two lists.
    found.dedup_by(|a, b| a.id == b.id);
    let has_more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| has_more).cloned();
    (found.into_iter().map(|place| place.id).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(level: Level, millis: i64) -> AlertPlace {
        AlertPlace { level, id: AlertId::new(Timestamp::from_millis(millis), 0) }
    }

    fn query(order: AlertOrder, cursor: Option<AlertPlace>) -> AlertQuery {
        AlertQuery { org: OrgId::default(), state: None, level: None, order, limit: 2, cursor }
    }

    #[test]
    fn a_page_has_its_order_and_names_the_next_where_there_is_one() {
        let all = vec![place(Level::High, 1), place(Level::Crisis, 2), place(Level::None, 3)];
        let times = |order| {
            let (ids, next) = choose(&query(order, None), all.clone());
            (ids, next.map(|next| next.level))
        };
        let id = |at: usize| all[at].id.clone();
        assert_eq!(times(AlertOrder::Newest), (vec![id(2), id(1)], Some(Level::Crisis)));
        assert_eq!(times(AlertOrder::Danger), (vec![id(1), id(0)], Some(Level::High)));
        assert_eq!(choose(&query(AlertOrder::Newest, None), vec![place(Level::High, 1)]).1, None);
    }

    #[test]
    fn behind_a_cursor_higher_levels_are_done_with() {
        let at = place(Level::High, 5);
        let lanes = lanes(&AlertQuery {
            state: Some(AlertState::Open),
            ..query(AlertOrder::Danger, Some(at.clone()))
        });
        let expected = [(Level::None, None), (Level::Elevated, None), (Level::High, Some(at.id))];
        assert_eq!(lanes, expected.map(|(level, from)| (AlertState::Open, level, from)));
    }
}
