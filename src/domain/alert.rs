//! Alerts: that a client's level rose to one that pauses, or that a client reports a reply. Records for the people who
//! look after the clients: each is open until somebody has acknowledged it, or the level was cleared. One that tells of a
//! level stands as long as that does.
//!
//! An alert holds ids of rules and words of closed lists, never a text of a person.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::{ClientKey, SessionId};
use super::notice::{Channel, Notice};
use super::safety::{Level, SafetyMemory};
use super::time::Timestamp;

/// Digits of the moment, in microseconds since 1970, with which an id begins: in the order of their ids, alerts are in
/// the order of their times.
const MOMENT_DIGITS: usize = 16;
const MOMENT_MAX: i64 = 9_999_999_999_999_999;

/// The id of an alert: 16 digits, a hyphen, 32 lower-case hexadecimal digits that nobody can guess.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlertId(String);

impl AlertId {
    #[must_use]
    pub fn new(at: Timestamp, random: u128) -> Self {
        Self(format!("{:016}-{random:032x}", at.micros().clamp(0, MOMENT_MAX)))
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (moment, random) = text.split_once('-')?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let fits = moment.len() == MOMENT_DIGITS
            && moment.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == 32
            && random.bytes().all(is_hex);
        fits.then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AlertId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no id of an alert")
    }
}

impl From<AlertId> for String {
    fn from(id: AlertId) -> Self {
        id.0
    }
}

/// A closed list with a name on the wire for each of its words.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }
    };
}

named! {
    /// What an alert tells.
    AlertKind {
        /// A client's level rose to high or crisis.
        LevelRose = "level_rose",
        /// A client reports what was said to it.
        Report = "report",
    }
}

named! {
    /// What has become of an alert.
    AlertState {
        Open = "open",
        /// Somebody has seen it.
        Acknowledged = "acknowledged",
        /// The level that it tells of was cleared.
        Cleared = "cleared",
    }
}

named! {
    /// What a client says is wrong with a reply.
    ReportReason {
        Harmful = "harmful",
        Wrong = "wrong",
        Rude = "rude",
        Privacy = "privacy",
        Other = "other",
    }
}

named! {
    /// What whoever acknowledges an alert says about it.
    AlertNote {
        Contacted = "contacted",
        EmergencyServices = "emergency_services",
        HandedOver = "handed_over",
        FalseAlarm = "false_alarm",
        Reviewed = "reviewed",
    }
}

/// Who has seen an alert, when, and what they say about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub at: Timestamp,
    /// A name, as whoever called gave it.
    pub by: Option<String>,
    pub note: Option<AlertNote>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub id: AlertId,
    pub kind: AlertKind,
    /// The level to which it rose; of a report, the one that counted then.
    pub level: Level,
    /// `None` once the session has gone: the alert outlives it, and does not name it.
    pub session: Option<SessionId>,
    pub client: ClientKey,
    /// Ids of the rules that raised the level; never any text.
    pub why: Vec<String>,
    /// Of a report alone.
    pub reason: Option<ReportReason>,
    /// The turn that is reported, where one was named.
    pub turn: Option<u32>,
    pub at: Timestamp,
    pub state: AlertState,
    pub acknowledged: Option<Acknowledgement>,
    pub cleared_at: Option<Timestamp>,
    /// The clinician who looks after it.
    #[serde(default)]
    pub owner: Option<String>,
    /// What people outside of Attune were told of it.
    #[serde(default)]
    pub notices: BTreeMap<Channel, Notice>,
}

impl Alert {
    /// False where it is not open any more; it is unchanged then.
    pub fn acknowledge(&mut self, acknowledgement: Acknowledgement) -> bool {
        if self.state != AlertState::Open {
            return false;
        }
        self.state = AlertState::Acknowledged;
        self.acknowledged = Some(acknowledgement);
        true
    }

    /// The client's level was cleared. A report is about something else, and stays.
    pub fn clear(&mut self, at: Timestamp) -> bool {
        if self.kind != AlertKind::LevelRose || self.state == AlertState::Cleared {
            return false;
        }
        self.state = AlertState::Cleared;
        self.cleared_at = Some(at);
        true
    }

    /// Its session is gone: what names it goes too.
    pub fn forget_session(&mut self) {
        self.session = None;
        self.turn = None;
    }

    /// When somebody last closed it, as seen or as cleared; `None` while it is open.
    #[must_use]
    pub fn closed_at(&self) -> Option<Timestamp> {
        let acknowledged = self.acknowledged.as_ref().map(|acknowledged| acknowledged.at);
        acknowledged.max(self.cleared_at)
    }

