//! Reads single values out of a set of variables, and gathers what is wrong with them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

use super::{SecretBytes, VARIABLES};

/// Looks values up, falls back to the table's default, and gathers what is wrong.
pub(super) struct Reader {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) faults: Vec<String>,
}

impl Reader {
    /// The value, else the default; empty counts as unset.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let written = self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let default = VARIABLES.iter().find(|variable| variable.name == name).map(|v| v.default);
        written.or(default.filter(|default| !default.is_empty())).map(str::to_owned)
    }

    pub(super) fn fault(&mut self, name: &str, expected: &str) {
        self.faults.push(format!("{name}: expected {expected}"));
    }

    pub(super) fn parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault(name, expected);
        }
        parsed
    }

    pub(super) fn whole<T>(&mut self, name: &str, bounds: std::ops::RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let number = self.parse::<T>(name, &expected)?;
        if bounds.contains(&number) {
            return Some(number);
        }
        self.fault(name, &expected);
        None
    }

    /// Of a variable that has a default.
    pub(super) fn millis(&mut self, name: &str, bounds: std::ops::RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.whole(name, bounds).unwrap_or_default())
    }

    pub(super) fn duration(
        &mut self,
        name: &str,
        bounds: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let text = self.text(name)?;
        let duration = parse_duration(&text).filter(|duration| bounds.contains(duration));
        if duration.is_none() {
            let (least, most) = (bounds.start().as_secs(), bounds.end().as_secs());
            self.fault(name, &format!("a time from {least} to {most} seconds, like 3600, 90m or 2d"));
        }
        duration
    }

    pub(super) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.fault(name, &words.join(" or "));
        }
        chosen
    }

    pub(super) fn list<T: FromStr>(&mut self, name: &str, expected: &str) -> Vec<T> {
        let Some(text) = self.text(name) else { return Vec::new() };
        let parsed: Result<Vec<T>, _> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect();
        parsed.unwrap_or_else(|_| {
            self.fault(name, &format!("a list, separated by commas, each {expected}"));
            Vec::new()
        })
    }

    /// A text by value or by file, never both.
    pub(super) fn value_or_file(&mut self, name: &str) -> Option<SecretString> {
        let file_name = format!("{name}_FILE");
        match (self.text(name), self.text(&file_name)) {
            (Some(_), Some(_)) => {
                self.faults.push(format!("{name} and {file_name}: only one of them may be set"));
                None
            }
            (Some(value), None) => Some(value.into()),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(value) => Some(value.trim().into()),
                Err(error) => {
                    self.faults.push(format!("{file_name}: {error}"));
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// A secret by value or by file. What is wrong with it is told without it.
    pub(super) fn secret(&mut self, name: &str) -> Option<SecretBytes> {
        let secret = decode_secret(self.value_or_file(name)?.expose_secret());
        if secret.is_none() {
            self.fault(name, "32 bytes in base64, as `openssl rand -base64 32` makes them");
        }
        secret
    }
}

/// 32 bytes out of base64.
pub fn decode_secret(encoded: &str) -> Option<SecretBytes> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    Some(SecretBox::new(Box::new(bytes.try_into().ok()?)))
}

/// A number of seconds, or a number with `ms`, `s`, `m`, `h` or `d` behind it.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}
