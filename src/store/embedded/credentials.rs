//! Credentials on disk: each under its hash, and its holder's beside.

use async_trait::async_trait;
use fjall::Readable as _;
use serde::{Deserialize, Serialize};

use super::EmbeddedStore;
use super::draft::Draft;
use super::reads::View;
use super::record::{decode, encode};
use super::tables::{self, Due, pair_of, value_of};
use super::writer::Writer;
use crate::access::{CredentialHash, Kind};
use crate::domain::time::Timestamp;
use crate::store::{CREDENTIALS_MAX, Credential, Credentials, Holder, StoreError};

/// A use sets the end anew only when it moves it by more than this part of the idle time: most uses write nothing.
const SLIDE_PARTS: u32 = 16;

/// A credential as it lies on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    credential: Credential,
    /// When it ends unless it is used.
    until: Option<Timestamp>,
}

impl Kept {
    fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        decode(bytes, "a credential")
    }

    fn stands(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether a use now has to be written.
    fn is_changed_by_use(&self, now: Timestamp) -> bool {
        let slides = || {
            let slack = self.credential.idle.unwrap_or_default() / SLIDE_PARTS;
            self.until.is_some_and(|until| {
                self.credential.stands_until(now).is_some_and(|next| next.since(until) > slack)
            })
        };
        self.credential.kind == Kind::Ticket || slides()
    }
}

impl View {
    /// What the hash stands for, and whether its use has to be written.
    fn present(
        &self,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<(Credential, bool)>, StoreError> {
        let Some(bytes) = self.value(&self.tables.credentials, &tables::credential(hash))? else {
            return Ok(None);
        };
        let kept = Kept::read(&bytes)?;
        let is_changed = kept.is_changed_by_use(now);
        Ok(kept.stands(now).then_some((kept.credential, is_changed)))
    }

    fn credentials(&self, holder: &Holder, now: Timestamp) -> Result<Vec<Credential>, StoreError> {
        let prefix = tables::of_holder(holder);
        let mut standing = Vec::new();
        for entry in self.disk.prefix(&self.tables.credentials, &prefix) {
            let (_, hash) = pair_of(entry)?;
            let Some(bytes) = self.value(&self.tables.credentials, &hash)? else { continue };
            let kept = Kept::read(&bytes)?;
            if kept.stands(now) {
                standing.push(kept.credential);
            }
        }
        standing.sort_by_key(|credential| credential.made_at);
        Ok(standing)
    }

    fn has_keys(&self) -> bool {
        self.disk.prefix(&self.tables.credentials, tables::KEYS_OF_ALL).next().is_some()
    }
}

impl Writer {
    fn kept(&self, hash: CredentialHash) -> Result<Option<Kept>, StoreError> {
        let bytes = value_of(&self.tables.credentials, &tables::credential(hash))?;
        let now = self.clock.now();
        Ok(bytes.map(|bytes| Kept::read(&bytes)).transpose()?.filter(|kept| kept.stands(now)))
    }

    fn issue(
        &mut self,
        old: Option<CredentialHash>,
        hash: CredentialHash,
        credential: &Credential,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let replaced = match old {
            None if self.has_ground(&credential.holder())? => None,
            None => return Ok(false),
            Some(old) => match self.kept(old)? {
                Some(kept) => Some((old, kept)),
                None => return Ok(false),
            },
        };
        self.change(|draft| {
            if let Some((old, kept)) = &replaced {
                draft.end_credential(*old, &kept.credential);
            }
            draft.make_room(&credential.holder(), now)?;
            draft.put_credential(hash, credential, now)
        })?;
        Ok(true)
    }

    /// Whether what credentials of a holder are for is there.
    fn has_ground(&mut self, holder: &Holder) -> Result<bool, StoreError> {
        match holder {
            Holder::Keys(_) => Ok(true),
            Holder::Session(session) => Ok(self.live(session)?.is_some()),
            Holder::Clinician(org, name) => self.has_clinician(org, name),
        }
    }

    /// What is used: a ticket ends, the rest begin their idle time anew.
    fn use_up(&mut self, hash: CredentialHash) -> Result<Option<Credential>, StoreError> {
        let now = self.clock.now();
        let Some(kept) = self.kept(hash)? else { return Ok(None) };
        self.change(|draft| {
            if kept.credential.kind == Kind::Ticket {
                draft.end_credential(hash, &kept.credential);
                return Ok(());
            }
            let until = kept.credential.stands_until(now);
            let table = &draft.change.tables.credentials;
            let slid = encode(&Kept { credential: kept.credential.clone(), until })?;
            draft.change.batch.insert(table, tables::credential(hash), slid);
            Ok(())
        })?;
        Ok(Some(kept.credential))
    }

    pub fn revoke(&mut self, holder: &Holder, id: Option<&str>) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.change(|draft| draft.revoke(holder, id, now))
    }
}

