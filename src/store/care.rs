//! The part of the store that keeps what clinicians do beside a session: notes, and whose an alert is.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::alert::{Alert, AlertId};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::note::Note;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    Kept,
    /// As many as [`NoteKind::most`](crate::domain::note::NoteKind::most) allows are there already.
    TooMany,
    /// No such session.
    Absent,
}

/// Notes go with their session.
#[async_trait]
pub trait Care: Send + Sync {
    /// Keeps a note. Safe to repeat.
    async fn note(&self, session: &SessionKey, note: Note) -> Result<Noted, StoreError>;

    /// All of a session, oldest first. `None`: no such session.
    async fn notes(&self, session: &SessionKey) -> Result<Option<Vec<Note>>, StoreError>;

    /// Says who looks after an alert, or that nobody does. `None`: no such alert.
    async fn own(
        &self,
        org: &OrgId,
        alert: &AlertId,
        owner: Option<String>,
    ) -> Result<Option<Alert>, StoreError>;
}
