//! Whose a session was that has gone. Kept while its client is in danger, so that who comes back under the same id is not
//! met as somebody new.

use super::draft::Draft;
use super::record::{decode_client, encode};
use super::tables::{self, key_of, value_of};
use super::writer::Writer;
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::safety::{Level, SafetyMemory};
use crate::store::StoreError;

impl Writer {
    /// The client of a gone session of this id, while that one is in danger.
    pub fn former_client(&self, key: &SessionKey) -> Result<Option<ClientKey>, StoreError> {
        let bytes = value_of(&self.tables.former, &tables::former(key))?;
        bytes.map(|bytes| decode_client(&bytes)).transpose()
    }
}

impl Draft<'_> {
    /// Notes whose a session was that is removed.
    pub fn note_former(
        &mut self,
        key: &SessionKey,
        client: &ClientKey,
        memory: &SafetyMemory,
    ) -> Result<(), StoreError> {
        if memory.level == Level::None {
            return Ok(());
        }
        let table = &self.change.tables.former;
        self.change.batch.insert(table, tables::former(key), encode(client)?);
        let entry = [tables::of_former(client), tables::session(key)].concat();
        self.change.batch.insert(table, entry, []);
        Ok(())
    }

    /// Forgets whose the gone sessions of a client were, as its level has fallen.
    pub fn forget_former(&mut self, client: &ClientKey) -> Result<(), StoreError> {
        let (table, prefix) = (&self.change.tables.former, tables::of_former(client));
        for entry in table.prefix(&prefix) {
            let entry = key_of(entry)?;
            let note = tables::former(&tables::parse_session(&entry[prefix.len()..])?);
            // Another client's session of that id may have gone since.
            let noted = value_of(table, &note)?.map(|bytes| decode_client(&bytes)).transpose()?;
            if noted.as_ref() == Some(client) {
                self.change.batch.remove(table, note);
            }
            self.change.batch.remove(table, entry);
        }
        Ok(())
    }
}
