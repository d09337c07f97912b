//! Bodies in and out, as `docs/` and the `OpenAPI` page describe them.

pub mod alerts;
pub mod audit;
pub mod care;
pub mod chats;
pub mod clinicians;
pub mod consent;
pub mod credentials;
pub mod cursor;
pub mod rights;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::disclosure::Disclosure;
use crate::domain::exchange::Exchange;
use crate::domain::protocol::ProtocolRef;
use crate::domain::safety::{Level, PublicLevel, Resource};
use crate::domain::session::{Meta, Session, Status};
use crate::domain::time::Timestamp;
use crate::llm::ModelError;
use crate::llm::generations::{ServerStanding, Standing};
use crate::store::{Receipt, Remaining, Snapshot};
use crate::turn::{Knowledge, Storage};

use super::body::Text;

#[derive(Debug, Deserialize, ToSchema)]
pub struct InputBody {
    /// 1 to 128 of `A-Z a-z 0-9 _ . - @`.
    pub session_id: String,
    /// Up to 8,000 characters; blank counts as silence.
    #[schema(value_type = String, max_length = 8000)]
    pub user_input: Text,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct SessionInputBody {
    /// Where it stands, it has to be the one in the path.
    pub session_id: Option<String>,
    #[schema(value_type = String, max_length = 8000)]
    pub user_input: Text,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateBody {
    pub session_id: Option<String>,
    /// Whose session it is: safety is remembered for a client across its sessions.
    #[schema(max_length = 256)]
    pub client_id: Option<String>,
    /// Strings, numbers and booleans, 4 KiB in all. `country` chooses the crisis lines; `region` (such as
    /// `US-IL`) and `country` where the law may be stricter; `minor: true` has simpler words, and reminds sooner that this
    /// is an AI.
    #[schema(value_type = Option<BTreeMap<String, crate::domain::session::MetaValue>>)]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// The client has consented to this text, which has to be the current one.
    pub consent: Option<consent::ConsentBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Created {
    pub session_id: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    pub status: Status,
    pub message: String,
    pub disclosure: Disclosure,
    /// For the person's own app: what lets it into this session and no other. Where an app's key made the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ReasonBody {
    #[serde(default)]
    #[schema(max_length = 500)]
    pub reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ExtendBody {
    /// Seconds.
    #[schema(minimum = 60, maximum = 2_592_000)]
    pub ttl: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SessionBody {
    pub session_id: String,
    pub status: Status,
    pub current_stage: String,
    pub current_substate: String,
    pub step: String,
    pub turn_count: u32,
    pub safety_level: Level,
    /// Goes with a clearing of the level, which is refused where danger has shown since.
    pub basis: String,
    pub completion_criteria: BTreeMap<String, bool>,
    pub body_question_count: u32,
    pub protocol: ProtocolRef,
    pub meta: Meta,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_interaction: Timestamp,
    /// Seconds.
    pub ttl: u64,
    /// Seconds; null while danger holds the session.
    pub remaining_ttl: Option<u64>,
    pub storage: Storage,
    pub revision: u64,
}

impl SessionBody {
    pub fn of(snapshot: &Snapshot, knowledge: &Knowledge, storage: Storage) -> Self {
        let session = snapshot.session.as_ref();
        let progress = knowledge.progress_of(&session.place);
        Self {
            session_id: session.id.to_string(),
            status: session.status,
            current_stage: progress.stage,
            current_substate: progress.substate,
            step: session.place.step.clone(),
            turn_count: session.turn_count,
            safety_level: session.level,
            basis: snapshot.basis.to_string(),
            completion_criteria: progress.criteria,
            body_question_count: progress.body_question_count,
            protocol: session.place.protocol.clone(),
            meta: session.meta.clone(),
            created_at: session.created_at,
            last_interaction: session.last_interaction,
            ttl: session.ttl.as_secs(),
            remaining_ttl: seconds(snapshot.remaining),
            storage,
            revision: session.revision,
        }
    }
}

/// Whole seconds, rounded up; `None` while danger holds the session.
pub fn seconds(remaining: Remaining) -> Option<u64> {
    match remaining {
        Remaining::For(left) => Some(u64::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)),
        Remaining::Held => None,
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StatusBody {
    pub session_id: String,
    pub status: Status,
    pub current_substate: String,
    pub body_question_count: u32,
    pub completion_criteria: BTreeMap<String, bool>,
    pub turn_count: u32,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_interaction: Timestamp,
    pub safety_level: Level,
}

impl StatusBody {
    pub fn of(session: &Session, knowledge: &Knowledge) -> Self {
        let progress = knowledge.progress_of(&session.place);
        Self {
            session_id: session.id.to_string(),
            status: session.status,
            current_substate: progress.substate,
            body_question_count: progress.body_question_count,
            completion_criteria: progress.criteria,
            turn_count: session.turn_count,
            created_at: session.created_at,
            last_interaction: session.last_interaction,
            safety_level: session.level,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryBody {
    /// Newest first.
    pub exchanges: Vec<Exchange>,
    /// The `before` of the next page.
    pub next_before: Option<u32>,
    /// Whether older turns have been dropped.
    pub history_trimmed: bool,
}

/// A turn that is at work.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingBody {
    pub session_id: String,
    pub turn: u32,
    /// `pending`.
    pub responder: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StoppedBody {
    /// Whether a turn was at work and was stopped; one on another server is asked to.
    pub stopped: bool,
    /// Its number, where what it had said was stored.
    pub turn: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedBody {
    pub session_id: String,
    pub status: Status,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ExtendedBody {
    pub session_id: String,
    /// Seconds; null while danger holds the session.
    pub remaining_ttl: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DeletedBody {
    pub message: String,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// Where a person erases, of all of its line together.
    pub receipt: Receipt,
    /// Sessions of its line that still stand.
    pub line: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsBody {
    pub total_sessions: u64,
    /// True where the total does not regard every filter.
    pub total_is_estimate: bool,
    /// Latest interaction first.
    pub sessions: Vec<SessionRow>,
    /// Ask with it as `cursor` for the next page.
    pub next_cursor: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRow {
    pub session_id: String,
    pub status: Status,
    pub current_substate: String,
    pub turn_count: u32,
    pub safety_level: Level,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_interaction: Timestamp,
    pub storage: Storage,
}

impl SessionRow {
    pub fn of(session: &Session, knowledge: &Knowledge, storage: Storage) -> Self {
        Self {
            session_id: session.id.to_string(),
            status: session.status,
            current_substate: knowledge.substate_of(&session.place),
            turn_count: session.turn_count,
            safety_level: session.level,
            created_at: session.created_at,
            last_interaction: session.last_interaction,
            storage,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DailyBody {
    pub days: Vec<DayBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DayBody {
    /// `YYYY-MM-DD`, UTC.
    pub date: String,
    pub counts: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct YearlyBody {
    /// `YYYY`, UTC.
    pub year: String,
    /// Replies that showed crisis lines, by the level of the session.
    pub resources_shown: BTreeMap<String, u64>,
    /// Replies that told the emergency number, by the level of the session.
    pub emergency_told: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ResourcesBody {
    pub resources: Vec<Resource>,
}

/// What the public is told of how Attune deals with danger.
#[derive(Debug, Serialize, ToSchema)]
pub struct CrisisProtocolBody {
    /// Counts up with every change of the words.
    pub version: String,
    /// The day of the last change, `YYYY-MM-DD`.
    pub date: String,
    /// How people reach whoever runs this server, where they say.
    pub contact: Option<String>,
    /// From none to crisis.
    pub levels: Vec<PublicLevel>,
    pub does: Vec<String>,
    pub never: Vec<String>,
    /// What detection cannot do.
    pub limits: Vec<String>,
    /// Where the figures of detection stand in this version's documentation.
    pub figures: String,
    pub resources: CrisisResources,
}

/// Where crisis lines are listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct CrisisResources {
    /// By two-letter country.
    pub by_country: BTreeMap<String, String>,
    pub everywhere: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct HealthBody {
    /// `healthy`, `degraded` or `unhealthy`.
    pub status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// What is not used says `not_configured`.
    #[schema(value_type = BTreeMap<String, String>)]
    pub services: BTreeMap<&'static str, &'static str>,
    /// The models' servers; missing where the script writes everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelsBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ModelsBody {
    /// Replies that are written now.
    pub running: usize,
    /// Turns that wait for one to end.
    pub queued: usize,
    /// In the order of the configuration.
    pub servers: Vec<ModelServerBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ModelServerBody {
    /// `closed`: it is asked. `open`: it failed too often and rests. `half_open`: it is tried.
    pub state: &'static str,
    pub running: usize,
    /// What went wrong with the latest request, if it did.
    pub last_error: Option<&'static str>,
}

impl ModelsBody {
    pub fn of(standing: &Standing) -> Self {
        let server = |server: &ServerStanding| ModelServerBody {
            state: server.state.as_str(),
            running: server.running,
            last_error: server.last_error.map(ModelError::as_str),
        };
        Self {
            running: standing.running,
            queued: standing.queued,
            servers: standing.servers.iter().map(server).collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProbeBody {
    pub status: &'static str,
}
