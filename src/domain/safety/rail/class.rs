//! What a reply may never say.

use serde::{Deserialize, Serialize};

/// A kind of thing that is never said. Counted by its name; the text is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// How one could hurt or kill oneself.
    Method,
    /// Naming an illness that somebody has, or has not.
    Diagnosis,
    /// What to take, or to stop taking.
    Medicine,
    /// Being a person, or a professional, or having lived.
    Human,
    /// Being needed, or loved, or better than other people.
    Dependence,
    /// That something stays secret.
    Confidentiality,
    /// That something will get well.
    Outcome,
    /// That it is not so bad, or their own doing.
    Minimising,
    /// Turning away from somebody.
    Abandoning,
    /// What the model was told, and by whom.
    Leak,
    /// What no person would write in a talk: markers of roles, markup, code, addresses.
    Machine,
}

impl Class {
    pub const ALL: [Self; 11] = [
        Self::Method,
        Self::Diagnosis,
        Self::Medicine,
        Self::Human,
        Self::Dependence,
        Self::Confidentiality,
        Self::Outcome,
        Self::Minimising,
        Self::Abandoning,
        Self::Leak,
        Self::Machine,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Diagnosis => "diagnosis",
            Self::Medicine => "medicine",
            Self::Human => "human",
            Self::Dependence => "dependence",
            Self::Confidentiality => "confidentiality",
            Self::Outcome => "outcome",
            Self::Minimising => "minimising",
            Self::Abandoning => "abandoning",
            Self::Leak => "leak",
            Self::Machine => "machine",
        }
    }
}
