//! The session, and its lifecycle as a state machine. Every change of status goes through [`Session::apply`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::consent::Consent;
use super::disclosure::Telling;
use super::id::{ClientKey, SessionId};
use super::protocol::Place;
use super::safety::{CrisisPlace, Level, SafetyMemory};
use super::time::Timestamp;

/// The most transitions that a session remembers; the oldest are dropped.
pub const TRANSITIONS_MAX: usize = 200;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Initializing,
    Active,
    Paused,
    Transitioning,
    Completed,
    Error,
    Expired,
}

impl Status {
    pub const ALL: [Self; 7] = [
        Self::Initializing,
        Self::Active,
        Self::Paused,
        Self::Transitioning,
        Self::Completed,
        Self::Error,
        Self::Expired,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Transitioning => "transitioning",
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Expired => "expired",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the protocol goes on in it; such a session is never at level high or crisis.
    #[must_use]
    pub const fn is_going_on(self) -> bool {
        matches!(self, Self::Initializing | Self::Active | Self::Transitioning)
    }

    /// Whether input is answered in a successor instead.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Expired | Self::Error)
    }
}

/// Who asked for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    Client,
    App,
    Clinician,
    Admin,
    /// Attune itself because of danger.
    Safety,
    /// Attune itself otherwise: the protocol, the sweep, a fault.
    System,
}

/// What can happen to a session's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    Start,
    /// Danger at high or crisis.
    Safety,
    Pause,
    /// A scene or stage begins to change.
    Change,
    /// The change is done.
    Settle,
    Complete,
    Resume,
    Expire,
    /// The session's data are at fault.
    Fault,
    /// The fault is repaired.
    Reset,
    /// A clinician clears the client's level.
    Clear,
}

/// Why the lifecycle says no. The session is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a session that is {} cannot do this", .0.as_str())]
    Status(Status),
    #[error("the safety level is {}; a clinician has to clear it first", .0.as_str())]
    Level(Level),
    #[error("somebody else paused this session")]
    PausedByAnother,
}

/// One remembered change of status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub from: Status,
    pub to: Status,
    pub at: Timestamp,
    pub why: String,
    pub by: Party,
}

/// A value of the metadata that an app attaches to a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum MetaValue {
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

pub type Meta = BTreeMap<String, MetaValue>;

/// The durable conversation of one client.
///
/// Invariant: `status.is_going_on()` never stands with a level that pauses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    /// As the app gave it. Where it gave none, the session id stands in.
    pub client_id: Option<String>,
    pub client: ClientKey,
    pub status: Status,
    /// Who paused it; `None` unless the status is paused.
    pub paused_by: Option<Party>,
    /// The session's own level. What counts is [`Session::level_under`] its client's memory.
    pub level: Level,
    /// The epoch of the client's memory in which `level` was written.
    pub safety_epoch: u64,
    /// Turns in which the level rose: their exchanges are kept until it is cleared.
    pub pins: Vec<u32>,
    pub created_at: Timestamp,
    pub last_interaction: Timestamp,
    pub completed_at: Option<Timestamp>,
    pub turn_count: u32,
    /// Counts every change by Attune that a turn in flight has to see: all but its TTL.
    pub revision: u64,
    pub ttl: Duration,
    pub place: Place,
    pub crisis: CrisisPlace,
    /// When it was told that it talks with an AI.
    #[serde(default)]
    pub telling: Telling,
    /// That its client consented to be talked with; `None` where nobody ever did.
    #[serde(default)]
    pub consent: Option<Consent>,
    pub transitions: Vec<Transition>,
    pub meta: Meta,
    /// The first session of this one's line, where this is a successor.
    pub successor_of: Option<SessionId>,
}

/// What is needed to open a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    pub id: SessionId,
    pub client_id: Option<String>,
    pub client: ClientKey,
    pub place: Place,
    pub ttl: Duration,
    pub meta: Meta,
    pub now: Timestamp,
}

impl Session {
    /// A session before its first turn, started.
    #[must_use]
    pub fn open(opening: Opening) -> Self {
        let mut session = Self {
            id: opening.id,
            client_id: opening.client_id,
            client: opening.client,
            status: Status::Initializing,
            paused_by: None,
            level: Level::None,
            safety_epoch: 0,
            pins: Vec::new(),
            created_at: opening.now,
            last_interaction: opening.now,
            completed_at: None,
            turn_count: 0,
            revision: 0,
            ttl: opening.ttl,
            place: opening.place,
            crisis: CrisisPlace::default(),
            telling: Telling::default(),
            consent: None,
            transitions: Vec::new(),
            meta: opening.meta,
            successor_of: None,
        };
        session.move_to(Status::Active, Party::System, "opened", opening.now);
        session
    }

    /// The level that counts: the higher of the session's own and its client's, where an own level from before the
    /// last clearing is void.
    #[must_use]
    pub fn level_under(&self, memory: &SafetyMemory) -> Level {
        let own = if self.safety_epoch < memory.cleared_epoch { Level::None } else { self.level };
        own.max(memory.level)
    }

    /// Whether the last reply asked about danger, so that even a bare "yes" must not be refused.
    pub fn awaits_safety_answer(&self) -> bool {
        self.crisis.awaiting.is_some()
    }

