//! Notes on disk, each under its session and its place; and whose an alert is.

use async_trait::async_trait;
use fjall::Readable as _;

use super::EmbeddedStore;
use super::alerts::decode_alert;
use super::reads::View;
use super::record::{decode, encode};
use super::tables::{self, pair_of, value_of};
use super::writer::Writer;
use crate::domain::alert::{Alert, AlertId};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::note::Note;
use crate::domain::time::Timestamp;
use crate::store::{Care, Noted, StoreError};

impl View {
    fn notes(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Vec<Note>>, StoreError> {
        if self.read(key, now)?.is_none() {
            return Ok(None);
        }
        let entries = self.disk.prefix(&self.tables.notes, tables::of_session(key));
        entries.map(|entry| decode(&pair_of(entry)?.1, "a note")).collect::<Result<_, _>>().map(Some)
    }
}

impl Writer {
    fn note(&mut self, key: &SessionKey, note: &Note) -> Result<Noted, StoreError> {
        if self.live(key)?.is_none() {
            return Ok(Noted::Absent);
        }
        let mut count = 0;
        for entry in self.tables.notes.prefix(tables::of_session(key)) {
            let known: Note = decode(&pair_of(entry)?.1, "a note")?;
            if known.id == note.id {
                return Ok(Noted::Kept);
            }
            count += 1;
        }
        if count as usize >= note.kind.most() {
            return Ok(Noted::TooMany);
        }
        self.change(|draft| {
            let table = &draft.change.tables.notes;
            draft.change.batch.insert(table, tables::exchange(key, count), encode(note)?);
            Ok(Noted::Kept)
        })
    }

    fn own(&mut self, org: &OrgId, id: &AlertId, owner: Option<String>) -> Result<Option<Alert>, StoreError> {
        let key = tables::alert(org, id.as_str());
        let Some(bytes) = value_of(&self.tables.alerts, &key)? else { return Ok(None) };
        let alert = Alert { owner, ..decode_alert(&bytes)? };
        self.change(|draft| {
            draft.change.batch.insert(&draft.change.tables.alerts, key, encode(&alert)?);
            Ok(Some(alert))
        })
    }
}

#[async_trait]
impl Care for EmbeddedStore {
    async fn note(&self, session: &SessionKey, note: Note) -> Result<Noted, StoreError> {
        let key = session.clone();
        self.channel()?.ask(move |writer| writer.note(&key, &note)).await
    }

    async fn notes(&self, session: &SessionKey) -> Result<Option<Vec<Note>>, StoreError> {
        let (key, now) = (session.clone(), self.clock.now());
        self.read_off_thread(move |view| view.notes(&key, now)).await
    }

    async fn own(
        &self,
        org: &OrgId,
        alert: &AlertId,
        owner: Option<String>,
    ) -> Result<Option<Alert>, StoreError> {
        let (org, alert) = (org.clone(), alert.clone());
        self.channel()?.ask(move |writer| writer.own(&org, &alert, owner)).await
    }
}
