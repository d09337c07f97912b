//! One moment in time, as it is stored and put on the wire. Reads no clock.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Microseconds since the Unix epoch. On the wire: RFC 3339 in UTC with six digits and `+00:00`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// `YYYY-MM-DD` in UTC.
    #[must_use]
    pub fn date(self) -> String {
        self.utc().format("%Y-%m-%d").to_string()
    }

    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(by)))
    }

    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(by)))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339; a time without a zone, as other programs write it, is UTC.
    ///
    /// # Errors
    /// When the text is no time.
    pub fn parse(text: &str) -> Result<Self, NotATime> {
        if let Ok(zoned) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self(zoned.timestamp_micros()));
        }
        text.parse::<NaiveDateTime>()
            .map(|naive| Self(naive.and_utc().timestamp_micros()))
            .map_err(|_| NotATime)
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The text was neither RFC 3339 nor a naive ISO 8601 time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time")]
pub struct NotATime;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::Micros, false))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_six_digits_and_an_offset_on_the_wire() {
        let moment = Timestamp::from_micros(1_760_518_523_000_001);
        assert_eq!(moment.to_string(), "2025-10-15T08:55:23.000001+00:00");
        assert_eq!(Timestamp::parse(&moment.to_string()), Ok(moment));
    }

    #[test]
    fn a_naive_time_is_read_as_utc() {
        assert_eq!(Timestamp::parse("2025-10-15T09:15:23"), Timestamp::parse("2025-10-15T09:15:23+00:00"));
        assert_eq!(Timestamp::parse("yesterday"), Err(NotATime));
    }

    #[test]
    fn since_never_goes_below_zero() {
        let (early, late) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        assert_eq!(late.since(early), Duration::from_millis(4));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
