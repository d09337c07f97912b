//! Who outside of Attune is told of open alerts, and how often.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Warning;
use super::reader::Reader;
use crate::access::WebhookKey;
use crate::domain::notice::Schedule;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
/// Addresses that one mail goes to.
const ADDRESSES_MAX: usize = 10;

/// All that a deployment tells of alerts. Addresses may hold secrets: none is ever logged.
#[derive(Debug)]
pub struct AlertConfig {
    pub webhook: Option<SecretString>,
    pub second_webhook: Option<SecretString>,
    /// `None`: made of the deployment's secret.
    pub webhook_key: Option<Arc<WebhookKey>>,
    pub mail: Option<MailConfig>,
    pub schedule: Schedule,
}

#[derive(Debug)]
pub struct MailConfig {
    pub server: SecretString,
    pub from: String,
    pub to: Vec<String>,
    pub second_to: Vec<String>,
}

impl AlertConfig {
    /// Whether anybody outside of Attune is told.
    #[must_use]
    pub const fn tells_anybody(&self) -> bool {
        self.webhook.is_some() || self.mail.is_some()
    }
}

pub(super) fn read(reader: &mut Reader) -> AlertConfig {
    let config = AlertConfig {
        webhook: read_webhook(reader, "ALERT_WEBHOOK_URL"),
        second_webhook: read_webhook(reader, "ALERT_WEBHOOK_URL_2"),
        webhook_key: read_key(reader),
        mail: read_mail(reader),
        schedule: Schedule {
            repeat: reader.duration("ALERT_REPEAT", SECOND..=DAY).unwrap_or_default(),
            escalate_after: reader.duration("ALERT_ESCALATE_AFTER", SECOND..=DAY).unwrap_or_default(),
        },
    };
    if config.second_webhook.is_some() && !config.tells_anybody() {
        reader.fault("ALERT_WEBHOOK_URL_2", "ALERT_WEBHOOK_URL or ALERT_MAIL_TO beside it");
    }
    config
}

/// What an address holds may be a secret, so a fault does not repeat it.
fn read_webhook(reader: &mut Reader, name: &str) -> Option<SecretString> {
    let url = reader.value_or_file(name)?;
    if !is_web_address(url.expose_secret()) {
        reader.fault(name, "a URL like https://example.com/attune");
    }
    Some(url)
}

pub(super) fn is_web_address(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
}

fn read_key(reader: &mut Reader) -> Option<Arc<WebhookKey>> {
    let text = reader.value_or_file("ALERT_WEBHOOK_SECRET")?;
    let key = WebhookKey::parse(text.expose_secret());
    if key.is_none() {
        reader.fault("ALERT_WEBHOOK_SECRET", "whsec_ and 24 to 64 bytes in base64 behind it");
    }
    key.map(Arc::new)
}

/// A server alone tells nobody, and an address is not reached without one.
fn read_mail(reader: &mut Reader) -> Option<MailConfig> {
    let server = reader.value_or_file("ALERT_SMTP_URL");
    let from = reader.text("ALERT_MAIL_FROM");
    let to = read_addresses(reader, "ALERT_MAIL_TO");
    let second_to = read_addresses(reader, "ALERT_MAIL_TO_2");
    if server.is_none() && from.is_none() && to.is_empty() && second_to.is_empty() {
        return None;
    }
    let is_smtp = |url: &SecretString| {
        let url = url.expose_secret();
        url.starts_with("smtp://") || url.starts_with("smtps://")
    };
    if !server.as_ref().is_some_and(is_smtp) {
        reader.fault("ALERT_SMTP_URL", "a URL like smtps://user:password@mail.example.com");
    }
    if !from.as_ref().is_some_and(|from| is_address(from)) {
        reader.fault("ALERT_MAIL_FROM", "an address like attune@example.com");
    }
    if to.is_empty() {
        reader.fault("ALERT_MAIL_TO", "up to 10 addresses like duty@example.com, separated by commas");
    }
    Some(MailConfig { server: server?, from: from?, to, second_to })
}

fn read_addresses(reader: &mut Reader, name: &str) -> Vec<String> {
    let addresses: Vec<String> = reader.list(name, "an address");
    if addresses.len() > ADDRESSES_MAX || !addresses.iter().all(|address| is_address(address)) {
        reader.fault(name, "up to 10 addresses like duty@example.com, separated by commas");
    }
    addresses
}

fn is_address(text: &str) -> bool {
    let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,".contains(c));
    is_plain && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}

/// Where a team stands behind it and nobody is told; and what others could read on the way.
pub(super) fn warnings(config: &AlertConfig, has_team: bool) -> Vec<Warning> {
    let untold = (has_team && !config.tells_anybody()).then(|| Warning {
        what: "nobody is told of alerts: with ATTUNE_MODE=supervised somebody has to look for them all the time".to_owned(),
        mend: "set ALERT_WEBHOOK_URL, or ALERT_SMTP_URL with ALERT_MAIL_FROM and ALERT_MAIL_TO, then try `attune alerts test`",
    });
    let urls = [("ALERT_WEBHOOK_URL", &config.webhook), ("ALERT_WEBHOOK_URL_2", &config.second_webhook)];
    let open = urls.into_iter().filter_map(|(name, url)| Some((name, url.as_ref()?.expose_secret())));
    let open = open.filter(|(_, url)| goes_out_in_clear(url)).map(|(name, _)| Warning {
        what: format!("{name} is no https: whoever is on the way reads that somebody is in danger"),
        mend: "set an https:// address",
    });
    untold.into_iter().chain(open).collect()
}

fn goes_out_in_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    !["localhost", "127.", "[::1]"].iter().any(|here| rest.starts_with(here))
}