    /// From when on it is a record alone. A report is as soon as it was acknowledged. That a level rose is once the
    /// level was cleared: `None` while it stands in its client's `memory`, seen or not.
    ///
    /// A level is cleared in a session of its client. Where the client has none any more, nothing is waited for.
    #[must_use]
    pub fn dealt_with_at(&self, memory: &SafetyMemory, has_session: bool) -> Option<Timestamp> {
        let closed = self.closed_at()?;
        if self.kind == AlertKind::Report || self.state == AlertState::Cleared {
            return Some(closed);
        }
        let fell_at = memory.cleared_at.filter(|cleared| *cleared > self.at);
        let stands = memory.level.pauses() && fell_at.is_none();
        (!stands || !has_session).then(|| fell_at.map_or(closed, |fell| closed.max(fell)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(kind: AlertKind) -> Alert {
        Alert {
            id: AlertId::new(Timestamp::from_millis(7), 1),
            kind,
            level: Level::High,
            session: SessionId::parse("s").ok(),
            client: ClientKey::from_mac(b"c"),
            why: Vec::new(),
            reason: None,
            turn: Some(3),
            at: Timestamp::from_millis(7),
            state: AlertState::Open,
            acknowledged: None,
            cleared_at: None,
            owner: None,
            notices: BTreeMap::new(),
        }
    }

    fn seen(millis: i64) -> Acknowledgement {
        Acknowledgement { at: Timestamp::from_millis(millis), by: None, note: None }
    }

    #[test]
    fn ids_are_in_the_order_of_their_times_and_read_back() {
        let early = AlertId::new(Timestamp::from_millis(9), u128::MAX);
        let late = AlertId::new(Timestamp::from_millis(1_790_000_000_000), 0);
        assert!(early < late);
        for id in [early, late, AlertId::new(Timestamp::from_millis(-5), 3)] {
            assert_eq!(AlertId::parse(id.as_str()), Some(id));
        }
        for bad in ["", "7", "0000000000000007-", "0000000000000007-0000000000000000000000000000000G"] {
            assert_eq!(AlertId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_acknowledged_once_and_cleared_afterwards_with_the_level() {
        let mut rose = alert(AlertKind::LevelRose);
        assert_eq!(rose.closed_at(), None);
        assert!(rose.acknowledge(seen(8)) && !rose.acknowledge(seen(9)));
        assert_eq!(rose.closed_at(), Some(Timestamp::from_millis(8)));
        assert!(rose.clear(Timestamp::from_millis(10)) && !rose.clear(Timestamp::from_millis(11)));
        assert_eq!((rose.state, rose.closed_at()), (AlertState::Cleared, Some(Timestamp::from_millis(10))));
    }

    #[test]
    fn a_rise_is_dealt_with_once_its_level_was_cleared_and_a_report_once_it_was_seen() {
        let at = |millis| Some(Timestamp::from_millis(millis));
        let (mut rose, mut report) = (alert(AlertKind::LevelRose), alert(AlertKind::Report));
        let mut stands = SafetyMemory::default();
        stands.raise(Level::High, &[], rose.at);
        for alert in [&mut rose, &mut report] {
            assert_eq!(alert.dealt_with_at(&stands, true), None, "nobody has seen it");
            assert!(alert.acknowledge(seen(20)));
        }
        assert_eq!(report.dealt_with_at(&stands, true), at(20));
        assert_eq!(rose.dealt_with_at(&stands, true), None);
        assert_eq!(rose.dealt_with_at(&stands, false), at(20), "nobody can clear it any more");
        assert_eq!(rose.dealt_with_at(&SafetyMemory::default(), true), at(20), "its memory is gone");
        // Cleared without the alert: what has risen since is told of by another.
        for (cleared, expected) in [(15, 20), (25, 25)] {
            let mut memory = stands.clone();
            memory.clear(Timestamp::from_millis(cleared));
            assert_eq!(rose.dealt_with_at(&memory, true), at(expected));
            memory.raise(Level::High, &[], Timestamp::from_millis(30));
            assert_eq!(rose.dealt_with_at(&memory, true), at(expected));
        }
        assert!(rose.clear(Timestamp::from_millis(40)));
        assert_eq!(rose.dealt_with_at(&stands, true), at(40));
    }

    #[test]
    fn a_report_is_not_closed_by_a_clearing() {
        let mut report = alert(AlertKind::Report);
        assert!(!report.clear(Timestamp::from_millis(9)));
        assert_eq!(report.state, AlertState::Open);
    }

    fn written(word: impl Serialize) -> String {
        serde_json::to_value(word).expect("a word").as_str().expect("a text").to_owned()
    }

    #[test]
    fn every_word_of_the_closed_lists_is_written_as_it_is_named_and_reads_back() {
        for note in AlertNote::ALL {
            assert_eq!(
                (AlertNote::parse(note.as_str()), written(note)),
                (Some(*note), note.as_str().to_owned())
            );
        }
        for kind in AlertKind::ALL {
            assert_eq!(
                (AlertKind::parse(kind.as_str()), written(kind)),
                (Some(*kind), kind.as_str().to_owned())
            );
        }
        for state in AlertState::ALL {
            let name = state.as_str().to_owned();
            assert_eq!((AlertState::parse(&name), written(state)), (Some(*state), name.clone()));
        }
        for reason in ReportReason::ALL {
            let name = reason.as_str().to_owned();
            assert_eq!((ReportReason::parse(&name), written(reason)), (Some(*reason), name.clone()));
        }
    }
}
