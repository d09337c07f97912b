//! Which alerts have a notice due, in the index of alerts; the notices themselves lie in the alert.

use async_trait::async_trait;
use fjall::{PersistMode, Readable as _};

use super::EmbeddedStore;
use super::alerts::{decode_alert, org_of, places};
use super::reads::View;
use super::tables::{self, Tables, away, pair_of, value_of};
use super::writer::Writer;
use crate::domain::alert::AlertState;
use crate::domain::notice::{Channel, Delivery};
use crate::domain::time::Timestamp;
use crate::store::{DueNotice, KeepNotice, KeptNotice, Notices, StoreError};

/// That every open alert is indexed by when a notice of it is due.
const INDEXED: &[u8] = b"notices";

impl View {
    /// Alerts are read through one snapshot, so that the index and they agree.
    fn due_notices(
        &self,
        channels: &[Channel],
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DueNotice>, StoreError> {
        let mut due = Vec::new();
        for channel in channels.iter().copied() {
            let (from, until) = (tables::of_notices(channel), tables::notices_until(channel, now));
            let before_id = tables::of_due_notices(channel, now);
            for entry in self.disk.range(&self.tables.alert_index, from..until).take(most) {
                let (place, org) = pair_of(entry)?;
                let (org, id) = (org_of(&org)?, tables::alert_behind(&before_id, &place)?);
                let bytes = self.value(&self.tables.alerts, &tables::alert(&org, id.as_str()))?;
                // One that cannot be read keeps no other from being told.
                let alert = bytes.and_then(|bytes| decode_alert(&bytes).ok());
                due.extend(alert.map(|alert| DueNotice { channel, org, alert }));
            }
        }
        Ok(due)
    }
}

impl Writer {
    fn keep_notice(&mut self, keep: KeepNotice) -> Result<KeptNotice, StoreError> {
        let key = tables::alert(&keep.org, keep.alert.as_str());
        let Some(bytes) = value_of(&self.tables.alerts, &key)? else { return Ok(KeptNotice::Absent) };
        let old = decode_alert(&bytes)?;
        let standing = old.notices.get(&keep.channel).map(|notice| notice.stamp.as_str());
        if standing == Some(keep.notice.stamp.as_str()) {
            return Ok(KeptNotice::Kept);
        }
        if standing != keep.before.as_deref() {
            return Ok(KeptNotice::Overtaken);
        }
        if old.state != AlertState::Open && keep.notice.delivery == Delivery::Sending {
            return Ok(KeptNotice::Closed);
        }
        let mut new = old.clone();
        new.notices.insert(keep.channel, keep.notice);
        self.change(|draft| {
            draft.put_alert(&keep.org, Some(&old), &new)?;
            Ok(KeptNotice::Kept)
        })
    }
}

/// Indexes the alerts that an earlier version left open, once: of these, too, people have to be told.
pub(super) fn index_open_alerts(tables: &Tables) -> Result<(), StoreError> {
    if value_of(&tables.about, INDEXED)?.is_some() {
        return Ok(());
    }
    let mut batch = tables.batch();
    for entry in tables.alerts.iter() {
        let (key, bytes) = pair_of(entry)?;
        let (alert, org) = (decode_alert(&bytes)?, key.split(|byte| *byte == 0).next().unwrap_or_default());
        for place in places(&org_of(org)?, &alert) {
            batch.insert(&tables.alert_index, place, org);
        }
    }
    batch.insert(&tables.about, INDEXED, []);
    batch.commit().map_err(|error| away(&error))?;
    tables.db.persist(PersistMode::SyncAll).map_err(|error| away(&error))
}

#[async_trait]
impl Notices for EmbeddedStore {
    async fn due_notices(
        &self,
        channels: &[Channel],
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DueNotice>, StoreError> {
        let channels = channels.to_vec();
        self.read_off_thread(move |view| view.due_notices(&channels, now, most)).await
    }

    async fn keep_notice(&self, keep: KeepNotice) -> Result<KeptNotice, StoreError> {
        self.channel()?.ask(move |writer| writer.keep_notice(keep)).await
    }
}
