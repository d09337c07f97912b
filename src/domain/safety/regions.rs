//! Where the law is stricter than whoever runs Attune is by themselves, as dated data. It only ever makes a mode stricter.

use serde::Deserialize;

use super::fault::{Fault, Faults, read_toml};
use super::mode::Mode;
use crate::domain::session::{Meta, MetaValue};
use crate::domain::time::Timestamp;

const FILE: &str = "regions";
const SHIPPED: &str = include_str!("../../../prompts/regions.toml");

/// A place, and what holds in it from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// ISO 3166-1 for a whole country, 3166-2 for a part of one.
    pub code: String,
    /// The beginning of the first day, in UTC.
    pub since: Timestamp,
    pub mode: Mode,
    /// One sentence, with the name of the law.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(default)]
    regions: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    region: String,
    since: String,
    mode: Mode,
    why: String,
}

#[derive(Debug, Clone, Default)]
pub struct Regions(Vec<Region>);

impl Regions {
    /// The rows inside of the binary.
    ///
    /// # Errors
    /// Every fault in them.
    pub fn embedded() -> Result<Self, Vec<Fault>> {
        Self::parse(SHIPPED)
    }

    /// Reads rows; every fault in them is reported.
    ///
    /// # Errors
    /// Rows whose region is no code, whose date is none, or that do not say why.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let source: Source = read_toml(FILE, source)?;
        let mut faults = Faults::of(FILE);
        let mut regions = Vec::new();
        for row in source.regions {
            if !is_code(&row.region) {
                faults.add(&row.region, "is no code of ISO 3166, like US or US-IL");
            }
            if row.why.trim().is_empty() {
                faults.add(&row.region, "does not say why");
            }
            let since = day(&row.since).ok_or_else(|| "has a first day that is none, YYYY-MM-DD".to_owned());
            if let Some(since) = faults.keep(&row.region, since) {
                regions.push(Region { code: row.region, since, mode: row.mode, why: row.why });
            }
        }
        faults.unless_any(Self(regions))
    }

    /// The strictest row that holds now for a session with these metadata.
    #[must_use]
    pub fn strictest(&self, meta: &Meta, now: Timestamp) -> Option<&Region> {
        let places = places(meta);
        let holds = |region: &&Region| {
            now >= region.since && places.iter().any(|place| is_within(place, &region.code))
        };
        self.0.iter().filter(holds).max_by_key(|region| region.mode)
    }
}

/// The places that metadata name: region, country, and a region that is written without its country behind it.
fn places(meta: &Meta) -> Vec<String> {
    let text = |name: &str| match meta.get(name) {
        Some(MetaValue::Text(text)) => Some(text.trim().replace('_', "-").to_ascii_uppercase()),
        Some(MetaValue::Flag(_) | MetaValue::Integer(_) | MetaValue::Number(_)) | None => None,
    };
    let (region, country) = (text("region"), text("country"));
    let whole = match (&region, &country) {
        (Some(region), Some(country)) => Some(format!("{country}-{region}")),
        (Some(_) | None, _) => None,
    };
    [region, country, whole].into_iter().flatten().collect()
}

/// What holds in a country holds in each part of it.
fn is_within(place: &str, code: &str) -> bool {
    place.strip_prefix(code).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// `US`, or `US-` and one to three letters or digits.
fn is_code(text: &str) -> bool {
    let (country, part) = text.split_once('-').map_or((text, None), |(country, part)| (country, Some(part)));
    let is_part = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) && part.is_none_or(is_part)
}

fn day(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{text}T00:00:00Z")).ok().filter(|day| day.date() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(pairs: &[(&str, &str)]) -> Meta {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), MetaValue::Text((*value).to_owned()));
        pairs.iter().map(text).collect()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    fn mode(regions: &Regions, pairs: &[(&str, &str)], now: &str) -> Option<Mode> {
        regions.strictest(&meta(pairs), at(now)).map(|region| region.mode)
    }

    #[test]
    fn a_law_holds_from_its_first_day_on() {
        let regions = Regions::embedded().expect("sound");
        for (region, before, first) in [
            ("US-IL", "2025-08-03T23:59:59.999999Z", "2025-08-04T00:00:00Z"),
            ("US-NV", "2025-06-30T23:59:59.999999Z", "2025-07-01T00:00:00Z"),
        ] {
            assert_eq!(mode(&regions, &[("region", region)], before), None, "{region}");
            assert_eq!(mode(&regions, &[("region", region)], first), Some(Mode::Disabled), "{region}");
        }
    }

    #[test]
    fn a_region_is_known_however_it_is_written_and_no_other_is_taken_for_it() {
        let regions = Regions::embedded().expect("sound");
        let now = "2026-01-01T00:00:00Z";
        let is = |pairs: &[(&str, &str)]| mode(&regions, pairs, now).is_some();
        assert!(is(&[("region", " us-il ")]) && is(&[("region", "US_NV")]) && is(&[("country", "US-IL")]));
        assert!(is(&[("country", "us"), ("region", "il")]));
        assert!(!is(&[]) && !is(&[("region", "IL")]) && !is(&[("country", "US")]));
        assert!(!is(&[("region", "US-I")]) && !is(&[("region", "US-ILL")]) && !is(&[("note", "US-IL")]));
        assert!(!is(&[("country", "GB"), ("region", "IL")]));
    }

    #[test]
    fn what_holds_in_a_country_holds_in_its_parts_and_the_strictest_row_counts() {
        let row = |region: &str, since: &str, mode: &str| {
            format!(
                "[[regions]]\nregion = \"{region}\"\nsince = \"{since}\"\nmode = \"{mode}\"\nwhy = \"A law.\"\n"
            )
        };
        let rows = row("XA", "2026-01-01", "supervised")
            + &row("XA-B1", "2026-02-01", "disabled")
            + &row("XA-B1", "2026-03-01", "self_help");
        let regions = Regions::parse(&rows).expect("sound");
        let part = [("region", "XA-B1")];
        assert_eq!(mode(&regions, &part, "2025-12-31T00:00:00Z"), None);
        assert_eq!(mode(&regions, &part, "2026-01-01T00:00:00Z"), Some(Mode::Supervised));
        assert_eq!(mode(&regions, &part, "2026-04-01T00:00:00Z"), Some(Mode::Disabled));
        assert_eq!(mode(&regions, &[("country", "XA")], "2026-04-01T00:00:00Z"), Some(Mode::Supervised));
    }

    #[test]
    fn a_row_with_a_fault_is_told() {
        for (region, since, mode, why) in [
            ("Illinois", "2025-08-04", "disabled", "A law."),
            ("US-IL", "2025-8-4", "disabled", "A law."),
            ("US-IL", "2025-02-30", "disabled", "A law."),
            ("US-IL", "2025-08-04", "off", "A law."),
            ("US-IL", "2025-08-04", "disabled", " "),
        ] {
            let source = format!(
                "[[regions]]\nregion = \"{region}\"\nsince = \"{since}\"\nmode = \"{mode}\"\nwhy = \"{why}\"\n"
            );
            assert!(Regions::parse(&source).is_err(), "{source}");
        }
    }

    #[test]
    fn the_strictest_mode_stands_above_the_others() {
        assert!(Mode::SelfHelp < Mode::Supervised && Mode::Supervised < Mode::Disabled);
        assert_eq!(Mode::default(), Mode::Supervised);
    }
}
