//! Where in a protocol's file what stands, so that a fault can be looked up. Knows names and lines, nothing of meaning.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::domain::fault::Fault;

/// The first line of every table and key of a file, by the place under which faults name it: `step goal, rule told`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline(BTreeMap<String, usize>);

impl Outline {
    /// The outline of a file; empty where it cannot be read, which its parser tells.
    pub(super) fn of(source: &str) -> Self {
        let mut lines = BTreeMap::new();
        if let Ok(file) = DeTable::parse(source) {
            let mut draft = Draft { source, lines: &mut lines };
            draft.table("", file.get_ref());
        }
        Self(lines)
    }

    /// The faults, each with the line of the closest thing that its place names, in the order of the file.
    pub(super) fn place(&self, faults: Vec<Fault>) -> Vec<Fault> {
        let mut placed: Vec<Fault> =
            faults.into_iter().map(|fault| Fault { line: self.line(&fault.at), ..fault }).collect();
        placed.sort_by_key(|fault| fault.line);
        placed
    }

    fn line(&self, at: &str) -> Option<usize> {
        let mut at = at;
        loop {
            if let Some(&line) = self.0.get(at) {
                return Some(line);
            }
            at = at.rsplit_once(", ")?.0;
        }
    }
}

struct Draft<'a> {
    source: &'a str,
    lines: &'a mut BTreeMap<String, usize>,
}

impl Draft<'_> {
    fn table(&mut self, at: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let key_at = joined(at, key.get_ref());
            self.note(key_at.clone(), key.span());
            match value.get_ref() {
                DeValue::Array(tables) => {
                    for (nth, entry) in tables.iter().enumerate() {
                        self.entry(&key_at, nth, entry);
                    }
                }
                DeValue::Table(inner) => self.table(&key_at, inner),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => {}
            }
        }
    }

    /// One table of a list: it goes by its name, or else by its number.
    fn entry(&mut self, list_at: &str, nth: usize, entry: &Spanned<DeValue<'_>>) {
        let Some(table) = entry.get_ref().as_table() else { return };
        let name = table.get("name").and_then(|name| name.get_ref().as_str());
        let at = name.map_or_else(|| format!("{list_at} {}", nth + 1), |name| format!("{list_at} {name}"));
        self.note(at.clone(), entry.span());
        self.table(&at, table);
    }

    /// Of two that go by one name the later is the one too many.
    fn note(&mut self, at: String, span: Range<usize>) {
        let before = self.source.get(..span.start).unwrap_or_default();
        self.lines.insert(at, before.matches('\n').count() + 1);
    }
}

fn joined(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}, {key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "id = 'x'\nfacts = ['goal']\n\n[[step]]\nname = 'a'\n[[step.rule]]\nname = 'yes'\nto = 'b'\n\n[[step]]\nname = 'b'\n[[step.pass]]\nto = 'a'\n";

    #[test]
    fn a_place_is_found_by_the_closest_name() {
        let outline = Outline::of(FILE);
        for (at, line) in [
            ("id", 1),
            ("facts", 2),
            ("step a", 4),
            ("step a, rule yes", 6),
            ("step a, rule yes, to", 8),
            ("step a, rule no", 4),
            ("step b, pass 1", 12),
        ] {
            assert_eq!(outline.line(at), Some(line), "{at}");
        }
        assert_eq!(outline.line("step c"), None);
    }

    #[test]
    fn faults_come_in_the_order_of_the_file() {
        let faults = vec![Fault::new("step b", "late"), Fault::new("step a, rule yes", "early")];
        let placed = Outline::of(FILE).place(faults);
        assert_eq!(
            placed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["line 6, step a, rule yes: early", "line 10, step b: late"]
        );
    }
}
