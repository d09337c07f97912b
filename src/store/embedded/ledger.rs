//! The audit on disk: an outbox, a chain and its head for each organisation.

use std::collections::BTreeSet;

use async_trait::async_trait;
use fjall::Readable as _;

use super::EmbeddedStore;
use super::draft::Draft;
use super::reads::View;
use super::record::{decode, encode};
use super::tables::{self, key_of, pair_of, value_of};
use super::writer::Writer;
use crate::domain::audit::{Entry, Head, Sealed};
use crate::domain::id::OrgId;
use crate::store::{Ledger, StoreError};

impl View {
    fn outbox(&self, org: &OrgId, most: usize) -> Result<Vec<String>, StoreError> {
        let entries = self.disk.prefix(&self.tables.audit, tables::of_outbox(org)).take(most);
        entries.map(|entry| text(&pair_of(entry)?.1)).collect()
    }

    fn head(&self, org: &OrgId) -> Result<Head, StoreError> {
        head_of(self.value(&self.tables.audit, &tables::chain_head(org))?.as_deref())
    }

    fn chain(&self, org: &OrgId, from: u64, most: usize) -> Result<Vec<Sealed>, StoreError> {
        let places = tables::record(org, from.max(1))..=tables::record(org, u64::MAX);
        let stored = self.disk.range(&self.tables.audit, places);
        stored.take(most).map(|entry| decode(&pair_of(entry)?.1, "an audit record")).collect()
    }

    fn audited(&self) -> Result<Vec<OrgId>, StoreError> {
        let entries = self.disk.prefix(&self.tables.audit, tables::OUTBOXES);
        let heads = self.disk.prefix(&self.tables.audit, tables::HEADS);
        let waiting = entries.map(|entry| tables::org_of_outbox(&key_of(entry)?));
        let begun = heads.map(|entry| tables::org_of_head(&key_of(entry)?));
        Ok(waiting.chain(begun).collect::<Result<BTreeSet<OrgId>, _>>()?.into_iter().collect())
    }
}

impl Writer {
    fn seal(
        &mut self,
        org: &OrgId,
        before: &Head,
        sealed: &[Sealed],
        head: &Head,
    ) -> Result<bool, StoreError> {
        let table = &self.tables.audit;
        let stored = head_of(value_of(table, &tables::chain_head(org))?.as_deref())?;
        if stored.seq != before.seq || stored.mac != before.mac {
            return Ok(false);
        }
        let oldest = table.prefix(tables::of_outbox(org)).take(sealed.len());
        let oldest = oldest.map(pair_of).collect::<Result<Vec<_>, _>>()?;
        let is_same =
            |((_, entry), sealed): (&(_, fjall::UserValue), &Sealed)| **entry == *sealed.entry.as_bytes();
        if oldest.len() != sealed.len() || !oldest.iter().zip(sealed).all(is_same) {
            return Ok(false);
        }
        self.change(|draft| {
            let table = &draft.change.tables.audit;
            for (key, _) in oldest {
                draft.change.batch.remove(table, key);
            }
            for sealed in sealed {
                draft.change.batch.insert(table, tables::record(org, sealed.seq), encode(sealed)?);
            }
            draft.change.batch.insert(table, tables::chain_head(org), encode(head)?);
            Ok(true)
        })
    }
}

impl Draft<'_> {
    /// Enters what the audit is to know, in the same step as what is done.
    pub fn enter(&mut self, org: &OrgId, entry: &Entry) -> Result<(), StoreError> {
        self.change.enter(org, entry)
    }
}

#[async_trait]
impl Ledger for EmbeddedStore {
    async fn enter(&self, org: &OrgId, entry: Entry) -> Result<(), StoreError> {
        let org = org.clone();
        self.channel()?.ask(move |writer| writer.change(|draft| draft.enter(&org, &entry))).await
    }

    async fn audited(&self) -> Result<Vec<OrgId>, StoreError> {
        self.read_off_thread(View::audited).await
    }

    async fn outbox(&self, org: &OrgId, most: usize) -> Result<Vec<String>, StoreError> {
        let org = org.clone();
        self.read_off_thread(move |view| view.outbox(&org, most)).await
    }

    async fn head(&self, org: &OrgId) -> Result<Head, StoreError> {
        let org = org.clone();
        self.read_off_thread(move |view| view.head(&org)).await
    }

    async fn seal(
        &self,
        org: &OrgId,
        before: &Head,
        sealed: Vec<Sealed>,
        head: Head,
    ) -> Result<bool, StoreError> {
        let (org, before) = (org.clone(), before.clone());
        self.channel()?.ask(move |writer| writer.seal(&org, &before, &sealed, &head)).await
    }

    async fn chain(&self, org: &OrgId, from: u64, most: usize) -> Result<Vec<Sealed>, StoreError> {
        let org = org.clone();
        self.read_off_thread(move |view| view.chain(&org, from, most)).await
    }
}

fn head_of(bytes: Option<&[u8]>) -> Result<Head, StoreError> {
    bytes.map_or_else(|| Ok(Head::default()), |bytes| decode(bytes, "the audit's head"))
}

fn text(bytes: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| StoreError::Corrupt("an audit entry that is no text".to_owned()))
}
