//! Who is told of what happens, by webhook.

use secrecy::{ExposeSecret as _, SecretString};

use super::alerts::is_web_address;
use super::reader::Reader;
use crate::domain::event::EventKind;

/// Receivers of one deployment.
const RECEIVERS_MAX: usize = 10;

/// Addresses may hold secrets: none is ever logged.
#[derive(Debug, Default)]
pub struct WebhookConfig {
    pub urls: Vec<SecretString>,
    /// Empty: of all kinds.
    pub kinds: Vec<EventKind>,
}

pub(super) fn read(reader: &mut Reader) -> WebhookConfig {
    let text = reader.value_or_file("WEBHOOK_URLS");
    let parts = text.iter().flat_map(|text| text.expose_secret().split([',', '\n']));
    let urls: Vec<SecretString> =
        parts.map(str::trim).filter(|url| !url.is_empty()).map(Into::into).collect();
    if urls.len() > RECEIVERS_MAX || !urls.iter().all(|url| is_web_address(url.expose_secret())) {
        reader.fault("WEBHOOK_URLS", "up to 10 URLs like https://example.com/attune, separated by commas");
    }
    let names: Vec<String> = reader.list("WEBHOOK_EVENTS", "a kind of event");
    let kinds: Option<Vec<EventKind>> = names.iter().map(|name| EventKind::parse(name)).collect();
    if kinds.is_none() {
        let all = EventKind::ALL.map(EventKind::as_str).join(", ");
        reader.fault("WEBHOOK_EVENTS", &format!("some of {all}, separated by commas"));
    }
    WebhookConfig { urls, kinds: kinds.unwrap_or_default() }
}
