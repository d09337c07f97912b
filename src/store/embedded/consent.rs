//! What a client consented to: given, withdrawn, looked at.

use std::sync::Arc;

use super::record::Record;
use super::writer::Writer;
use crate::domain::consent::ConsentChange;
use crate::domain::id::SessionKey;
use crate::store::{Consented, StoreError};

impl Writer {
    pub fn consent(&mut self, key: &SessionKey, change: &ConsentChange) -> Result<Consented, StoreError> {
        let now = self.clock.now();
        let line = self.line(key)?;
        let mut sessions = Vec::new();
        let mut changed = Vec::new();
        for (key, record) in line {
            let mut new = record.clone();
            let session = Arc::make_mut(&mut new.session);
            if change.apply(session, now) {
                session.revision += 1;
                changed.push((key, record, new.clone()));
            }
            sessions.push(new.session);
        }
        self.put_all(changed)?;
        Ok(Consented::of(&key.id, &sessions))
    }

    fn put_all(&mut self, changed: Vec<(SessionKey, Record, Record)>) -> Result<(), StoreError> {
        if changed.is_empty() {
            return Ok(());
        }
        self.change(|draft| {
            for (key, old, new) in changed {
                draft.change.tell_status(&key, None, new.session.status)?;
                draft.put(&key, Some(&old), new)?;
            }
            Ok(())
        })
    }
}
