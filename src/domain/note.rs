//! What clinicians write down beside a session, for each other. The client's app never shows it; an export holds it.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Characters of a note.
pub const NOTE_MAX_CHARS: usize = 1_000;
/// Notes of a session.
pub const NOTES_MAX: usize = 100;
/// Notes of a session above which a clearing is not kept: far above the others, for a level must not stay for want of room.
const CLEARINGS_MAX: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// 32 hexadecimal digits: the same note told twice is one.
    pub id: String,
    pub at: Timestamp,
    /// The clinician's name.
    pub by: String,
    pub kind: NoteKind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    Note,
    /// Why a level was cleared.
    Cleared,
}

impl NoteKind {
    /// How many notes a session may have for one more of this kind.
    #[must_use]
    pub const fn most(self) -> usize {
        match self {
            Self::Note => NOTES_MAX,
            Self::Cleared => CLEARINGS_MAX,
        }
    }
}
