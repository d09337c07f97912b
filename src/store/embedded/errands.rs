//! Leads and marks of a single server. Leads are in memory only: who had one ended with the process.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::EmbeddedStore;
use super::reads::View;
use super::writer::Writer;
use crate::domain::time::Timestamp;
use crate::store::{Errands, StoreError};

/// Who leads in which role, and until when.
pub(super) type Leads = parking_lot::Mutex<BTreeMap<String, (String, Timestamp)>>;

impl View {
    fn mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        let bytes = self.value(&self.tables.marks, name.as_bytes())?;
        let text = bytes.map(|bytes| String::from_utf8(bytes.to_vec()));
        text.transpose().map_err(|_| StoreError::Corrupt("a mark that is no text".to_owned()))
    }
}

impl Writer {
    fn set_mark(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        self.change(|draft| {
            draft.change.batch.insert(&draft.change.tables.marks, name.as_bytes(), value.as_bytes());
            Ok(())
        })
    }
}

#[async_trait]
impl Errands for EmbeddedStore {
    async fn lead(&self, role: &str, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        drop(self.channel()?);
        let now = self.clock.now();
        let mut leads = self.leads.lock();
        if leads.get(role).is_some_and(|(leader, until)| leader != holder && *until > now) {
            return Ok(false);
        }
        leads.insert(role.to_owned(), (holder.to_owned(), now.plus(lasts)));
        Ok(true)
    }

    async fn yield_lead(&self, role: &str, holder: &str) -> Result<(), StoreError> {
        let mut leads = self.leads.lock();
        if leads.get(role).is_some_and(|(leader, _)| leader == holder) {
            leads.remove(role);
        }
        Ok(())
    }

    async fn mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read_off_thread(move |view| view.mark(&name)).await
    }

    async fn set_mark(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.channel()?.ask(move |writer| writer.set_mark(&name, &value)).await
    }
}
