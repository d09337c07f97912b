//! What Attune tells the public about how it deals with danger: data, joined with the levels and the crisis lines as they
//! are. It says nothing of any person.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::fault::{Fault, Faults, read_toml};
use super::{Level, Resources};

const FILE: &str = "statement";
const ENGLISH: &str = include_str!("../../../prompts/safety/statement.en.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Counts up with every change.
    pub version: String,
    /// The day of the last change, `YYYY-MM-DD`.
    pub date: String,
    pub does: Vec<String>,
    pub never: Vec<String>,
    /// What detection cannot do.
    pub limits: Vec<String>,
    /// Where it stands how well detection does.
    pub figures: String,
    /// From none to crisis.
    levels: Vec<Source>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    level: Level,
    shown_by: String,
    does: String,
}

/// A level as the public is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PublicLevel {
    pub level: Level,
    pub shown_by: String,
    pub does: String,
    /// Whether everything but the crisis dialogue rests.
    pub pauses: bool,
    /// Whether a rise to it is recorded as an alert.
    pub alert: bool,
}

impl Statement {
    /// # Errors
    /// Every fault of the data inside of the binary.
    pub fn embedded() -> Result<Self, Vec<Fault>> {
        Self::parse(ENGLISH)
    }

    /// # Errors
    /// Every fault of the source.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let statement: Self = read_toml(FILE, source)?;
        let mut faults = Faults::of(FILE);
        if !statement.levels.iter().map(|entry| entry.level).eq(Level::ALL) {
            faults.add("levels", "must be each level once, from none to crisis");
        }
        let lists = [("does", &statement.does), ("never", &statement.never), ("limits", &statement.limits)];
        for (name, list) in lists {
            if list.is_empty() || list.iter().any(|line| line.trim().is_empty()) {
                faults.add(name, "is empty, or holds an empty line");
            }
        }
        if !is_day(&statement.date) || statement.version.is_empty() {
            faults.add("date", "must be a day, YYYY-MM-DD, beside a version");
        }
        faults.unless_any(statement)
    }

    pub fn levels(&self) -> impl Iterator<Item = PublicLevel> + '_ {
        self.levels.iter().map(|entry| PublicLevel {
            level: entry.level,
            shown_by: entry.shown_by.clone(),
            does: entry.does.clone(),
            pauses: entry.level.pauses(),
            alert: entry.level.pauses(),
        })
    }

    /// The same for people, as Markdown.
    #[must_use]
    pub fn page(&self, resources: &Resources, contact: Option<&str>) -> String {
        let mut page = format!(
            "# What Attune does in danger\n\nVersion {} of {}. If you are in danger, call your local emergency number, or find a \
             line at https://findahelpline.com now.\n\n| level | shown by | what happens | pauses | alert |\n|---|---|---|---|---|\n",
            self.version, self.date
        );
        let yes = |is: bool| if is { "yes" } else { "no" };
        for level in self.levels() {
            let PublicLevel { level, shown_by, does, pauses, alert } = level;
            // Writing to a string does not fail.
            let _infallible = writeln!(
                page,
                "| {} | {shown_by} | {does} | {} | {} |",
                level.as_str(),
                yes(pauses),
                yes(alert)
            );
        }
        let sections =
            [("It does", &self.does), ("It never", &self.never), ("What detection cannot do", &self.limits)];
        for (title, lines) in sections {
            let _infallible = write!(page, "\n## {title}\n\n");
            for line in lines {
                let _infallible = writeln!(page, "- {line}");
            }
        }
        let countries: Vec<&str> = resources.countries().collect();
        let _infallible = write!(
            page,
            "\nHow well detection does is told in `{}`. Crisis lines: `/api/v1/resources?country=..` for {}; an international \
             finder for every other country.\n",
            self.figures,
            countries.join(", ")
        );
        if let Some(contact) = contact {
            let _infallible = write!(page, "\nWho runs this server: {contact}\n");
        }
        page
    }
}

fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits =
        |(at, byte): (usize, &u8)| if [4, 7].contains(&at) { *byte == b'-' } else { byte.is_ascii_digit() };
    bytes.len() == 10 && bytes.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_missing_and_an_empty_list_are_told_together() {
        let broken = ENGLISH.replace("level = \"high\"", "level = \"crisis\"").replace("2026-11-21", "today");
        let faults = Statement::parse(&broken).expect_err("broken");
        assert_eq!(faults.len(), 2, "{faults:?}");
        let levels: Vec<_> = Statement::embedded().expect("sound").levels().collect();
        assert_eq!(levels.iter().filter(|level| level.pauses && level.alert).count(), 2);
    }
}
