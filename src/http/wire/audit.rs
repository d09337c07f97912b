//! The audit on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::{Broken, Verified};
use crate::domain::audit::{Entry, Head, Outcome, Sealed};
use crate::domain::time::Timestamp;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Audit)]
pub struct AuditBody {
    pub records: Vec<RecordBody>,
    /// Ask with it as `from` for the next page.
    pub next_from: Option<u64>,
    /// The number of the last record.
    pub last: u64,
}

impl AuditBody {
    pub fn of(records: &[Sealed], head: &Head) -> Self {
        let last = records.last().map(|sealed| sealed.seq);
        Self {
            records: records.iter().map(RecordBody::of).collect(),
            next_from: last.filter(|last| *last < head.seq).map(|last| last + 1),
            last: head.seq,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
pub struct RecordBody {
    pub seq: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// An operation of the table of who may do what, or a change: `level`, `state`. Null where it cannot be read.
    pub action: Option<String>,
    /// `asked`, `failed`, `done` or `refused`; null of a change that was made.
    #[schema(value_type = Option<String>)]
    pub outcome: Option<Outcome>,
    pub role: Option<String>,
    pub name: Option<String>,
    pub session_id: Option<String>,
    /// Whose level changed: the same for all sessions of one client, and nothing that tells who that is.
    pub client: Option<String>,
    pub object: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub request: Option<String>,
    pub mac: String,
}

impl RecordBody {
    pub fn of(sealed: &Sealed) -> Self {
        let entry = serde_json::from_str::<Entry>(&sealed.entry).ok();
        let at = entry.as_ref().map(|entry| Timestamp::from_micros(entry.at_us));
        let action = entry.as_ref().map(|entry| entry.action.clone());
        let entry = entry.unwrap_or_default();
        Self {
            seq: sealed.seq,
            at,
            action,
            outcome: entry.outcome,
            role: entry.role,
            name: entry.name,
            session_id: entry.session,
            client: entry.client,
            object: entry.object,
            from: entry.from,
            to: entry.to,
            request: entry.request,
            mac: sealed.mac.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerified)]
pub struct VerifiedBody {
    pub whole: bool,
    /// Sound records, from the first.
    pub records: u64,
    /// `SEQ:MAC` of the last of them: note it elsewhere, and ask with it as `noted` another day.
    pub at: String,
    /// The first record that is not as it was sealed, or is missing.
    pub first_bad: Option<u64>,
    pub what: Option<String>,
}

impl VerifiedBody {
    pub fn of(found: Verified) -> Self {
        Self {
            whole: found.broken.is_none(),
            records: found.records,
            at: format!("{}:{}", found.records, found.mac),
            first_bad: found.broken.as_ref().map(Broken::record),
            what: found.broken.map(|broken| broken.to_string()),
        }
    }
}

/// `SEQ:MAC`.
pub fn noted(text: &str) -> Option<(u64, String)> {
    let (seq, mac) = text.split_once(':')?;
    let is_hash = mac.len() == 64 && mac.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((seq.parse().ok()?, mac.to_ascii_lowercase())).filter(|_| is_hash)
}
