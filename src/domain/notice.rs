//! Notices: what was told of an open alert to people outside of Attune, over which channel, and when the next is due.
//!
//! Pure: the time and the jitter come in. A notice holds numbers, times and words of closed lists, never a text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::alert::{Alert, AlertState};
use super::time::Timestamp;

/// A way to people. The second ones are told when the first have not led to anybody's looking.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Webhook,
    Mail,
    #[serde(rename = "webhook_2")]
    SecondWebhook,
    #[serde(rename = "mail_2")]
    SecondMail,
}

impl Channel {
    pub const ALL: [Self; 4] = [Self::Webhook, Self::Mail, Self::SecondWebhook, Self::SecondMail];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Mail => "mail",
            Self::SecondWebhook => "webhook_2",
            Self::SecondMail => "mail_2",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }

    #[must_use]
    pub const fn is_second(self) -> bool {
        matches!(self, Self::SecondWebhook | Self::SecondMail)
    }
}

/// How a notice fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It is not this channel's time yet.
    Waiting,
    /// Somebody sends it, or ended while sending it: whether it arrived is not known.
    Sending,
    Delivered,
    /// It did not arrive, and is tried again under the same id.
    Failed,
}

/// The latest notice of an alert over one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Counts from 1; 0 while the channel's time has not come.
    pub number: u32,
    /// How often this one was tried.
    pub tries: u32,
    /// When it was tried last.
    pub at: Timestamp,
    /// Before this nothing is to be done about it.
    pub next: Timestamp,
    pub delivery: Delivery,
    /// When any of them last arrived.
    pub delivered_at: Option<Timestamp>,
    /// 32 hexadecimal digits that no other change has: whoever changes it names the one that stood before.
    pub stamp: String,
}

/// Whoever has begun to send a notice has so long. Longer than any channel tries.
pub const SENDING_MAX: Duration = Duration::from_secs(30);
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LONGEST: Duration = Duration::from_mins(5);
/// Doublings after which a pause is the longest in any case.
const DOUBLINGS_MAX: u32 = 16;

/// How long to wait after so many tries that failed: doubled each time, a half of it more by `jitter`, and never above
/// the longest.
#[must_use]
pub fn pause_after(tries: u32, jitter: u64) -> Duration {
    let doubled = PAUSE_FIRST * 2_u32.pow(tries.saturating_sub(1).min(DOUBLINGS_MAX));
    let pause = doubled.min(PAUSE_LONGEST);
    let half = u64::try_from(pause.as_millis() / 2).unwrap_or(0);
    (pause + Duration::from_millis(jitter % (half + 1))).min(PAUSE_LONGEST)
}

/// When notices are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// From one that arrived to the next.
    pub repeat: Duration,
    /// The age of an open alert from which on the second channels tell of it too.
    pub escalate_after: Duration,
}

/// What is to be done about an alert over one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is open no more.
    Never,
    NotBefore(Timestamp),
    Send {
        number: u32,
        tries: u32,
    },
}

impl Schedule {
    #[must_use]
    pub fn step(&self, alert: &Alert, channel: Channel, now: Timestamp) -> Step {
        if alert.state != AlertState::Open {
            return Step::Never;
        }
        let first = if channel.is_second() { alert.at.plus(self.escalate_after) } else { now };
        let last = alert.notices.get(&channel);
        let due = last.map_or(first, |last| last.next);
        let send =
            |number, tries| if due > now { Step::NotBefore(due) } else { Step::Send { number, tries } };
        match last.map(|last| (last.delivery, last)) {
            None | Some((Delivery::Waiting, _)) => send(1, 1),
            Some((Delivery::Delivered, last)) => send(last.number.saturating_add(1), 1),
            // Nobody knows whether it arrived: the same one again.
            Some((Delivery::Sending | Delivery::Failed, last)) => {
                send(last.number, last.tries.saturating_add(1))
            }
        }
    }
}

impl Notice {
    /// The channel's time has not come.
    #[must_use]
    pub fn waiting(until: Timestamp, now: Timestamp, stamp: String) -> Self {
        let delivery = Delivery::Waiting;
        Self { number: 0, tries: 0, at: now, next: until, delivery, delivered_at: None, stamp }
    }

    /// Somebody is about to send it.
    #[must_use]
    pub fn sending(last: Option<&Self>, (number, tries): (u32, u32), now: Timestamp, stamp: String) -> Self {
        let delivered_at = last.and_then(|last| last.delivered_at);
        let (next, delivery) = (now.plus(SENDING_MAX), Delivery::Sending);
        Self { number, tries, at: now, next, delivery, delivered_at, stamp }
    }

