//! What a person is told, again and again: that nobody here is human, and what to do in danger. When it is due, and the
//! words.
//!
//! Due at the start of a session, after a time away, after hours of use, and when the text has changed. Use is the time
//! between turns that follow each other soon; a long pause is none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::session::{Meta, MetaValue};
use super::time::Timestamp;

/// Counts up with every change of a text, so that it can be told which one somebody saw.
pub const VERSION: &str = "2";
/// The decision with which the protocol answers who asks whether this is a human.
pub const ASKED: &str = "disclose_ai";

/// Who was away so long is told again.
const AWAY: Duration = Duration::from_hours(7 * 24);
/// Who has used it for so long is told again; a minor sooner.
const USE: Duration = Duration::from_hours(3);
const USE_OF_MINORS: Duration = Duration::from_hours(1);
/// A longer pause between two turns does not count as use.
const PAUSE_MAX: Duration = Duration::from_mins(30);

const ENGLISH: &str = include_str!("../../prompts/disclosure/en.txt");
const FOR_MINORS: &str = include_str!("../../prompts/disclosure/en-minor.txt");
/// A wording in each line.
const REMINDERS: &str = include_str!("../../prompts/disclosure/reminders.en.txt");
const REMINDERS_FOR_MINORS: &str = include_str!("../../prompts/disclosure/reminders.en-minor.txt");

/// What is told, as the wire shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Disclosure {
    pub version: String,
    /// Always true: nobody here is human.
    pub ai: bool,
    pub text: String,
}

/// For whom the words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Adult,
    Minor,
}

impl Audience {
    /// `minor: true` in the metadata of a session makes it a minor's.
    #[must_use]
    pub fn of(meta: &Meta) -> Self {
        let is_minor = match meta.get("minor") {
            Some(MetaValue::Flag(is)) => *is,
            // As another program writes it into a hash.
            Some(MetaValue::Text(text)) => text.eq_ignore_ascii_case("true"),
            Some(MetaValue::Integer(_) | MetaValue::Number(_)) | None => false,
        };
        if is_minor { Self::Minor } else { Self::Adult }
    }

    #[must_use]
    pub fn disclosure(self) -> Disclosure {
        let text = match self {
            Self::Adult => ENGLISH,
            Self::Minor => FOR_MINORS,
        };
        Disclosure { version: VERSION.to_owned(), ai: true, text: text.trim().to_owned() }
    }

    fn reminders(self) -> impl Iterator<Item = &'static str> + Clone {
        let wordings = match self {
            Self::Adult => REMINDERS,
            Self::Minor => REMINDERS_FOR_MINORS,
        };
        wordings.lines().filter(|line| !line.is_empty())
    }

    fn use_max(self) -> Duration {
        match self {
            Self::Adult => USE,
            Self::Minor => USE_OF_MINORS,
        }
    }
}

/// Why it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// This session has not been told.
    Start,
    /// The text is another one than it was told.
    Changed,
    Away,
    Use,
}

/// What a session remembers of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Telling {
    /// The version that was told last; empty where none was, or where it was put off.
    pub version: String,
    /// How often it was told.
    pub count: u32,
    pub told_at: Option<Timestamp>,
    /// Milliseconds of use since.
    pub used_ms: u64,
}

impl Telling {
    /// Whether it is due in a turn at `now`, where the turn before it was `last`.
    #[must_use]
    pub fn due(&self, audience: Audience, last: Timestamp, now: Timestamp) -> Option<Due> {
        let pause = now.since(last);
        if self.count == 0 {
            Some(Due::Start)
        } else if self.version != VERSION {
            Some(Due::Changed)
        } else if pause >= AWAY {
            Some(Due::Away)
        } else {
            (self.used_with(pause) >= audience.use_max()).then_some(Due::Use)
        }
    }

