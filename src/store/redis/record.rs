//! A session as it lies in Redis: a hash that other programs read and write, and in its field `memory` all that only
//! Attune knows.
//!
//! The fields that the layout shows win over `memory`: whoever writes them is followed. `memory` keeps what Attune
//! last wrote of them, and so tells what another program has changed.

use serde::{Deserialize, Serialize};

use super::value::{Fields, client_key};
use crate::access::Secret;
use crate::domain::consent::Consent;
use crate::domain::disclosure::Telling;
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::protocol::{Place, Protocols, Written};
use crate::domain::safety::{CrisisPlace, Level, SafetyMemory};
use crate::domain::session::{Meta, MetaValue, Party, Session, Status, Transition};
use crate::domain::time::Timestamp;
use crate::store::{MERGED_AT, StoreError};

/// What is needed to make sense of a hash that another program wrote.
pub(super) struct Reader<'a> {
    pub protocols: &'a Protocols,
    pub secret: &'a Secret,
    pub session_ttl: std::time::Duration,
}

/// What stands in Redis and tells whether anybody wrote since: compared as it is spelled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub revision: String,
    pub turn_count: String,
    pub last_interaction: String,
}

/// A session as it was read, before its client's memory is laid over it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub session: Session,
    pub mark: Mark,
    /// Status and level as the hash shows them, and under which epoch they were written.
    shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Shown {
    status: Option<Status>,
    level: Option<Level>,
    epoch: Option<u64>,
}

/// The field `memory`.
#[derive(Debug, Serialize, Deserialize)]
struct Memory<'a> {
    client_id: Option<String>,
    status: Status,
    paused_by: Option<Party>,
    level: Level,
    safety_epoch: u64,
    pins: Vec<u32>,
    completed_at: Option<Timestamp>,
    place: std::borrow::Cow<'a, Place>,
    crisis: std::borrow::Cow<'a, CrisisPlace>,
    #[serde(default)]
    telling: std::borrow::Cow<'a, Telling>,
    #[serde(default)]
    consent: Option<Consent>,
    meta: std::borrow::Cow<'a, Meta>,
    successor_of: Option<SessionId>,
}

impl Record {
    /// What a server keeps of a session that it has just written.
    pub fn written(session: Session, mark: Mark) -> Self {
        let shown = Shown {
            status: Some(session.status),
            level: Some(session.level),
            epoch: Some(session.safety_epoch),
        };
        Self { session, mark, shown }
    }

    /// Reads a hash; `None` where there is none. `meta` wins over what is remembered of it, where it is given.
    pub fn read(
        key: &SessionKey,
        fields: &Fields,
        meta: Option<&Fields>,
        reader: &Reader<'_>,
    ) -> Result<Option<Self>, StoreError> {
        if fields.is_empty() {
            return Ok(None);
        }
        let mut session = match fields.text("memory") {
            Some(memory) => remembered(key, memory, fields, reader)?,
            None => strange(key, fields, meta, reader),
        };
        if let Some(meta) = meta {
            follow_meta(&mut session, meta);
        }
        session.place = reader.protocols.follow(&session.place, &written_of(fields));
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        let mark = Mark {
            revision: text("revision"),
            turn_count: text("turn_count"),
            last_interaction: text("last_interaction"),
        };
        let shown = Shown {
            status: fields.text("status").and_then(Status::parse),
            level: fields.text("safety_level").and_then(Level::parse),
            epoch: fields.number("safety_epoch"),
        };
        Ok(Some(Self { session, mark, shown }))
    }

    /// As it counts under its client's memory.
    pub fn counts(&self, memory: &SafetyMemory) -> Session {
        let mut session = self.session.clone();
        // The moment of the change, not of the reading: every reader tells the same.
        let at = memory.cleared_at.max(memory.since).unwrap_or(session.last_interaction);
        session.align(memory, at);
        self.adopt(&mut session, memory, at);
        session
    }

    /// Whether the hash shows the session as it counts.
    pub fn shows(&self, counted: &Session) -> bool {
        self.shown.status == Some(counted.status)
            && self.shown.level == Some(counted.level)
            && self.shown.epoch == Some(counted.safety_epoch)
            && self.session.paused_by == counted.paused_by
            && self.session.awaits_safety_answer() == counted.awaits_safety_answer()
            && self.session.transitions == counted.transitions
    }

