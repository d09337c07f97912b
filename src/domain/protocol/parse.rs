//! TOML to [`Protocol`]: every table is read by itself, so that all faults are reported together with where they are.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::model::{Aside, Head, Notice, Part, Pass, Protocol, Rule, Spent, Step};
use super::outline::Outline;
use super::place::ProtocolRef;
use crate::domain::digest::version_of;
use crate::domain::fault::Fault;
use crate::domain::texts::Texts;

impl Protocol {
    /// Reads a protocol's file. Unknown fields are refused.
    ///
    /// # Errors
    /// All faults of the file.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let mut file: Table =
            toml::from_str(source).map_err(|error| vec![Fault::new("file", error.to_string())])?;
        let outline = Outline::of(source);
        let mut faults = Vec::new();
        let texts = own_texts(&mut file, &mut faults);
        let steps = tables(&mut file, "step", "file", &mut faults);
        let steps = steps.into_iter().enumerate().filter_map(|(n, raw)| step(raw, n, &mut faults)).collect();
        let asides = list::<Aside>(&mut file, "aside", "file", &mut faults);
        let notices = list::<Notice>(&mut file, "notice", "file", &mut faults);
        let head = read::<Head>(file, "file", &mut faults);
        match head {
            Some(head) if faults.is_empty() => {
                let reference = ProtocolRef { id: head.id.clone(), hash: version_of(source) };
                Ok(Self { reference, head, steps, asides, notices, texts, outline })
            }
            Some(_) | None => Err(outline.place(faults)),
        }
    }
}

/// The texts that the file brings along.
fn own_texts(file: &mut Table, faults: &mut Vec<Fault>) -> Texts {
    let Some(value) = file.remove("texts") else { return Texts::default() };
    Texts::of(value).unwrap_or_else(|own| {
        faults.extend(own);
        Texts::default()
    })
}

/// A step's table without the tables inside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    name: String,
    substate: String,
    purpose: String,
    decision: Option<String>,
    label: Option<String>,
    #[serde(default)]
    asks: Vec<String>,
    affirms: Option<String>,
    invites: Option<String>,
    #[serde(default)]
    counts: Vec<String>,
    #[serde(default)]
    sets: Vec<String>,
    choices: Option<String>,
    #[serde(default)]
    end: bool,
}

fn step(mut raw: Table, index: usize, faults: &mut Vec<Fault>) -> Option<Step> {
    let name = raw.get("name").and_then(Value::as_str).map(str::to_owned);
    let at = format!("step {}", name.unwrap_or_else(|| format!("no. {}", index + 1)));
    let rules = list::<Rule>(&mut raw, "rule", &at, faults);
    let passes = list::<Pass>(&mut raw, "pass", &at, faults);
    let marks = list::<Notice>(&mut raw, "mark", &at, faults);
    let mut parts = list::<Part>(&mut raw, "part", &at, faults);
    let spent = raw.remove("spent").and_then(|value| match value {
        Value::Table(table) => read::<Spent>(table, &format!("{at}, spent"), faults),
        _ => note(faults, &at, "'spent' has to be a table"),
    });
    let plain = read::<Plain>(raw, &at, faults)?;
    match (&plain.decision, parts.is_empty()) {
        (Some(decision), true) => {
            let Plain { label, asks, affirms, invites, .. } = &plain;
            parts.push(Part {
                decision: decision.clone(),
                label: label.clone(),
                asks: asks.clone(),
                affirms: affirms.clone(),
                invites: invites.clone(),
            });
        }
        (None, false) => {}
        _ => return note(faults, &at, "has either a decision with its asks, or parts"),
    }
    Some(Step {
        name: plain.name,
        substate: plain.substate,
        purpose: plain.purpose,
        parts,
        counts: plain.counts,
        sets: plain.sets,
        marks,
        choices: plain.choices,
        passes,
        rules,
        spent,
        end: plain.end,
    })
}

fn list<T: DeserializeOwned>(table: &mut Table, key: &str, at: &str, faults: &mut Vec<Fault>) -> Vec<T> {
    let tables = tables(table, key, at, faults);
    let place = |n: usize, raw: &Table| {
        let name = raw.get("name").and_then(Value::as_str).map_or_else(|| (n + 1).to_string(), str::to_owned);
        format!("{at}, {key} {name}")
    };
    tables.into_iter().enumerate().filter_map(|(n, raw)| read(raw.clone(), &place(n, &raw), faults)).collect()
}

/// Takes an array of tables out of a table.
fn tables(table: &mut Table, key: &str, at: &str, faults: &mut Vec<Fault>) -> Vec<Table> {
    let Some(value) = table.remove(key) else { return Vec::new() };
    value.try_into().unwrap_or_else(|_| {
        faults.push(Fault::new(at, format!("'{key}' has to be a list of tables")));
        Vec::new()
    })
}

fn read<T: DeserializeOwned>(table: Table, at: &str, faults: &mut Vec<Fault>) -> Option<T> {
    table.try_into().map_err(|error: toml::de::Error| faults.push(Fault::new(at, error.message()))).ok()
}

fn note<T>(faults: &mut Vec<Fault>, at: &str, what: &str) -> Option<T> {
    faults.push(Fault::new(at, what));
    None
}
