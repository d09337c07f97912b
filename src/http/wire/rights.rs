//! An export on the wire. Its schema is published as `docs/export.schema.json`.

use serde::Serialize;
use utoipa::ToSchema;

use super::SessionBody;
use super::audit::RecordBody;
use super::care::NoteBody;
use crate::domain::audit::Sealed;
use crate::domain::consent::Consent;
use crate::domain::exchange::Exchange;
use crate::domain::note::Note;
use crate::domain::time::Timestamp;
use crate::store::Snapshot;
use crate::turn::{Knowledge, Storage};

/// Another one where a member changes its meaning or goes.
const FORMAT: &str = "attune-export-1";

/// What is kept of a session beside its state.
pub struct Kept {
    pub at: Timestamp,
    pub turns: Vec<Exchange>,
    pub trimmed: bool,
    pub notes: Vec<Note>,
    pub accesses: Vec<Sealed>,
    pub storage: Storage,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportBody {
    /// `attune-export-1`.
    pub format: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub exported_at: Timestamp,
    /// As the app named the person, where it did.
    pub client_id: Option<String>,
    pub session: SessionBody,
    /// What was said and decided, oldest first.
    pub turns: Vec<Exchange>,
    /// Whether older turns have been dropped.
    pub turns_trimmed: bool,
    pub consent: Option<Consent>,
    pub disclosure: DisclosureBody,
    /// What clinicians wrote down.
    pub notes: Vec<NoteBody>,
    /// Who looked into the session or changed it, oldest first, from the audit.
    pub accesses: Vec<RecordBody>,
}

/// That an AI answers, as it was told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DisclosureTold)]
pub struct DisclosureBody {
    /// Null where it was not told yet.
    pub version: Option<String>,
    pub times_told: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_told_at: Option<Timestamp>,
}

impl ExportBody {
    pub fn of(snapshot: &Snapshot, knowledge: &Knowledge, kept: Kept) -> Self {
        let session = &snapshot.session;
        let telling = &session.telling;
        Self {
            format: FORMAT,
            exported_at: kept.at,
            client_id: session.client_id.clone(),
            session: SessionBody::of(snapshot, knowledge, kept.storage),
            turns: kept.turns,
            turns_trimmed: kept.trimmed,
            consent: session.consent.clone(),
            disclosure: DisclosureBody {
                version: Some(telling.version.clone()).filter(|version| !version.is_empty()),
                times_told: telling.count,
                last_told_at: telling.told_at,
            },
            notes: kept.notes.iter().map(NoteBody::of).collect(),
            accesses: kept.accesses.iter().map(RecordBody::of).collect(),
        }
    }
}
