//! What clinicians do beside reading, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::note::{Note, NoteKind};
use crate::domain::session::Status;
use crate::domain::time::Timestamp;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Clear)]
pub struct ClearBody {
    /// Why the level may fall, for other clinicians.
    #[schema(min_length = 1, max_length = 1_000)]
    pub reason: String,
    /// The `basis` with which the session was read: what was decided on.
    pub basis: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cleared)]
pub struct ClearedBody {
    pub session_id: String,
    pub status: Status,
    /// False where there was no level to clear.
    pub cleared: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WriteNote)]
pub struct WriteNoteBody {
    #[schema(min_length = 1, max_length = 1_000)]
    pub text: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Note)]
pub struct NoteBody {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub by: String,
    pub kind: NoteKind,
    pub text: String,
}

impl NoteBody {
    pub fn of(note: &Note) -> Self {
        Self { at: note.at, by: note.by.clone(), kind: note.kind, text: note.text.clone() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notes)]
pub struct NotesBody {
    pub notes: Vec<NoteBody>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Own)]
pub struct OwnBody {
    /// Nobody looks after it any more.
    #[serde(default)]
    pub release: bool,
}
