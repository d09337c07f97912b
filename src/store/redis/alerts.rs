//! Alerts as they lie in Redis: a hash each, and the sets in which they are found. What raises or clears a level writes
//! them in its own script.

use std::collections::BTreeMap;

use super::Inner;
use super::value::{Fields, Parts, client_key, micros, millis, texts};
use crate::domain::alert::{Acknowledgement, Alert, AlertId, AlertKind, AlertNote, AlertState, ReportReason};
use crate::domain::id::{OrgId, SessionId};
use crate::domain::notice::{Channel, Notice};
use crate::domain::safety::Level;
use crate::domain::time::Timestamp;
use crate::redis::keys::{ALERTS, HISTORY, META, PINNED, STATE};
use crate::store::alerts::{choose, lanes};
use crate::store::{
    Acknowledge, Acknowledged, AlertPage, AlertPlace, AlertQuery, OPEN_MAX, REPORTS_MAX, Report, Reported,
    StoreError,
};

/// Ways in which `page.lua` reads a key.
const COUNT: &str = "count";
const HASH: &str = "hash";

impl Inner {
    pub(super) async fn alerts(&self, query: &AlertQuery) -> Result<AlertPage, StoreError> {
        let lanes = lanes(query);
        let open =
            Level::ALL.map(|level| (self.keys.alerts(&query.org, AlertState::Open, level), COUNT.to_owned()));
        let sets = lanes.iter().map(|(state, level, from)| {
            let from = from.as_ref().map_or_else(|| "+".to_owned(), |id| format!("({id}"));
            (self.keys.alerts(&query.org, *state, *level), from)
        });
        let mut answers = self.page(open.into_iter().chain(sets), query.limit + 1).await?;
        let mut open = 0;
        for _ in Level::ALL {
            open += answers.number::<u64>()?;
        }
        let mut found = Vec::new();
        for ((_, level, _), ids) in lanes.iter().zip(answers) {
            let ids = texts(ids)?.into_iter().filter_map(|id| AlertId::parse(&id));
            found.extend(ids.map(|id| AlertPlace { level: *level, id }));
        }
        let (ids, next) = choose(query, found);
        Ok(AlertPage { rows: self.alerts_by(&query.org, ids).await?, next, open })
    }

    /// Reads keys, each in one of the ways that the script knows.
    async fn page(
        &self,
        reads: impl Iterator<Item = (String, String)>,
        most: usize,
    ) -> Result<Parts, StoreError> {
        let (names, ways): (Vec<String>, Vec<String>) = reads.unzip();
        let mut call = self.scripts.page.call(&names);
        call.arg(ways).arg(most);
        Parts::of(self.run(&self.scripts.page, call).await?)
    }