    /// Takes over what another program wrote into the shown status and level. What was shown before the memory last
    /// changed says nothing; a level is never lowered by it, and danger is never resumed.
    fn adopt(&self, session: &mut Session, memory: &SafetyMemory, at: Timestamp) {
        if self.shown.epoch.is_some_and(|epoch| epoch < memory.epoch) {
            return;
        }
        session.level = session.level.max(self.shown.level.unwrap_or_default());
        let shown = self.shown.status.filter(|shown| *shown != session.status);
        if let Some(status) = shown.filter(|status| !(session.level.pauses() && status.is_going_on())) {
            session.transitions.push(Transition {
                from: session.status,
                to: status,
                at,
                why: "written by another program".to_owned(),
                by: Party::System,
            });
            session.status = status;
            let pauses = || if session.level.pauses() { Party::Safety } else { Party::System };
            session.paused_by = (status == Status::Paused).then(pauses);
        }
        session.align(memory, at);
    }
}

fn remembered(
    key: &SessionKey,
    memory: &str,
    fields: &Fields,
    reader: &Reader<'_>,
) -> Result<Session, StoreError> {
    let unreadable = |what: &str| StoreError::Corrupt(format!("{what} of a session cannot be read"));
    let memory: Memory<'static> = serde_json::from_str(memory).map_err(|_| unreadable("the field memory"))?;
    let transitions = match fields.text("transitions") {
        Some(transitions) => {
            serde_json::from_str(transitions).map_err(|_| unreadable("the field transitions"))?
        }
        None => Vec::new(),
    };
    let created_at = fields.time("created_at").unwrap_or_default();
    let own_client = || reader.secret.client_key(&key.org, memory.client_id.as_deref(), &key.id);
    Ok(Session {
        id: key.id.clone(),
        client: fields.text("client").and_then(client_key).unwrap_or_else(own_client),
        client_id: memory.client_id,
        status: memory.status,
        paused_by: memory.paused_by,
        level: memory.level,
        safety_epoch: memory.safety_epoch,
        pins: memory.pins,
        created_at,
        last_interaction: fields.time("last_interaction").unwrap_or(created_at),
        completed_at: memory.completed_at,
        turn_count: fields.number("turn_count").unwrap_or(0),
        revision: fields.number("revision").unwrap_or(0),
        ttl: ttl_of(fields, reader),
        place: memory.place.into_owned(),
        crisis: memory.crisis.into_owned(),
        telling: memory.telling.into_owned(),
        consent: memory.consent,
        transitions,
        meta: memory.meta.into_owned(),
        successor_of: memory.successor_of,
    })
}

/// A session that another program made. What it does not tell has the value of a new one.
fn strange(key: &SessionKey, fields: &Fields, meta: Option<&Fields>, reader: &Reader<'_>) -> Session {
    let created_at = fields.time("created_at").or_else(|| meta.and_then(|meta| meta.time("created_at")));
    let last_interaction = fields.time("last_interaction").or(created_at).unwrap_or_default();
    let client_id = meta.and_then(|meta| meta.text("client_id")).map(str::to_owned);
    Session {
        id: key.id.clone(),
        client: reader.secret.client_key(&key.org, client_id.as_deref(), &key.id),
        client_id,
        status: fields.text("status").and_then(Status::parse).unwrap_or(Status::Active),
        paused_by: None,
        level: Level::None,
        safety_epoch: 0,
        pins: Vec::new(),
        created_at: created_at.unwrap_or(last_interaction),
        last_interaction,
        completed_at: None,
        turn_count: fields.number("turn_count").unwrap_or(0),
        revision: fields.number("revision").unwrap_or(0),
        ttl: ttl_of(fields, reader),
        place: reader.protocols.newest().start(),
        crisis: CrisisPlace::default(),
        telling: Telling::default(),
        consent: None,
        transitions: Vec::new(),
        meta: Meta::new(),
        successor_of: None,
    }
}

fn ttl_of(fields: &Fields, reader: &Reader<'_>) -> std::time::Duration {
    fields.number("ttl_ms").map_or(reader.session_ttl, std::time::Duration::from_millis)
}

fn written_of(fields: &Fields) -> Written {
    let criteria = fields.text("stage_1_completion").and_then(|text| serde_json::from_str(text).ok());
    let criteria: std::collections::BTreeMap<String, serde_json::Value> = criteria.unwrap_or_default();
    Written {
        substate: fields.text("current_substate").map(str::to_owned),
        body_question_count: fields.number("body_questions_asked"),
        criteria: criteria.into_iter().filter_map(|(name, is)| Some((name, is.as_bool()?))).collect(),
    }
}

/// Names in the hash `meta` that are not the app's own.
const OWN_META: [&str; 3] = ["client_id", "created_at", MERGED_AT];

/// A value that reads as it was written keeps its type; another one is a text.
fn follow_meta(session: &mut Session, meta: &Fields) {
    let written = |name: &str| meta.text(name).is_some();
    session.meta.retain(|name, _| meta.is_empty() || written(name) || OWN_META.contains(&name.as_str()));
    for (name, value) in meta.iter().filter(|(name, _)| !OWN_META.contains(name)) {
        if session.meta.get(name).is_none_or(|known| shown(known) != value) {
            session.meta.insert(name.to_owned(), MetaValue::Text(value.to_owned()));
        }
    }
}

