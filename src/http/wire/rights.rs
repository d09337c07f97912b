//! A person's rights on the wire. The schema of an export is published as `docs/export.schema.json`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SessionBody;
use super::audit::RecordBody;
use super::care::NoteBody;
use super::chats::ChatMessageBody;
use super::cursor::encode_cursor;
use crate::domain::consent::Consent;
use crate::domain::exchange::Exchange;
use crate::domain::time::Timestamp;
use crate::http::problem::FieldError;
use crate::rights::retention::{Rule, Times};
use crate::rights::{Erased, Holdings, Purged};
use crate::turn::{Knowledge, Storage};

/// Another one where a member changes its meaning or goes.
const FORMAT: &str = "attune-export-1";
const DAYS: std::ops::RangeInclusive<u16> = 1..=3_650;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportBody {
    /// `attune-export-1`.
    pub format: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub exported_at: Timestamp,
    /// As the app named the person, where it did.
    pub client_id: Option<String>,
    pub session: SessionBody,
    /// What else stands of the same conversation: an export each.
    pub line: Vec<String>,
    /// What was said and decided, oldest first.
    pub turns: Vec<Exchange>,
    /// Whether older turns have been dropped.
    pub turns_trimmed: bool,
    pub consent: Option<Consent>,
    pub disclosure: DisclosureBody,
    /// What clinicians wrote down.
    pub notes: Vec<NoteBody>,
    /// What was said to everybody while the client was connected, oldest first.
    pub messages: Vec<ChatMessageBody>,
    /// Who looked into the session or changed it, oldest first, from the audit.
    pub accesses: Vec<RecordBody>,
}

/// That an AI answers, as it was told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DisclosureTold)]
pub struct DisclosureBody {
    /// Null where it was not told yet.
    pub version: Option<String>,
    pub times_told: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_told_at: Option<Timestamp>,
}

impl ExportBody {
    pub fn of(held: Holdings, knowledge: &Knowledge, storage: Storage, at: Timestamp) -> Self {
        let session = &held.snapshot.session;
        let (telling, id) = (&session.telling, session.id.as_str());
        Self {
            format: FORMAT,
            exported_at: at,
            client_id: session.client_id.clone(),
            session: SessionBody::of(&held.snapshot, knowledge, storage),
            line: held.line.iter().map(ToString::to_string).collect(),
            turns: held.turns,
            turns_trimmed: held.trimmed,
            consent: session.consent.clone(),
            disclosure: DisclosureBody {
                version: Some(telling.version.clone()).filter(|version| !version.is_empty()),
                times_told: telling.count,
                last_told_at: telling.told_at,
            },
            notes: held.notes.iter().map(NoteBody::of).collect(),
            messages: held.messages.into_iter().map(|message| ChatMessageBody::of(message, id)).collect(),
            accesses: held.accesses.iter().map(RecordBody::of).collect(),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Purge)]
pub struct PurgeBody {
    /// Sessions without a turn for so long.
    #[schema(minimum = 1, maximum = 3_650)]
    pub older_than_days: u16,
    /// True only counts what would go. It has to be said.
    pub dry_run: bool,
    /// The `next_cursor` of the call before.
    pub cursor: Option<String>,
    /// Another organisation than the caller's own, for whoever runs the server.
    pub organisation: Option<String>,
}

impl PurgeBody {
    /// Before which time a session's last turn has to lie.
    pub fn before(&self, now: Timestamp) -> Result<Timestamp, FieldError> {
        if DAYS.contains(&self.older_than_days) {
            return Ok(now.minus(Duration::from_hours(24 * u64::from(self.older_than_days))));
        }
        let message = format!("must be from {} to {}", DAYS.start(), DAYS.end());
        Err(FieldError { field: "older_than_days".to_owned(), message })
    }
}

/// What one call found and did. A call looks at a hundred sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Purged)]
pub struct PurgedBody {
    pub dry_run: bool,
    /// Gone; in a dry run, what would go.
    pub sessions: u64,
    /// Stay until their level is cleared, or what was reported of them acknowledged.
    pub held: u64,
    /// Used again while this went on.
    pub in_use: u64,
    /// What went with the sessions.
    pub erased: Erased,
    /// There are more: ask again with it as `cursor`.
    pub next_cursor: Option<String>,
}

impl PurgedBody {
    pub fn of(purged: Purged, dry_run: bool) -> Self {
        Self {
            dry_run,
            sessions: purged.sessions,
            held: purged.held,
            in_use: purged.in_use,
            erased: purged.erased,
            next_cursor: purged.next.as_ref().map(encode_cursor),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Retention)]
pub struct RetentionBody {
    pub retention: Vec<RetentionRow>,
}

/// How long one kind of data is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionRow {
    pub kind: &'static str,
    /// Null: no time ends it.
    pub seconds: Option<u64>,
    /// From when on they count, and what else ends it or holds it.
    pub meaning: &'static str,
    /// The variable that sets them.
    pub variable: Option<&'static str>,
}

impl RetentionBody {
    pub fn of(rules: &[Rule], times: &Times) -> Self {
        let row = |rule: &Rule| RetentionRow {
            kind: rule.kind,
            seconds: (rule.kept)(times).map(|kept| kept.as_secs()),
            meaning: rule.meaning,
            variable: rule.variable,
        };
        Self { retention: rules.iter().map(row).collect() }
    }
}