    /// The words that remind in the course of a conversation: another wording each time. At its start the disclosure
    /// itself is enough.
    #[must_use]
    pub fn reminder(&self, due: Due, audience: Audience) -> Option<&'static str> {
        match due {
            Due::Start => None,
            Due::Changed | Due::Away | Due::Use => {
                audience.reminders().cycle().nth(usize::try_from(self.count % 720).unwrap_or_default())
            }
        }
    }

    /// It is told at `now`.
    pub fn tell(&mut self, now: Timestamp) {
        VERSION.clone_into(&mut self.version);
        self.count = self.count.saturating_add(1);
        self.told_at = Some(now);
        self.used_ms = 0;
    }

    /// It was due and could not be told: it stays due, also where only the time away was the reason.
    pub fn put_off(&mut self) {
        self.version.clear();
    }

    /// A turn in which it was not told.
    pub fn go_on(&mut self, last: Timestamp, now: Timestamp) {
        let used = self.used_with(now.since(last));
        self.used_ms = u64::try_from(used.as_millis()).unwrap_or(u64::MAX);
    }

    fn used_with(&self, pause: Duration) -> Duration {
        let used = if pause > PAUSE_MAX { Duration::ZERO } else { pause };
        Duration::from_millis(self.used_ms) + used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::digest::version_of;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(minutes: u32) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000).plus(MINUTE * minutes)
    }

    fn told() -> Telling {
        let mut telling = Telling::default();
        telling.tell(at(0));
        telling
    }

    #[test]
    fn a_text_that_changed_has_another_version() {
        let texts = [ENGLISH, FOR_MINORS, REMINDERS, REMINDERS_FOR_MINORS].concat();
        let known = (VERSION, "944b79272fd1b3bb");
        assert_eq!((VERSION, version_of(&texts).as_str()), known, "count VERSION up, and note both here");
    }

    #[test]
    fn it_is_due_at_the_start_after_a_week_away_and_when_the_text_is_another() {
        assert_eq!(Telling::default().due(Audience::Adult, at(0), at(0)), Some(Due::Start));
        let telling = told();
        let week = 7 * 24 * 60;
        assert_eq!(telling.due(Audience::Adult, at(0), at(week - 1)), None);
        assert_eq!(telling.due(Audience::Adult, at(0), at(week)), Some(Due::Away));
        let older = Telling { version: "1".to_owned(), ..telling };
        assert_eq!(older.due(Audience::Adult, at(0), at(1)), Some(Due::Changed));
    }

    /// Talks with so many minutes between the turns; tells the minute in which it is due.
    fn due_after(audience: Audience, every: u32) -> Option<u32> {
        let mut telling = told();
        for turn in 1..200 {
            let (last, now) = (at((turn - 1) * every), at(turn * every));
            if telling.due(audience, last, now).is_some() {
                return Some(turn * every);
            }
            telling.go_on(last, now);
        }
        None
    }

    #[test]
    fn hours_of_use_are_counted_and_long_pauses_are_none() {
        assert_eq!(due_after(Audience::Adult, 10), Some(180));
        assert_eq!(due_after(Audience::Minor, 10), Some(60));
        assert_eq!(due_after(Audience::Adult, 30), Some(180));
        assert_eq!(due_after(Audience::Minor, 31), None);
    }

    #[test]
    fn a_reminder_has_six_wordings_for_everybody_and_none_comes_twice_in_a_row() {
        for audience in [Audience::Adult, Audience::Minor] {
            assert_eq!(audience.reminders().count(), 6);
            let mut telling = told();
            let mut before = "";
            for _ in 0..20 {
                let words = telling.reminder(Due::Use, audience).expect("words");
                assert_ne!(words, before);
                assert!(words.contains("AI") || words.contains("computer"), "{words}");
                assert!(!words.contains('?') && words.chars().count() <= 120, "{words}");
                before = words;
                telling.tell(at(1));
            }
            assert_eq!(telling.reminder(Due::Start, audience), None);
        }
    }

    #[test]
    fn what_was_put_off_stays_due_until_it_is_told() {
        let week = 7 * 24 * 60;
        let mut telling = told();
        assert_eq!(telling.due(Audience::Adult, at(0), at(week)), Some(Due::Away));
        telling.put_off();
        telling.go_on(at(0), at(week));
        assert_eq!(telling.due(Audience::Adult, at(week), at(week + 1)), Some(Due::Changed));
        telling.tell(at(week + 1));
        assert_eq!(telling.due(Audience::Adult, at(week + 1), at(week + 2)), None);
        let mut untold = Telling::default();
        untold.put_off();
        assert_eq!(untold.due(Audience::Adult, at(0), at(0)), Some(Due::Start));
    }

    #[test]
    fn the_metadata_tell_a_minor() {
        let meta = |value| Meta::from([("minor".to_owned(), value)]);
        assert_eq!(Audience::of(&meta(MetaValue::Flag(true))), Audience::Minor);
        assert_eq!(Audience::of(&meta(MetaValue::Text("true".to_owned()))), Audience::Minor);
        for adult in [MetaValue::Flag(false), MetaValue::Integer(1), MetaValue::Text("no".to_owned())] {
            assert_eq!(Audience::of(&meta(adult)), Audience::Adult);
        }
        assert_ne!(Audience::Minor.disclosure().text, Audience::Adult.disclosure().text);
    }
}
