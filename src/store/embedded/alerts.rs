//! Alerts: written with what raises a level, closed with what clears it, and held apart from the sessions they tell of.

use std::collections::BTreeMap;

use fjall::Readable as _;

use super::draft::{Draft, load_memory};
use super::reads::View;
use super::record::{Record, Reported as Mark, decode, encode};
use super::tables::{self, Due, away, key_of, pair_of, value_of};
use super::writer::Writer;
use crate::domain::alert::{Alert, AlertId, AlertKind, AlertState};
use crate::domain::id::{ClientKey, OrgId, SessionKey};
use crate::domain::notice::Channel;
use crate::domain::safety::{Level, SafetyMemory};
use crate::domain::time::Timestamp;
use crate::store::alerts::{LOOK_AGAIN, choose, lanes};
use crate::store::{
    Acknowledge, Acknowledged, AlertPage, AlertPlace, AlertQuery, OPEN_MAX, REPORTS_MAX, Report, Reported,
    StoreError,
};

/// Open alerts that are counted for a page.
const COUNTED_MAX: usize = 10_000;

/// A rise of a client's level.
pub(super) struct Rise<'a> {
    pub session: &'a SessionKey,
    pub client: &'a ClientKey,
    pub before: &'a SafetyMemory,
    pub after: &'a SafetyMemory,
    pub why: &'a [String],
    pub random: u128,
}

impl Writer {
    pub fn acknowledge(&mut self, acknowledge: &Acknowledge) -> Result<Acknowledged, StoreError> {
        let now = self.clock.now();
        let key = tables::alert(&acknowledge.org, acknowledge.id.as_str());
        let Some(bytes) = value_of(&self.tables.alerts, &key)? else { return Ok(Acknowledged::Absent) };
        let old = decode_alert(&bytes)?;
        let mut new = old.clone();
        if !new.acknowledge(acknowledge.seen_at(now)) {
            return Ok(Acknowledged::Already(old));
        }
        let session = new.session.as_ref().filter(|_| new.kind == AlertKind::Report);
        let session = session.map(|id| SessionKey::new(acknowledge.org.clone(), id.clone()));
        let reported = match session {
            Some(session) => self.live(&session)?.map(|(record, memory)| (session, record, memory)),
            None => None,
        };
        self.change(|draft| {
            draft.put_alert(&acknowledge.org, Some(&old), &new)?;
            if let Some((session, record, memory)) = reported {
                draft.answer_report(&session, &record, &memory, (&new.id, now))?;
            }
            Ok(Acknowledged::Done(new))
        })
    }

    pub fn report(&mut self, report: &Report) -> Result<Reported, StoreError> {
        let now = self.clock.now();
        let key = &report.session;
        let Some((record, memory)) = self.live(key)? else { return Ok(Reported::Absent) };
        let is_same = |mark: &&Mark| mark.turn == report.turn && mark.reason == report.reason;
        if let Some(known) = record.reports.iter().find(is_same) {
            return Ok(Reported::Kept { alert: known.alert.clone(), is_new: false });
        }
        if report.turn.is_some_and(|turn| !(1..=record.session.turn_count).contains(&turn)) {
            return Ok(Reported::NoSuchTurn);
        }
        let client = &record.session.client;
        let of_client = self.tables.alert_index.prefix(tables::of_clients_alerts(client));
        if record.reports.len() >= REPORTS_MAX || of_client.take(OPEN_MAX).count() >= OPEN_MAX {
            return Ok(Reported::TooMany);
        }
        let level = record.session.level_under(&memory);
        let random = self.entropy.u128();
        let alert = Alert {
            kind: AlertKind::Report,
            reason: Some(report.reason),
            turn: report.turn,
            ..opened(key, client, level, now, random)
        };
        self.change(|draft| {
            draft.put_alert(&key.org, None, &alert)?;
            let mut reported = record.clone();
            let (turn, reason) = (report.turn, report.reason);
            reported.reports.push(Mark { turn, reason, alert: alert.id.clone(), is_open: true });
            draft.put(key, Some(&record), reported)?;
            Ok(Reported::Kept { alert: alert.id, is_new: true })
        })
    }
}