    /// It arrived.
    #[must_use]
    pub fn delivered(&self, now: Timestamp, repeat: Duration, stamp: String) -> Self {
        let (next, delivery) = (now.plus(repeat), Delivery::Delivered);
        Self { next, delivery, delivered_at: Some(now), stamp, ..self.clone() }
    }

    /// It did not.
    #[must_use]
    pub fn failed(&self, now: Timestamp, jitter: u64, stamp: String) -> Self {
        let next = now.plus(pause_after(self.tries, jitter));
        Self { next, delivery: Delivery::Failed, stamp, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{AlertId, AlertKind};
    use crate::domain::id::ClientKey;
    use crate::domain::safety::Level;

    const SCHEDULE: Schedule =
        Schedule { repeat: Duration::from_mins(10), escalate_after: Duration::from_mins(30) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn alert() -> Alert {
        Alert {
            id: AlertId::new(at(0), 1),
            kind: AlertKind::LevelRose,
            level: Level::Crisis,
            session: None,
            client: ClientKey::from_mac(b"c"),
            why: Vec::new(),
            reason: None,
            turn: None,
            at: at(0),
            state: AlertState::Open,
            acknowledged: None,
            cleared_at: None,
            owner: None,
            notices: std::collections::BTreeMap::new(),
        }
    }

    fn step_after(notice: Notice, now: Timestamp) -> Step {
        let mut alert = alert();
        alert.notices.insert(Channel::Mail, notice);
        SCHEDULE.step(&alert, Channel::Mail, now)
    }

    #[test]
    fn the_first_channels_tell_at_once_and_the_second_ones_when_nobody_has_looked_for_long() {
        for now in [at(-5), at(0), at(9_999)] {
            assert_eq!(SCHEDULE.step(&alert(), Channel::Webhook, now), Step::Send { number: 1, tries: 1 });
        }
        for second in [Channel::SecondWebhook, Channel::SecondMail] {
            assert_eq!(SCHEDULE.step(&alert(), second, at(1_799)), Step::NotBefore(at(1_800)));
            assert_eq!(SCHEDULE.step(&alert(), second, at(1_800)), Step::Send { number: 1, tries: 1 });
        }
        for state in [AlertState::Acknowledged, AlertState::Cleared] {
            let closed = Alert { state, ..alert() };
            assert_eq!(SCHEDULE.step(&closed, Channel::Webhook, at(5)), Step::Never);
        }
    }

    #[test]
    fn what_arrived_is_repeated_later_and_what_did_not_is_tried_again_as_the_same() {
        let stamp = String::new;
        let sending = Notice::sending(None, (3, 1), at(10), stamp());
        assert_eq!(step_after(sending.clone(), at(39)), Step::NotBefore(at(40)));
        assert_eq!(step_after(sending.clone(), at(40)), Step::Send { number: 3, tries: 2 });
        let delivered = sending.delivered(at(11), SCHEDULE.repeat, stamp());
        assert_eq!(step_after(delivered.clone(), at(610)), Step::NotBefore(at(611)));
        assert_eq!(step_after(delivered.clone(), at(611)), Step::Send { number: 4, tries: 1 });
        let failed = sending.failed(at(12), 0, stamp());
        assert_eq!(step_after(failed.clone(), at(12)), Step::NotBefore(at(13)));
        assert_eq!(step_after(failed, at(13)), Step::Send { number: 3, tries: 2 });
        let next = Notice::sending(Some(&delivered), (4, 1), at(611), stamp());
        assert_eq!(next.delivered_at, Some(at(11)), "the last that arrived is known while the next is sent");
        assert_eq!(step_after(Notice::waiting(at(9), at(0), stamp()), at(8)), Step::NotBefore(at(9)));
    }

    #[test]
    fn pauses_grow_from_a_second_to_five_minutes_and_are_not_the_same_for_all() {
        let secs = Duration::from_secs;
        assert_eq!(pause_after(1, 0), secs(1));
        assert_eq!(pause_after(3, 0), secs(4));
        for tries in 1..100 {
            for jitter in [0, 1, 77, 1_000_000_007, u64::MAX] {
                let pause = pause_after(tries, jitter);
                assert!(secs(1) <= pause && pause <= secs(300), "{tries} {pause:?}");
            }
        }
        assert_ne!(pause_after(5, 1), pause_after(5, 2_000));
        assert_eq!(pause_after(u32::MAX, 0), secs(300));
    }

    #[test]
    fn channels_are_written_as_they_are_named_and_read_back() {
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.as_str()), Some(channel));
            assert_eq!(serde_json::to_value(channel).expect("a word"), channel.as_str());
        }
        assert_eq!(Channel::parse("phone"), None);
    }
}
