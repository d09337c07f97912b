//! The parts of the store beside sessions: all of it is Redis', and away with it. But for the audit's entry that somebody
//! switches the store by hand, for that is what ends an outage, and for the notices of alerts: whoever is in danger meanwhile
//! stands in the journal, and people are told of it from there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{FallbackStore, Inner};
use crate::access::{CredentialHash, PasswordHash};
use crate::domain::alert::{Alert, AlertId};
use crate::domain::audit::{Entry, Head, Sealed};
use crate::domain::event::{EventId, SessionEvent};
use crate::domain::id::{ClinicianName, OrgId, SessionKey};
use crate::domain::note::Note;
use crate::domain::notice::Channel;
use crate::domain::time::Timestamp;
use crate::store::embedded::EmbeddedStore;
use crate::store::{
    ALERTS, Attempt, Care, Clinician, Clinicians, Credential, Credentials, DueNotice, Errands, Events,
    Holder, KeepNotice, KeptNotice, Ledger, NOTICES_FAILING, Noted, Notices, StoreError,
};

/// Entries that are handed on at once.
const ENTRIES_MAX: usize = 1_000;
/// How the audit calls the operation by which somebody switches the store.
const SWITCH: &str = "switch_store";

impl FallbackStore {
    fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl Inner {
    /// The journal, while turns go on in it and nobody else tells of its alerts.
    fn alone(&self) -> Option<&EmbeddedStore> {
        self.journal.as_ref().filter(|_| self.is_away() && self.is_going_on())
    }

    /// Hands on what the audit was told while Redis was away. Cut off and repeated, it is told twice.
    pub async fn hand_entries_on(&self) -> Result<(), StoreError> {
        let journal = self.journal()?;
        for org in journal.audited().await? {
            for entry in journal.outbox(&org, ENTRIES_MAX).await? {
                // What else the journal enters of its own, Redis enters when it is told.
                let entry = serde_json::from_str::<Entry>(&entry).ok().filter(|entry| entry.action == SWITCH);
                if let Some(entry) = entry {
                    self.primary.enter(&org, entry).await?;
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Ledger for FallbackStore {
    async fn enter(&self, org: &OrgId, entry: Entry) -> Result<(), StoreError> {
        let inner = self.inner();
        let is_switch = entry.action == SWITCH;
        if !(is_switch && inner.is_away()) {
            match inner.primary.enter(org, entry.clone()).await {
                Err(StoreError::Away(_)) if is_switch => {}
                entered => return entered,
            }
        }
        inner.is_used.store(true, Ordering::Release);
        inner.journal()?.enter(org, entry).await
    }

    async fn audited(&self) -> Result<Vec<OrgId>, StoreError> {
        self.inner().primary.audited().await
    }

    async fn outbox(&self, org: &OrgId, most: usize) -> Result<Vec<String>, StoreError> {
        self.inner().primary.outbox(org, most).await
    }

    async fn head(&self, org: &OrgId) -> Result<Head, StoreError> {
        self.inner().primary.head(org).await
    }

    async fn seal(
        &self,
        org: &OrgId,
        before: &Head,
        sealed: Vec<Sealed>,
        head: Head,
    ) -> Result<bool, StoreError> {
        self.inner().primary.seal(org, before, sealed, head).await
    }

    async fn chain(&self, org: &OrgId, from: u64, most: usize) -> Result<Vec<Sealed>, StoreError> {
        self.inner().primary.chain(org, from, most).await
    }
}

#[async_trait]
impl Errands for FallbackStore {
    async fn lead(&self, role: &str, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        match self.inner().alone().filter(|_| role == ALERTS) {
            Some(journal) => journal.lead(role, holder, lasts).await,
            None => self.inner().primary.lead(role, holder, lasts).await,
        }
    }

    async fn yield_lead(&self, role: &str, holder: &str) -> Result<(), StoreError> {
        self.inner().primary.yield_lead(role, holder).await
    }

    async fn mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        match self.inner().alone().filter(|_| name == NOTICES_FAILING) {
            Some(journal) => journal.mark(name).await,
            None => self.inner().primary.mark(name).await,
        }
    }

    async fn set_mark(&self, name: &str, value: &str) -> Result<(), StoreError> {
        match self.inner().alone().filter(|_| name == NOTICES_FAILING) {
            Some(journal) => journal.set_mark(name, value).await,
            None => self.inner().primary.set_mark(name, value).await,
        }
    }
}

#[async_trait]
impl Events for FallbackStore {
    async fn events(&self, after: EventId, most: usize) -> Result<Vec<Arc<SessionEvent>>, StoreError> {
        self.inner().primary.events(after, most).await
    }

    async fn newest_event(&self) -> Result<EventId, StoreError> {
        self.inner().primary.newest_event().await
    }

    fn heard_events(&self) -> watch::Receiver<EventId> {
        self.inner().primary.heard_events()
    }
}

#[async_trait]
impl Notices for FallbackStore {
    async fn due_notices(
        &self,
        channels: &[Channel],
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DueNotice>, StoreError> {
        match self.inner().alone() {
            Some(journal) => journal.due_notices(channels, now, most).await,
            None => self.inner().primary.due_notices(channels, now, most).await,
        }
    }

    async fn keep_notice(&self, keep: KeepNotice) -> Result<KeptNotice, StoreError> {
        match self.inner().alone() {
            Some(journal) => journal.keep_notice(keep).await,
            None => self.inner().primary.keep_notice(keep).await,
        }
    }
}

#[async_trait]
impl Care for FallbackStore {
    async fn note(&self, session: &SessionKey, note: Note) -> Result<Noted, StoreError> {
        Inner::settled(self.inner(), session).await?;
        self.inner().primary.note(session, note).await
    }

    async fn notes(&self, session: &SessionKey) -> Result<Option<Vec<Note>>, StoreError> {
        self.inner().primary.notes(session).await
    }

    async fn own(
        &self,
        org: &OrgId,
        alert: &AlertId,
        owner: Option<String>,
    ) -> Result<Option<Alert>, StoreError> {
        self.inner().primary.own(org, alert, owner).await
    }
}

#[async_trait]
impl Credentials for FallbackStore {
    async fn issue(&self, hash: CredentialHash, credential: Credential) -> Result<bool, StoreError> {
        self.inner().primary.issue(hash, credential).await
    }

    async fn present(&self, hash: CredentialHash) -> Result<Option<Credential>, StoreError> {
        let presented = self.inner().primary.present(hash).await;
        if matches!(presented, Err(StoreError::Away(_))) {
            // Whoever asks next goes by what is known here, where turns go on.
            self.inner().goes_on_without().await;
        }
        presented
    }

    async fn rotate(
        &self,
        old: CredentialHash,
        new: (CredentialHash, Credential),
    ) -> Result<bool, StoreError> {
        self.inner().primary.rotate(old, new).await
    }

    async fn revoke(&self, holder: Holder, id: Option<String>) -> Result<u64, StoreError> {
        self.inner().primary.revoke(holder, id).await
    }

    async fn credentials(&self, holder: Holder) -> Result<Vec<Credential>, StoreError> {
        self.inner().primary.credentials(holder).await
    }

    async fn has_keys(&self) -> Result<bool, StoreError> {
        self.inner().primary.has_keys().await
    }
}

#[async_trait]
impl Clinicians for FallbackStore {
    async fn add_clinician(&self, clinician: Clinician) -> Result<bool, StoreError> {
        self.inner().primary.add_clinician(clinician).await
    }

    async fn set_password(
        &self,
        org: &OrgId,
        name: &ClinicianName,
        password: PasswordHash,
    ) -> Result<bool, StoreError> {
        self.inner().primary.set_password(org, name, password).await
    }

    async fn remove_clinician(&self, org: &OrgId, name: &ClinicianName) -> Result<bool, StoreError> {
        self.inner().primary.remove_clinician(org, name).await
    }

    async fn clinicians(&self, org: &OrgId) -> Result<Vec<Clinician>, StoreError> {
        self.inner().primary.clinicians(org).await
    }

    async fn attempt(&self, org: &OrgId, name: &ClinicianName) -> Result<Attempt, StoreError> {
        self.inner().primary.attempt(org, name).await
    }

    async fn admit(&self, org: &OrgId, name: &ClinicianName) -> Result<(), StoreError> {
        self.inner().primary.admit(org, name).await
    }
}
