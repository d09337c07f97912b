//! One thing wrong in a data file, and where. Files are read whole and their faults reported together.

use std::fmt;

/// `line` says where in the file, from 1, where that is known; `at` what stands there (a step, a rule, a text); `what`
/// says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    pub line: Option<usize>,
    pub at: String,
    pub what: String,
}

impl Fault {
    #[must_use]
    pub fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { line: None, at: at.into(), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{}: {}", self.at, self.what)
    }
}