impl Draft<'_> {
    fn put_credential(
        &mut self,
        hash: CredentialHash,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let table = &self.change.tables.credentials;
        let until = credential.stands_until(now);
        let kept = encode(&Kept { credential: credential.clone(), until })?;
        self.change.batch.insert(table, tables::credential(hash), kept);
        let entry = tables::held(&credential.holder(), &credential.id);
        self.change.batch.insert(table, entry, tables::credential(hash));
        if let Some(until) = until {
            self.change.insert_due(until, &Due::Credential(tables::credential(hash)));
        }
        Ok(())
    }

    fn end_credential(&mut self, hash: CredentialHash, credential: &Credential) {
        self.end_entry(tables::credential(hash), credential);
    }

    fn end_entry(&mut self, key: Vec<u8>, credential: &Credential) {
        let table = &self.change.tables.credentials;
        self.change.batch.remove(table, key);
        self.change.batch.remove(table, tables::held(&credential.holder(), &credential.id));
    }

    /// All of a holder, the oldest first, those too that have ended and are not swept yet.
    fn held(&self, holder: &Holder) -> Result<Vec<(Vec<u8>, Kept)>, StoreError> {
        let table = &self.tables().credentials;
        let mut held = Vec::new();
        for entry in table.prefix(tables::of_holder(holder)) {
            let (_, key) = pair_of(entry)?;
            if let Some(bytes) = value_of(table, &key)? {
                held.push((key.to_vec(), Kept::read(&bytes)?));
            }
        }
        held.sort_by_key(|(_, kept)| kept.credential.made_at);
        Ok(held)
    }

    fn make_room(&mut self, holder: &Holder, now: Timestamp) -> Result<(), StoreError> {
        if matches!(holder, Holder::Keys(_)) {
            return Ok(());
        }
        let standing: Vec<_> = self.held(holder)?.into_iter().filter(|(_, kept)| kept.stands(now)).collect();
        let surplus = (standing.len() + 1).saturating_sub(CREDENTIALS_MAX);
        // Unused tickets first: whoever asks for many must not put out the token that asks.
        let (tickets, rest): (Vec<_>, Vec<_>) =
            standing.into_iter().partition(|(_, kept)| kept.credential.kind == Kind::Ticket);
        for (key, kept) in tickets.into_iter().chain(rest).take(surplus) {
            self.end_entry(key, &kept.credential);
        }
        Ok(())
    }

    pub fn revoke(&mut self, holder: &Holder, id: Option<&str>, now: Timestamp) -> Result<u64, StoreError> {
        let mut ended = 0;
        for (key, kept) in self.held(holder)? {
            if id.is_none_or(|id| id == kept.credential.id) {
                self.end_entry(key, &kept.credential);
                ended += u64::from(kept.stands(now));
            }
        }
        Ok(ended)
    }

    /// Removes one whose time has come; one that was used since is looked at again later.
    pub fn sweep_credential(&mut self, key: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let Some(bytes) = value_of(&self.change.tables.credentials, key)? else { return Ok(()) };
        let kept = Kept::read(&bytes)?;
        match kept.until.filter(|_| kept.stands(now)) {
            Some(until) => self.change.insert_due(until, &Due::Credential(key.to_vec())),
            None => self.end_entry(key.to_vec(), &kept.credential),
        }
        Ok(())
    }
}

#[async_trait]
impl Credentials for EmbeddedStore {
    async fn issue(&self, hash: CredentialHash, credential: Credential) -> Result<bool, StoreError> {
        self.channel()?.ask(move |writer| writer.issue(None, hash, &credential)).await
    }

    async fn present(&self, hash: CredentialHash) -> Result<Option<Credential>, StoreError> {
        let now = self.clock.now();
        match self.read_off_thread(move |view| view.present(hash, now)).await? {
            None => Ok(None),
            Some((credential, false)) => Ok(Some(credential)),
            Some((_, true)) => self.channel()?.ask(move |writer| writer.use_up(hash)).await,
        }
    }

    async fn rotate(
        &self,
        old: CredentialHash,
        (hash, credential): (CredentialHash, Credential),
    ) -> Result<bool, StoreError> {
        self.channel()?.ask(move |writer| writer.issue(Some(old), hash, &credential)).await
    }

    async fn revoke(&self, holder: Holder, id: Option<String>) -> Result<u64, StoreError> {
        self.channel()?.ask(move |writer| writer.revoke(&holder, id.as_deref())).await
    }

    async fn credentials(&self, holder: Holder) -> Result<Vec<Credential>, StoreError> {
        let now = self.clock.now();
        self.read_off_thread(move |view| view.credentials(&holder, now)).await
    }

    async fn has_keys(&self) -> Result<bool, StoreError> {
        self.read_off_thread(|view| Ok(view.has_keys())).await
    }
}