/// An open alert that a level rose.
fn opened(key: &SessionKey, client: &ClientKey, level: Level, at: Timestamp, random: u128) -> Alert {
    Alert {
        id: AlertId::new(at, random),
        kind: AlertKind::LevelRose,
        level,
        session: Some(key.id.clone()),
        client: client.clone(),
        why: Vec::new(),
        reason: None,
        turn: None,
        at,
        state: AlertState::Open,
        acknowledged: None,
        cleared_at: None,
        owner: None,
        notices: BTreeMap::new(),
    }
}

impl Draft<'_> {
    /// Writes the alert of a rise that pauses; nothing where the level did not rise to one.
    pub fn alert_of(&mut self, rise: &Rise<'_>, now: Timestamp) -> Result<(), StoreError> {
        let level = rise.after.level;
        if level <= rise.before.level || !level.pauses() {
            return Ok(());
        }
        let opened = opened(rise.session, rise.client, level, now, rise.random);
        self.put_alert(&rise.session.org, None, &Alert { why: rise.why.to_vec(), ..opened })
    }

    /// Closes what told that the client's level had risen.
    pub fn clear_alerts(&mut self, client: &ClientKey, now: Timestamp) -> Result<(), StoreError> {
        let prefix = tables::of_clients_alerts(client);
        for entry in self.tables().alert_index.prefix(&prefix) {
            let (entry, org) = pair_of(entry)?;
            let id = tables::alert_behind(&prefix, &entry)?;
            let org = org_of(&org)?;
            let Some(old) = self.alert(&org, &id)? else { continue };
            let mut new = old.clone();
            if new.clear(now) {
                self.put_alert(&org, Some(&old), &new)?;
            }
        }
        Ok(())
    }

    /// The session goes: its alerts stay, and name it no more.
    pub fn forget_in_alerts(&mut self, key: &SessionKey) -> Result<(), StoreError> {
        let prefix = tables::of_sessions_alerts(key);
        for entry in self.tables().alert_index.prefix(&prefix) {
            let entry = key_of(entry)?;
            let id = tables::alert_behind(&prefix, &entry)?;
            if let Some(mut alert) = self.alert(&key.org, &id)? {
                alert.forget_session();
                let table = &self.change.tables.alerts;
                self.change.batch.insert(table, tables::alert(&key.org, id.as_str()), encode(&alert)?);
            }
            self.change.batch.remove(&self.change.tables.alert_index, entry);
        }
        Ok(())
    }

    /// Removes an alert that was dealt with long ago. One that waits for its level to be cleared is looked at again.
    pub fn sweep_alert(&mut self, key: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let Some(bytes) = value_of(&self.tables().alerts, key)? else { return Ok(()) };
        let alert = decode_alert(&bytes)?;
        let memory = load_memory(self.tables(), &alert.client)?;
        let has_session = !self.sessions_under(tables::memory(&alert.client), 1)?.is_empty();
        let dealt_with = alert.dealt_with_at(&memory, has_session);
        let ends = dealt_with.map_or_else(|| now.plus(LOOK_AGAIN), |at| at.plus(self.limits().alert_ttl));
        if ends > now {
            self.change.insert_due(ends, &Due::Alert(key.to_vec()));
            return Ok(());
        }
        let org = key.split(|byte| *byte == 0).next().unwrap_or_default();
        let places = places(&org_of(org)?, &alert);
        self.change.batch.remove(&self.change.tables.alerts, key.to_vec());
        for place in places {
            self.change.batch.remove(&self.change.tables.alert_index, place);
        }
        Ok(())
    }

    /// The report was seen: it holds its session no longer.
    fn answer_report(
        &mut self,
        key: &SessionKey,
        record: &Record,
        memory: &SafetyMemory,
        (alert, now): (&AlertId, Timestamp),
    ) -> Result<(), StoreError> {
        let mut answered = record.clone();
        for mark in answered.reports.iter_mut().filter(|mark| mark.alert == *alert) {
            mark.is_open = false;
        }
        if !answered.is_held(memory) {
            answered.let_go(now);
        }
        self.put(key, Some(record), answered)?;
        Ok(())
    }

    pub(super) fn alert(&self, org: &OrgId, id: &AlertId) -> Result<Option<Alert>, StoreError> {
        let bytes = value_of(&self.tables().alerts, &tables::alert(org, id.as_str()))?;
        bytes.map(|bytes| decode_alert(&bytes)).transpose()
    }

    pub(super) fn put_alert(
        &mut self,
        org: &OrgId,
        old: Option<&Alert>,
        new: &Alert,
    ) -> Result<(), StoreError> {
        let key = tables::alert(org, new.id.as_str());
        let index = &self.change.tables.alert_index;
        let before: Vec<Vec<u8>> = old.into_iter().flat_map(|old| places(org, old)).collect();
        let after = places(org, new);
        for place in before.iter().filter(|place| !after.contains(place)) {
            self.change.batch.remove(index, place.as_slice());
        }
        for place in after.iter().filter(|place| !before.contains(place)) {
            self.change.batch.insert(index, place.as_slice(), org.as_str().as_bytes());
        }
        self.change.batch.insert(&self.change.tables.alerts, key.clone(), encode(new)?);
        if let Some(closed) = new.closed_at() {
            self.change.insert_due(closed.plus(self.limits().alert_ttl), &Due::Alert(key));
        }
        Ok(())
    }
}

