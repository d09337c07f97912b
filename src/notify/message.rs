//! What is sent: ids, times and words of closed lists. Pure.
//!
//! A session is not named: apps choose its id, and some choose a name. The alert's id leads to it.

use serde::Serialize;

use crate::domain::alert::{Alert, AlertKind};
use crate::domain::id::OrgId;
use crate::domain::notice::Channel;
use crate::domain::safety::Level;
use crate::domain::time::Timestamp;

/// One notice, the same for every way that it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same when it is sent again.
    pub id: String,
    what: What,
    timestamp: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum What {
    Open(OpenAlert),
    Test {},
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct OpenAlert {
    alert: String,
    kind: AlertKind,
    level: Level,
    organisation: OrgId,
    at: Timestamp,
    number: u32,
    second_address: bool,
    open_alerts: u64,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: &'a What,
}

impl Message {
    /// `number`: the how manyth notice of this alert it is over this channel; `open`: alerts that are.
    #[must_use]
    pub fn of(alert: &Alert, org: &OrgId, channel: Channel, number: u32, open: u64) -> Self {
        let second = if channel.is_second() { "second-" } else { "" };
        let what = What::Open(OpenAlert {
            alert: alert.id.to_string(),
            kind: alert.kind,
            level: alert.level,
            organisation: org.clone(),
            at: alert.at,
            number,
            second_address: channel.is_second(),
            open_alerts: open,
        });
        Self { id: format!("{}-{second}{number}", alert.id), what, timestamp: alert.at }
    }

    /// `name`: what no other test has.
    #[must_use]
    pub fn test(name: &str, now: Timestamp) -> Self {
        Self { id: format!("test-{name}"), what: What::Test {}, timestamp: now }
    }

    /// The body of a webhook.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let kind = match self.what {
            What::Open(_) => "alert.open",
            What::Test {} => "alert.test",
        };
        let body = Body { kind, timestamp: self.timestamp, data: &self.what };
        // Texts and numbers are always JSON.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// A mail's subject.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.what {
            What::Test {} => "Attune: a test of alerts".to_owned(),
            What::Open(open) => {
                format!("Attune: {}, nobody has seen it ({})", open.told(), open.organisation.as_str())
            }
        }
    }

    /// A mail's text.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.what {
            What::Test {} => "This is a test. Nobody is in danger by it.\r\n".to_owned(),
            What::Open(open) => format!(
                "{}.\r\n\r\nOrganisation: {}\r\nSince: {}\r\nAlert: {}\r\nNotice: {}\r\nOpen alerts: {}\r\n\r\n\
                 Look at it and acknowledge it; until then this is told again.\r\n",
                open.told(),
                open.organisation.as_str(),
                open.at,
                open.alert,
                open.number,
                open.open_alerts
            ),
        }
    }
}

impl OpenAlert {
    fn told(&self) -> String {
        match self.kind {
            AlertKind::LevelRose => format!("a person's level rose to {}", self.level.as_str()),
            AlertKind::Report => "a person reports what Attune said".to_owned(),
        }
    }
}
