//! What can be wrong with the safety data.

/// One thing wrong with a data file. It names places in our own files, never a person's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not TOML, or with a field that is missing or unknown.
    #[error("{file}: {problem}")]
    Unreadable { file: &'static str, problem: String },
    #[error("{file}: {place} {problem}")]
    Wrong { file: &'static str, place: String, problem: String },
}

impl Fault {
    /// Names the one of several files that cannot be read.
    pub(super) fn within(self, name: &str) -> Self {
        match self {
            Self::Unreadable { file, problem } => {
                Self::Unreadable { file, problem: format!("{name}: {problem}") }
            }
            wrong @ Self::Wrong { .. } => wrong,
        }
    }
}

/// Gathers faults, so that all of a file's are reported together.
pub(super) struct Faults {
    file: &'static str,
    found: Vec<Fault>,
}

impl Faults {
    pub(super) fn of(file: &'static str) -> Self {
        Self { file, found: Vec::new() }
    }

    pub(super) fn add(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        self.found.push(Fault::Wrong { file: self.file, place: place.into(), problem: problem.into() });
    }

    /// Keeps what went well, notes what did not.
    pub(super) fn keep<T>(&mut self, place: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.add(place, problem)).ok()
    }

    /// For a file that cannot be used without what is missing.
    pub(super) fn told(self) -> Vec<Fault> {
        self.found
    }

    pub(super) fn unless_any<T>(self, whole: T) -> Result<T, Vec<Fault>> {
        if self.found.is_empty() { Ok(whole) } else { Err(self.found) }
    }
}

pub(super) fn read_toml<T: serde::de::DeserializeOwned>(
    file: &'static str,
    source: &str,
) -> Result<T, Vec<Fault>> {
    toml::from_str(source)
        .map_err(|error| vec![Fault::Unreadable { file, problem: error.message().to_owned() }])
}
