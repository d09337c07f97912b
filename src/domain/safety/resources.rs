//! Crisis lines by country, as data. Somebody is always named: where a country is unknown, the finder is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::{Fault, Faults, read_toml};

const FILE: &str = "resources";

/// A place where people in danger are listened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    pub name: String,
    /// The number to call.
    #[serde(default)]
    pub call: Option<String>,
    /// The number to text, or what to text where.
    #[serde(default)]
    pub text: Option<String>,
    /// The page on which one can write.
    #[serde(default)]
    pub chat: Option<String>,
    pub hours: String,
    /// ISO 3166 code, or `international`.
    #[serde(default)]
    pub country: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    countries: Vec<Country>,
    finder: Country,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Country {
    code: String,
    /// What to call when life is in danger.
    emergency: String,
    /// How a reply names the first line, as an invitation: "call ...".
    line: String,
    /// The month in which somebody last checked the lines, `YYYY-MM`; none where nobody has.
    checked: Option<String>,
    resources: Vec<Resource>,
}

/// The lines of every country we know, and the finder for the rest.
#[derive(Debug, Clone)]
pub struct Resources {
    countries: BTreeMap<String, Country>,
    finder: Country,
}

impl Resources {
    /// The lines inside of the binary; every fault in them is reported.
    pub fn embedded() -> Result<Self, Vec<Fault>> {
        Self::parse(include_str!("../../../prompts/safety/resources.toml"))
    }

    /// Reads the lines; every fault in them is reported.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let source: Source = read_toml(FILE, source)?;
        let mut faults = Faults::of(FILE);
        let finder = named(source.finder, &[], &mut faults);
        let mut countries = BTreeMap::new();
        for country in source.countries {
            let country = named(country, &finder.resources, &mut faults);
            if let Some(twice) = countries.insert(country.code.clone(), country) {
                faults.add(twice.code, "is listed twice");
            }
        }
        faults.unless_any(Self { countries, finder })
    }

    /// The lines for a country by its two-letter code, in any case, and behind them the finder; the finder alone for
    /// all else. Never empty.
    #[must_use]
    pub fn for_country(&self, country: Option<&str>) -> &[Resource] {
        &self.entry(country).resources
    }

    /// The emergency number, as a reply names it.
    #[must_use]
    pub fn emergency(&self, country: Option<&str>) -> &str {
        &self.entry(country).emergency
    }

    /// How a reply invites to use the first line.
    #[must_use]
    pub fn line(&self, country: Option<&str>) -> &str {
        &self.entry(country).line
    }

    /// The codes of the countries that have lines of their own.
    pub fn countries(&self) -> impl Iterator<Item = &str> {
        self.countries.keys().map(String::as_str)
    }

    /// The codes of the entries that nobody has noted a check of.
    pub fn unchecked(&self) -> impl Iterator<Item = &str> {
        let all = self.countries.values().chain([&self.finder]);
        all.filter(|country| country.checked.is_none()).map(|country| country.code.as_str())
    }

    fn entry(&self, country: Option<&str>) -> &Country {
        country.and_then(|code| self.countries.get(&code_of(code))).unwrap_or(&self.finder)
    }

    /// Whether a country has lines of its own.
    #[must_use]
    pub fn knows(&self, country: &str) -> bool {
        self.countries.contains_key(&code_of(country))
    }
}

/// In capitals; what many call the country whose code is GB.
fn code_of(country: &str) -> String {
    let code = country.trim().to_ascii_uppercase();
    if code == "UK" { "GB".to_owned() } else { code }
}

/// Checks an entry, writes its code into its lines, and puts the finder's behind them.
fn named(mut country: Country, finder: &[Resource], faults: &mut Faults) -> Country {
    for resource in &mut country.resources {
        resource.country.clone_from(&country.code);
        if resource.call.is_none() && resource.text.is_none() && resource.chat.is_none() {
            faults.add(&resource.name, "can be reached in no way");
        }
    }
    if country.resources.is_empty() || country.emergency.is_empty() || country.line.is_empty() {
        faults.add(&country.code, "lacks lines or an emergency number");
    }
    if country.checked.as_deref().is_some_and(|checked| !is_month(checked)) {
        faults.add(&country.code, "has a last check that is no month, YYYY-MM");
    }
    country.resources.extend_from_slice(finder);
    country
}

fn is_month(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 7
        && bytes[4] == b'-'
        && bytes.iter().enumerate().all(|(at, byte)| at == 4 || byte.is_ascii_digit())
}