    async fn alerts_by(&self, org: &OrgId, ids: Vec<AlertId>) -> Result<Vec<Alert>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let hashes = ids.iter().map(|id| (self.keys.alert(org, id), HASH.to_owned()));
        let answers = self.page(hashes, ids.len()).await?;
        let mut rows = Vec::with_capacity(ids.len());
        for (id, answer) in ids.into_iter().zip(answers) {
            let fields = Fields::of(answer)?;
            if fields.is_empty() {
                // Swept since the ids were read, or spoilt.
                continue;
            }
            match alert_of(id, &fields) {
                // One that was spoilt must not hide the others.
                Err(StoreError::Corrupt(what)) => tracing::warn!(what, "an alert is left out of a list"),
                alert => rows.push(alert?),
            }
        }
        Ok(rows)
    }

    pub(super) async fn acknowledge(&self, acknowledge: &Acknowledge) -> Result<Acknowledged, StoreError> {
        let org = &acknowledge.org;
        let names = [self.keys.alert(org, &acknowledge.id), self.keys.expires(org), self.keys.idle(org)];
        let mut call = self.scripts.acknowledge.call(&names);
        call.arg(acknowledge.id.as_str())
            .arg(self.nonce())
            .arg(acknowledge.by.as_deref().unwrap_or_default())
            .arg(acknowledge.note.map_or("", AlertNote::as_str))
            .arg(self.keys.alerts_prefix(org))
            .arg(self.keys.sessions_prefix(org))
            .arg(self.keys.safety_prefix(org))
            .arg(self.keys.creates_prefix(org))
            .arg(millis(self.limits.alert_ttl))
            .arg(millis(self.limits.session_ttl));
        let mut parts = Parts::of(self.run(&self.scripts.acknowledge, call).await?)?;
        let outcome = parts.text()?;
        if outcome == "absent" {
            return Ok(Acknowledged::Absent);
        }
        let alert = alert_of(acknowledge.id.clone(), &parts.fields()?)?;
        Ok(if outcome == "done" { Acknowledged::Done(alert) } else { Acknowledged::Already(alert) })
    }

    pub(super) async fn report(&self, report: &Report) -> Result<Reported, StoreError> {
        let (key, org) = (&report.session, &report.session.org);
        let Some(snapshot) = self.snapshot(key).await? else { return Ok(Reported::Absent) };
        let session = &snapshot.session;
        if report.turn.is_some_and(|turn| !(1..=session.turn_count).contains(&turn)) {
            return Ok(Reported::NoSuchTurn);
        }
        let mut names =
            [STATE, HISTORY, META, PINNED, ALERTS].map(|what| self.keys.session(key, what)).to_vec();
        names.push(self.keys.expires(org));
        let mut call = self.scripts.report.call(&names);
        call.arg(self.nonce())
            .arg(key.id.as_str())
            .arg(session.client.as_str())
            .arg(session.level.as_str())
            .arg(report.reason.as_str())
            .arg(report.turn.map(|turn| turn.to_string()).unwrap_or_default())
            .arg(self.keys.alerts_prefix(org))
            .arg(self.keys.sessions_prefix(org))
            .arg(REPORTS_MAX)
            .arg(OPEN_MAX);
        let mut parts = Parts::of(self.run(&self.scripts.report, call).await?)?;
        match parts.text()?.as_str() {
            "kept" => {
                let alert = AlertId::parse(&parts.text()?).ok_or_else(unreadable)?;
                Ok(Reported::Kept { alert, is_new: parts.number::<u8>()? == 1 })
            }
            "full" => Ok(Reported::TooMany),
            _ => Ok(Reported::Absent),
        }
    }
}

fn unreadable() -> StoreError {
    StoreError::Corrupt("an alert cannot be read".to_owned())
}

/// What is empty in the hash is not there.
pub(super) fn alert_of(id: AlertId, fields: &Fields) -> Result<Alert, StoreError> {
    let text = |name: &str| fields.text(name).filter(|text| !text.is_empty());
    let time = |name: &str| text(name).and_then(micros);
    let acknowledged = time("acknowledged_at").map(|at| Acknowledgement {
        at,
        by: text("acknowledged_by").map(str::to_owned),
        note: text("note").and_then(AlertNote::parse),
    });
    Ok(Alert {
        id,
        kind: text("kind").and_then(AlertKind::parse).ok_or_else(unreadable)?,
        level: text("level").and_then(Level::parse).ok_or_else(unreadable)?,
        session: text("session").and_then(|session| SessionId::parse(session).ok()),
        client: text("client").and_then(client_key).ok_or_else(unreadable)?,
        why: text("why").map(|why| why.split_whitespace().map(str::to_owned).collect()).unwrap_or_default(),
        reason: text("reason").and_then(ReportReason::parse),
        turn: fields.number("turn"),
        at: time("at").ok_or_else(unreadable)?,
        state: text("state").and_then(AlertState::parse).ok_or_else(unreadable)?,
        acknowledged,
        cleared_at: time("cleared_at"),
        owner: text("owner").map(str::to_owned),
        notices: notices_of(fields),
    })
}

/// Of one that cannot be read only the stamp counts, so that another can follow it: rather is somebody told once more.
fn notices_of(fields: &Fields) -> BTreeMap<Channel, Notice> {
    let kept = |channel: Channel| {
        let field = format!("notice:{}", channel.as_str());
        let stamp = fields.text(&format!("{field}:stamp"))?.to_owned();
        let read = fields.text(&field).and_then(|json| serde_json::from_str::<Notice>(json).ok());
        let spoilt = || Notice::waiting(Timestamp::default(), Timestamp::default(), String::new());
        Some((channel, Notice { stamp, ..read.unwrap_or_else(spoilt) }))
    };
    Channel::ALL.into_iter().filter_map(kept).collect()
}
