//! Clinicians on disk, by name.

use async_trait::async_trait;
use fjall::Readable as _;
use serde::{Deserialize, Serialize};

use super::EmbeddedStore;
use super::reads::View;
use super::record::{decode, encode};
use super::tables::{self, pair_of, value_of};
use super::writer::Writer;
use crate::access::PasswordHash;
use crate::domain::id::{ClinicianName, OrgId};
use crate::domain::time::Timestamp;
use crate::store::{Attempt, Clinician, Clinicians, Holder, LOCKED_FOR, StoreError, TRIES_MAX};

/// A clinician as it lies on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    clinician: Clinician,
    /// That failed in a row.
    tries: u32,
    locked_until: Option<Timestamp>,
}

impl Kept {
    fn of(clinician: Clinician) -> Self {
        Self { clinician, tries: 0, locked_until: None }
    }

    fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        decode(bytes, "a clinician")
    }
}

impl View {
    fn clinicians(&self, org: &OrgId) -> Result<Vec<Clinician>, StoreError> {
        let entries = self.disk.prefix(&self.tables.credentials, tables::of_clinicians(org));
        entries.map(|entry| Ok(Kept::read(&pair_of(entry)?.1)?.clinician)).collect()
    }
}

impl Writer {
    pub fn has_clinician(&self, org: &OrgId, name: &ClinicianName) -> Result<bool, StoreError> {
        Ok(self.clinician(org, name)?.is_some())
    }

    fn clinician(&self, org: &OrgId, name: &ClinicianName) -> Result<Option<Kept>, StoreError> {
        let bytes = value_of(&self.tables.credentials, &tables::clinician(org, name))?;
        bytes.map(|bytes| Kept::read(&bytes)).transpose()
    }

    fn put_clinician(&mut self, kept: &Kept) -> Result<(), StoreError> {
        let key = tables::clinician(&kept.clinician.org, &kept.clinician.name);
        self.change(|draft| {
            draft.change.batch.insert(&draft.change.tables.credentials, key, encode(kept)?);
            Ok(())
        })
    }

    fn add_clinician(&mut self, clinician: Clinician) -> Result<bool, StoreError> {
        if let Some(known) = self.clinician(&clinician.org, &clinician.name)? {
            return Ok(known.clinician == clinician);
        }
        self.put_clinician(&Kept::of(clinician))?;
        Ok(true)
    }

    fn set_password(
        &mut self,
        org: &OrgId,
        name: &ClinicianName,
        password: PasswordHash,
    ) -> Result<bool, StoreError> {
        let Some(known) = self.clinician(org, name)? else { return Ok(false) };
        let (now, holder) = (self.clock.now(), Holder::Clinician(org.clone(), name.clone()));
        let changed = encode(&Kept::of(Clinician { password, ..known.clinician }))?;
        self.change(|draft| {
            let table = &draft.change.tables.credentials;
            draft.change.batch.insert(table, tables::clinician(org, name), changed);
            draft.revoke(&holder, None, now)
        })?;
        Ok(true)
    }

    fn remove_clinician(&mut self, org: &OrgId, name: &ClinicianName) -> Result<bool, StoreError> {
        let is_there = self.has_clinician(org, name)?;
        let (now, holder) = (self.clock.now(), Holder::Clinician(org.clone(), name.clone()));
        self.change(|draft| {
            let table = &draft.change.tables.credentials;
            draft.change.batch.remove(table, tables::clinician(org, name));
            draft.revoke(&holder, None, now)
        })?;
        Ok(is_there)
    }

    fn attempt(&mut self, org: &OrgId, name: &ClinicianName) -> Result<Attempt, StoreError> {
        let now = self.clock.now();
        let Some(known) = self.clinician(org, name)? else { return Ok(Attempt::Unknown) };
        if known.locked_until.is_some_and(|until| now < until) {
            return Ok(Attempt::Locked);
        }
        let is_last = known.tries + 1 >= TRIES_MAX;
        let counted = Kept {
            tries: if is_last { 0 } else { known.tries + 1 },
            locked_until: is_last.then(|| now.plus(LOCKED_FOR)),
            clinician: known.clinician.clone(),
        };
        self.put_clinician(&counted)?;
        Ok(Attempt::Open(Box::new(known.clinician)))
    }

    fn admit_clinician(&mut self, org: &OrgId, name: &ClinicianName) -> Result<(), StoreError> {
        match self.clinician(org, name)? {
            Some(known) => self.put_clinician(&Kept::of(known.clinician)),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Clinicians for EmbeddedStore {
    async fn add_clinician(&self, clinician: Clinician) -> Result<bool, StoreError> {
        self.channel()?.ask(move |writer| writer.add_clinician(clinician)).await
    }

    async fn set_password(
        &self,
        org: &OrgId,
        name: &ClinicianName,
        password: PasswordHash,
    ) -> Result<bool, StoreError> {
        let (org, name) = (org.clone(), name.clone());
        self.channel()?.ask(move |writer| writer.set_password(&org, &name, password)).await
    }

    async fn remove_clinician(&self, org: &OrgId, name: &ClinicianName) -> Result<bool, StoreError> {
        let (org, name) = (org.clone(), name.clone());
        self.channel()?.ask(move |writer| writer.remove_clinician(&org, &name)).await
    }

    async fn clinicians(&self, org: &OrgId) -> Result<Vec<Clinician>, StoreError> {
        let org = org.clone();
        self.read_off_thread(move |view| view.clinicians(&org)).await
    }

    async fn attempt(&self, org: &OrgId, name: &ClinicianName) -> Result<Attempt, StoreError> {
        let (org, name) = (org.clone(), name.clone());
        self.channel()?.ask(move |writer| writer.attempt(&org, &name)).await
    }

    async fn admit(&self, org: &OrgId, name: &ClinicianName) -> Result<(), StoreError> {
        let (org, name) = (org.clone(), name.clone());
        self.channel()?.ask(move |writer| writer.admit_clinician(&org, &name)).await
    }
}