/// A value of the metadata as a field holds it.
pub(super) fn shown(value: &MetaValue) -> String {
    match value {
        MetaValue::Flag(flag) => flag.to_string(),
        MetaValue::Integer(number) => number.to_string(),
        MetaValue::Number(number) => number.to_string(),
        MetaValue::Text(text) => text.clone(),
    }
}

/// The fields of the hash `meta`.
pub(super) fn meta_fields(session: &Session) -> Vec<String> {
    let mut fields = vec!["created_at".to_owned(), session.created_at.to_string()];
    if let Some(client_id) = &session.client_id {
        fields.extend(["client_id".to_owned(), client_id.clone()]);
    }
    let own = session.meta.iter().filter(|(name, _)| !OWN_META.contains(&name.as_str()));
    fields.extend(own.flat_map(|(name, value)| [name.clone(), shown(value)]));
    fields
}

/// What other programs read of a session's place. Where its protocol is not known here, `substate` is all there is to
/// say; the rest stays as it was.
fn progress_fields(
    session: &Session,
    substate: Option<&str>,
    protocols: &Protocols,
) -> Result<Vec<(&'static str, String)>, StoreError> {
    let Some(progress) = protocols.progress(&session.place) else {
        return Ok(substate.map(|substate| ("current_substate", substate.to_owned())).into_iter().collect());
    };
    let criteria: std::collections::BTreeMap<&String, bool> =
        progress.criteria.iter().map(|(name, is)| (name, *is)).collect();
    Ok(vec![
        ("current_substate", progress.substate.clone()),
        ("body_questions_asked", progress.body_question_count.to_string()),
        ("stage_1_completion", json(&criteria)?),
    ])
}

/// What a session's hash shows of it, but for what only Attune reads.
fn shown_fields(
    session: &Session,
    substate: Option<&str>,
    protocols: &Protocols,
) -> Result<Vec<(&'static str, String)>, StoreError> {
    let by = session.paused_by.and_then(|by| serde_json::to_value(by).ok());
    let by = by.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    let mut fields = progress_fields(session, substate, protocols)?;
    fields.extend([
        ("last_interaction", session.last_interaction.to_string()),
        ("turn_count", session.turn_count.to_string()),
        ("status", session.status.as_str().to_owned()),
        ("paused_by", by.to_owned()),
        ("safety_level", session.level.as_str().to_owned()),
        ("safety_epoch", session.safety_epoch.to_string()),
        ("awaiting", if session.awaits_safety_answer() { "1" } else { "" }.to_owned()),
        ("step", session.place.step.clone()),
    ]);
    Ok(fields)
}

/// What changes with a write of a session: names and values in turn. `revision` and `last_commit` are the script's to
/// write. What is as it was `before` is left out, where that is what the hash shows.
pub(super) fn changing_fields(
    session: &Session,
    before: Option<&Session>,
    substate: Option<&str>,
    protocols: &Protocols,
) -> Result<Vec<String>, StoreError> {
    let mut fields = shown_fields(session, substate, protocols)?;
    if let Some(before) = before {
        let known = shown_fields(before, None, protocols)?;
        fields.retain(|field| !known.contains(field));
    }
    let memory = Memory {
        client_id: session.client_id.clone(),
        status: session.status,
        paused_by: session.paused_by,
        level: session.level,
        safety_epoch: session.safety_epoch,
        pins: session.pins.clone(),
        completed_at: session.completed_at,
        place: std::borrow::Cow::Borrowed(&session.place),
        crisis: std::borrow::Cow::Borrowed(&session.crisis),
        telling: std::borrow::Cow::Borrowed(&session.telling),
        consent: session.consent.clone(),
        meta: std::borrow::Cow::Borrowed(&session.meta),
        successor_of: session.successor_of.clone(),
    };
    fields.push(("memory", json(&memory)?));
    Ok(fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect())
}

/// What stays as it is while a session stands, and is written with its first write.
pub(super) fn lasting_fields(session: &Session, protocols: &Protocols) -> Vec<String> {
    let stage = protocols.progress(&session.place).map_or("stage_1".to_owned(), |progress| progress.stage);
    let pairs = [
        ("session_id", session.id.to_string()),
        ("current_stage", stage),
        ("created_at", session.created_at.to_string()),
        ("client", session.client.as_str().to_owned()),
        ("ttl_ms", session.ttl.as_millis().to_string()),
        ("successor_of", session.successor_of.as_ref().map(ToString::to_string).unwrap_or_default()),
    ];
    pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

pub(super) fn transitions_field(session: &Session) -> Result<[String; 2], StoreError> {
    Ok(["transitions".to_owned(), json(&session.transitions)?])
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|_| StoreError::Corrupt("a value that has no stored form".to_owned()))
}