    /// Brings the session in line with its client's memory: takes over the level that counts, pauses at high and
    /// crisis, and goes on where safety had paused and the level was cleared. Does nothing twice.
    pub fn align(&mut self, memory: &SafetyMemory, now: Timestamp) {
        let cleared = self.safety_epoch < memory.cleared_epoch;
        let before = self.level;
        self.level = self.level_under(memory);
        self.safety_epoch = self.safety_epoch.max(memory.epoch);
        if self.level.pauses() && self.status.is_going_on() {
            self.pause(Party::Safety, "safety level", now);
        }
        if cleared && !self.level.pauses() {
            self.pins.clear();
            self.crisis = CrisisPlace::default();
            self.fall(before, memory.cleared_why.as_deref(), now);
        }
    }

    /// Goes on where safety had paused it. A fall by re-screens is remembered also where the status stays.
    fn fall(&mut self, before: Level, rescreened: Option<&str>, now: Timestamp) {
        let goes_on = self.status == Status::Paused && self.paused_by == Some(Party::Safety);
        match rescreened.filter(|_| goes_on || before > Level::None) {
            Some(why) => {
                let to = if goes_on { Status::Active } else { self.status };
                self.remember(to, Party::Safety, why, now);
                if goes_on {
                    self.paused_by = None;
                }
            }
            None if goes_on => self.move_to(Status::Active, Party::System, "safety level cleared", now),
            None => {}
        }
    }

    /// Applies one lifecycle event. [`Event::Clear`] acts on the client's memory and is the store's to do; here it
    /// is refused for no status and changes none.
    ///
    /// # Errors
    /// The reason for which the table has no such row; the session is unchanged then.
    pub fn apply(&mut self, event: Event, by: Party, why: &str, now: Timestamp) -> Result<Status, Refusal> {
        let to = self.target(event, by)?;
        match to {
            Status::Paused => self.pause(by, why, now),
            Status::Completed => {
                self.completed_at = Some(now);
                self.move_to(to, by, why, now);
            }
            Status::Initializing
            | Status::Active
            | Status::Transitioning
            | Status::Error
            | Status::Expired => self.move_to(to, by, why, now),
        }
        Ok(self.status)
    }

    fn target(&self, event: Event, by: Party) -> Result<Status, Refusal> {
        use Status::{Active, Completed, Error, Expired, Initializing, Paused, Transitioning};
        let no = Err(Refusal::Status(self.status));
        match (event, self.status) {
            (Event::Start, Initializing) | (Event::Settle, Transitioning) | (Event::Reset, Error) => {
                self.unless_paused_by_level(Active)
            }
            (Event::Resume, Paused) => {
                self.unless_paused_by_level(Active)?;
                if may_resume(self.paused_by, by) { Ok(Active) } else { Err(Refusal::PausedByAnother) }
            }
            (Event::Safety, Initializing | Active | Transitioning) | (Event::Pause, Active) => Ok(Paused),
            (Event::Change, Active) => Ok(Transitioning),
            (Event::Complete, Active | Paused) => Ok(Completed),
            (Event::Expire, Initializing | Active | Transitioning | Paused) => {
                self.unless_paused_by_level(Expired)
            }
            (Event::Fault, Initializing | Active | Transitioning | Paused | Error) => Ok(Error),
            // In these danger still raises the level, but the status stays.
            (Event::Safety, Paused | Completed | Error | Expired) | (Event::Clear, _) => Ok(self.status),
            (
                Event::Start
                | Event::Settle
                | Event::Reset
                | Event::Resume
                | Event::Pause
                | Event::Change
                | Event::Complete
                | Event::Expire
                | Event::Fault,
                _,
            ) => no,
        }
    }

    fn unless_paused_by_level(&self, to: Status) -> Result<Status, Refusal> {
        if self.level.pauses() { Err(Refusal::Level(self.level)) } else { Ok(to) }
    }

    fn pause(&mut self, by: Party, why: &str, now: Timestamp) {
        // Whoever paused it first stays the one who did: danger that passes must not undo a person's own pause.
        if self.status != Status::Paused {
            self.move_to(Status::Paused, by, why, now);
            self.paused_by = Some(by);
        }
    }

    fn move_to(&mut self, to: Status, by: Party, why: &str, now: Timestamp) {
        if self.status == to {
            return;
        }
        self.remember(to, by, why, now);
        self.paused_by = None;
    }

    fn remember(&mut self, to: Status, by: Party, why: &str, now: Timestamp) {
        self.transitions.push(Transition { from: self.status, to, at: now, why: why.to_owned(), by });
        let surplus = self.transitions.len().saturating_sub(TRANSITIONS_MAX);
        self.transitions.drain(..surplus);
        self.status = to;
    }
}

/// A client resumes only what it paused itself; staff resume everything; what safety paused goes on when cleared.
fn may_resume(paused_by: Option<Party>, by: Party) -> bool {
    match by {
        Party::Client => paused_by == Some(Party::Client),
        Party::App => matches!(paused_by, None | Some(Party::Client | Party::App | Party::System)),
        Party::Clinician | Party::Admin | Party::System | Party::Safety => true,
    }
}