/// Where an alert stands in the index.
pub(super) fn places(org: &OrgId, alert: &Alert) -> Vec<Vec<u8>> {
    let mut prefixes = vec![tables::of_alerts(org, alert.state, alert.level)];
    let is_clearable = alert.kind == AlertKind::LevelRose && alert.state != AlertState::Cleared;
    if alert.state == AlertState::Open || is_clearable {
        prefixes.push(tables::of_clients_alerts(&alert.client));
    }
    let session = alert.session.as_ref().map(|id| SessionKey::new(org.clone(), id.clone()));
    prefixes.extend(session.map(|key| tables::of_sessions_alerts(&key)));
    if alert.state == AlertState::Open {
        prefixes.extend(Channel::ALL.map(|channel| tables::of_due_notices(channel, next_of(alert, channel))));
    }
    prefixes.iter().map(|prefix| [prefix.as_slice(), alert.id.as_str().as_bytes()].concat()).collect()
}

/// When something is to be done about it over a channel. One of which nothing was told comes before all others.
fn next_of(alert: &Alert, channel: Channel) -> Timestamp {
    alert.notices.get(&channel).map_or_else(Timestamp::default, |notice| notice.next)
}

pub(super) fn decode_alert(bytes: &[u8]) -> Result<Alert, StoreError> {
    decode(bytes, "an alert")
}

pub(super) fn org_of(bytes: &[u8]) -> Result<OrgId, StoreError> {
    let org = std::str::from_utf8(bytes).ok().and_then(|org| OrgId::parse(org).ok());
    org.ok_or_else(|| StoreError::Corrupt("an alert's organisation".to_owned()))
}

impl View {
    pub fn alerts(&self, query: &AlertQuery) -> Result<AlertPage, StoreError> {
        let mut found = Vec::new();
        for (state, level, from) in lanes(query) {
            let prefix = tables::of_alerts(&query.org, state, level);
            let end = match from {
                Some(id) => [prefix.as_slice(), id.as_str().as_bytes()].concat(),
                None => [prefix.as_slice(), &[0xff]].concat(),
            };
            let newest = self.disk.range(&self.tables.alert_index, prefix.clone()..end).rev();
            for entry in newest.take(query.limit + 1) {
                found.push(AlertPlace { level, id: tables::alert_behind(&prefix, &key_of(entry)?)? });
            }
        }
        let (ids, next) = choose(query, found);
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            let bytes = self.value(&self.tables.alerts, &tables::alert(&query.org, id.as_str()))?;
            rows.extend(bytes.map(|bytes| decode_alert(&bytes)).transpose()?);
        }
        Ok(AlertPage { rows, next, open: self.open_alerts(&query.org)? })
    }

    fn open_alerts(&self, org: &OrgId) -> Result<u64, StoreError> {
        let mut open = 0;
        for level in Level::ALL {
            let prefix = tables::of_alerts(org, AlertState::Open, level);
            for entry in self.disk.prefix(&self.tables.alert_index, prefix).take(COUNTED_MAX) {
                entry.key().map_err(|error| away(&error))?;
                open += 1;
            }
        }
        Ok(open.min(COUNTED_MAX as u64))
    }
}
