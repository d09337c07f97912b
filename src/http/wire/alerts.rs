//! Alerts and reports on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::alert::{Alert, AlertKind, AlertNote, AlertState, ReportReason};
use crate::domain::notice::{Channel, Delivery, Notice};
use crate::domain::safety::Level;
use crate::domain::time::Timestamp;
use crate::notify::Missed;

/// The longest name that an acknowledgement takes.
pub const BY_MAX_CHARS: usize = 80;

#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsBody {
    pub alerts: Vec<AlertBody>,
    /// All that are open, whatever was asked for; the embedded store counts to 10,000.
    pub open_alerts: u64,
    /// Ask with it as `cursor` for the next page.
    pub next_cursor: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertBody {
    pub id: String,
    pub kind: AlertKind,
    /// The level to which it rose; of a report, the one that counted then.
    pub level: Level,
    /// Null once the session has gone.
    pub session_id: Option<String>,
    /// The same for all alerts of one client, and nothing that tells who that is.
    pub client: String,
    /// Ids of the rules that raised the level.
    pub why: Vec<String>,
    /// Of a report.
    pub reason: Option<ReportReason>,
    /// The turn that was reported, where one was named.
    pub turn: Option<u32>,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub state: AlertState,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    pub acknowledged_by: Option<String>,
    pub note: Option<AlertNote>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub cleared_at: Option<Timestamp>,
    /// The clinician who looks after it.
    pub owner: Option<String>,
    /// What people outside of Attune were told of it, the latest over each channel.
    pub notices: Vec<NoticeBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notice)]
pub struct NoticeBody {
    pub channel: Channel,
    /// Counts from 1; 0 while the channel's time has not come.
    pub number: u32,
    /// How often this one was tried.
    pub tries: u32,
    pub delivery: Delivery,
    /// When it was tried last.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Not before then is it tried again, or the next one sent.
    #[schema(value_type = String, format = DateTime)]
    pub next: Timestamp,
    /// When any of them last arrived.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub delivered_at: Option<Timestamp>,
}

impl NoticeBody {
    fn of((channel, notice): (&Channel, &Notice)) -> Self {
        let Notice { number, tries, delivery, at, next, delivered_at, stamp: _ } = *notice;
        Self { channel: *channel, number, tries, delivery, at, next, delivered_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertTest)]
pub struct AlertTestBody {
    /// Every channel that is configured; none where nobody is told.
    pub channels: Vec<TestedBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TestedChannel)]
pub struct TestedBody {
    pub channel: Channel,
    pub delivered: bool,
    /// Why it did not arrive.
    pub why: Option<String>,
}

impl AlertTestBody {
    pub fn of(told: &[(Channel, Result<(), Missed>)]) -> Self {
        let tested = |(channel, outcome): &(Channel, Result<(), Missed>)| TestedBody {
            channel: *channel,
            delivered: outcome.is_ok(),
            why: outcome.err().map(|why| why.to_string()),
        };
        Self { channels: told.iter().map(tested).collect() }
    }
}

impl AlertBody {
    pub fn of(alert: &Alert) -> Self {
        let acknowledged = alert.acknowledged.as_ref();
        Self {
            id: alert.id.to_string(),
            kind: alert.kind,
            level: alert.level,
            session_id: alert.session.as_ref().map(ToString::to_string),
            client: alert.client.as_str().to_owned(),
            why: alert.why.clone(),
            reason: alert.reason,
            turn: alert.turn,
            at: alert.at,
            state: alert.state,
            acknowledged_at: acknowledged.map(|seen| seen.at),
            acknowledged_by: acknowledged.and_then(|seen| seen.by.clone()),
            note: acknowledged.and_then(|seen| seen.note),
            cleared_at: alert.cleared_at,
            owner: alert.owner.clone(),
            notices: alert.notices.iter().map(NoticeBody::of).collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct AcknowledgeBody {
    /// Who has seen it.
    #[schema(max_length = 80)]
    pub by: Option<String>,
    #[schema(value_type = Option<AlertNote>)]
    pub note: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AcknowledgedBody {
    pub alert: AlertBody,
    /// Whether it was acknowledged or cleared before; then nothing was changed.
    pub already: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ReportBody {
    /// Counts from 1; none where the conversation is meant.
    pub turn: Option<u32>,
    #[schema(value_type = ReportReason)]
    pub reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedBody {
    pub session_id: String,
    pub turn: Option<u32>,
    pub reason: ReportReason,
    /// False where there are too many reports of this session or client already.
    pub kept: bool,
}
