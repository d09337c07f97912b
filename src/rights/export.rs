//! Everything that is kept of a session, read together.

use crate::audit;
use crate::domain::audit::Sealed;
use crate::domain::chat::{ChatMessage, MESSAGES_MAX};
use crate::domain::exchange::Exchange;
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::note::Note;
use crate::store::{Snapshot, Store, StoreError};

/// Turns that are read at once.
const TURNS_AT_ONCE: usize = 500;

/// What is kept of a session.
pub struct Holdings {
    pub snapshot: Snapshot,
    /// Oldest first.
    pub turns: Vec<Exchange>,
    /// Whether older turns have been dropped.
    pub trimmed: bool,
    /// Oldest first.
    pub notes: Vec<Note>,
    /// What its chat keeps: words to everybody. Those of the person are in the turns. Oldest first.
    pub messages: Vec<ChatMessage>,
    /// Who looked into it or changed it, oldest first, as far as that is sealed.
    pub accesses: Vec<Sealed>,
    /// What else stands of its line, the oldest first.
    pub line: Vec<SessionId>,
}

/// `None`: no such session.
pub async fn gather(store: &dyn Store, key: &SessionKey) -> Result<Option<Holdings>, StoreError> {
    let Some(snapshot) = store.read(key).await? else { return Ok(None) };
    let Some((turns, trimmed)) = turns(store, key).await? else { return Ok(None) };
    let notes = store.notes(key).await?.unwrap_or_default();
    let messages = store.messages(key, None, MESSAGES_MAX).await?.unwrap_or_default();
    let accesses = audit::of_session(store, key).await?;
    let line = store.line(key).await?.into_iter().map(|other| other.id).filter(|id| *id != key.id).collect();
    Ok(Some(Holdings { snapshot, turns, trimmed, notes, messages, accesses, line }))
}

/// All turns that are kept, oldest first, and whether older ones have been dropped.
async fn turns(store: &dyn Store, key: &SessionKey) -> Result<Option<(Vec<Exchange>, bool)>, StoreError> {
    let (mut turns, mut before, mut trimmed) = (Vec::new(), None, false);
    loop {
        let Some(page) = store.history(key, before, TURNS_AT_ONCE).await? else { return Ok(None) };
        trimmed |= page.trimmed;
        turns.extend(page.exchanges);
        before = page.next_before;
        if before.is_none() {
            turns.reverse();
            return Ok(Some((turns, trimmed)));
        }
    }
}
