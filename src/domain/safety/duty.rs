//! When somebody of the team is on duty, by the clock of their own place. It says who is there to read, never that
//! anybody does.

use chrono::{DateTime, Datelike as _, Timelike as _, Utc, Weekday};
use chrono_tz::Tz;

use crate::domain::time::Timestamp;

/// The hours in which somebody is on duty; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DutyHours(Vec<Shift>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shift {
    /// From Monday on.
    days: [bool; 7],
    /// Minutes of the day. Where the end is not behind the beginning, it lies in the next day.
    from: u32,
    to: u32,
    zone: Tz,
}

const DAY_MINUTES: u32 = 24 * 60;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// More than anybody writes by hand.
const SHIFTS_MAX: usize = 50;

impl DutyHours {
    /// Reads `Mon-Fri 09:00-17:00 Europe/Berlin`; several are separated by `;`, days by `,`. Hours that end before they
    /// begin run into the next day; `00:00-24:00` is a whole one.
    ///
    /// # Errors
    /// Which of the shifts cannot be read, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(';').map(str::trim).filter(|part| !part.is_empty()).collect();
        if parts.is_empty() || parts.len() > SHIFTS_MAX {
            return Err(format!("from 1 to {SHIFTS_MAX} shifts, separated by ;"));
        }
        let shift = |part: &&str| Shift::parse(part).map_err(|problem| format!("\"{part}\": {problem}"));
        parts.iter().map(shift).collect::<Result<_, _>>().map(Self)
    }

    /// Whether somebody is on duty at a moment.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        let utc = DateTime::<Utc>::from_timestamp_micros(at.micros());
        utc.is_some_and(|utc| self.0.iter().any(|shift| shift.covers(utc)))
    }
}

impl Shift {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split_whitespace();
        let (Some(days), Some(hours), Some(zone), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("days, hours and a time zone, like Mon-Fri 09:00-17:00 Europe/Berlin".to_owned());
        };
        let (from, to) = hours.split_once('-').ok_or("hours are written like 09:00-17:00")?;
        let (from, to) = (minute(from)?, minute(to)?);
        if from == to || from == DAY_MINUTES {
            return Err("the hours are empty; a whole day is 00:00-24:00".to_owned());
        }
        let zone =
            zone.parse().map_err(|_| format!("\"{zone}\" is no time zone, like Europe/Berlin or UTC"))?;
        Ok(Self { days: parse_days(days)?, from, to, zone })
    }

    fn covers(&self, utc: DateTime<Utc>) -> bool {
        let local = utc.with_timezone(&self.zone);
        let minute = local.hour() * 60 + local.minute();
        let (today, yesterday) = (self.has(local.weekday()), self.has(local.weekday().pred()));
        if self.from < self.to {
            return today && (self.from..self.to).contains(&minute);
        }
        (today && minute >= self.from) || (yesterday && minute < self.to)
    }

    fn has(&self, day: Weekday) -> bool {
        self.days.iter().zip(0..).any(|(on, number)| *on && number == day.num_days_from_monday())
    }
}

fn parse_days(text: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        days[at] = true;
        while at != last {
            at = (at + 1) % DAYS.len();
            days[at] = true;
        }
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, String> {
    let known = DAYS.iter().position(|day| day.eq_ignore_ascii_case(text));
    known.ok_or_else(|| format!("\"{text}\" is no day; days are {}", DAYS.join(" ")))
}

fn minute(text: &str) -> Result<u32, String> {
    let wrong = || format!("\"{text}\" is no time of day, like 09:00");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let is_plain = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(hour) || !is_plain(minute) {
        return Err(wrong());
    }
    let (hour, minute): (u32, u32) =
        (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    let at = hour * 60 + minute;
    if minute < 60 && at <= DAY_MINUTES { Ok(at) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    fn covers(hours: &str, time: &str) -> bool {
        DutyHours::parse(hours).expect("sound").covers(at(time))
    }

    #[test]
    fn hours_are_those_of_the_teams_own_place_in_summer_and_winter() {
        let hours = "Mon-Fri 09:00-17:00 Europe/Berlin";
        // A Monday in January, an hour ahead of UTC, and one in July, two hours ahead.
        for (time, on_duty) in [
            ("2026-01-05T07:59:59Z", false),
            ("2026-01-05T08:00:00Z", true),
            ("2026-01-05T15:59:59Z", true),
            ("2026-01-05T16:00:00Z", false),
            ("2026-07-06T07:00:00Z", true),
            ("2026-07-06T15:00:00Z", false),
            ("2026-01-04T10:00:00Z", false),
        ] {
            assert_eq!(covers(hours, time), on_duty, "{time}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let hours = "Fri 22:00-06:00 UTC; Sun 00:00-24:00 UTC";
        for (time, on_duty) in [
            ("2026-01-09T21:59:00Z", false),
            ("2026-01-09T22:00:00Z", true),
            ("2026-01-10T05:59:00Z", true),
            ("2026-01-10T06:00:00Z", false),
            ("2026-01-10T23:00:00Z", false),
            ("2026-01-11T00:00:00Z", true),
            ("2026-01-11T23:59:00Z", true),
        ] {
            assert_eq!(covers(hours, time), on_duty, "{time}");
        }
    }

    #[test]
    fn days_may_be_listed_and_run_over_the_end_of_the_week() {
        assert!(covers("Sat-Mon,wed 00:00-24:00 UTC", "2026-01-05T12:00:00Z"));
        assert!(covers("Sat-Mon,wed 00:00-24:00 UTC", "2026-01-07T12:00:00Z"));
        assert!(!covers("Sat-Mon,wed 00:00-24:00 UTC", "2026-01-06T12:00:00Z"));
    }

    #[test]
    fn without_hours_nobody_is_on_duty() {
        assert!(!DutyHours::default().covers(at("2026-01-05T12:00:00Z")));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, named) in [
            ("", "1 to 50"),
            ("always", "days, hours"),
            ("Mon-Fri 09:00-17:00", "days, hours"),
            ("Mon-Fry 09:00-17:00 UTC", "Fry"),
            ("Mon 9-17 UTC", "\"9\""),
            ("Mon 09:00-25:00 UTC", "25:00"),
            ("Mon 09:60-10:00 UTC", "09:60"),
            ("Mon 09:00-09:00 UTC", "empty"),
            ("Mon 09:00-17:00 Berlin", "Berlin"),
            ("Mon 09:00-17:00 UTC; Tue", "\"Tue\""),
        ] {
            let problem = DutyHours::parse(text).expect_err(text);
            assert!(problem.contains(named), "{text}: {problem}");
        }
    }
}
