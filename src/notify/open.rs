//! From the configuration to the ways in which people are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::Missed;
use super::mail::{MailFault, Mailer};
use super::message::Message;
use super::webhook::{Endpoint, EndpointFault};
use crate::access::{Secret, WebhookKey};
use crate::config::AlertConfig;
use crate::domain::notice::Channel;
use crate::domain::time::Timestamp;

/// What is configured cannot be used. Told at the start, by the variable and not by its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotifyFault {
    #[error("{variable}: {fault}")]
    Webhook { variable: &'static str, fault: EndpointFault },
    #[error("ALERT_SMTP_URL, ALERT_MAIL_FROM, ALERT_MAIL_TO: {0}")]
    Mail(#[from] MailFault),
}

/// One way to people.
pub enum Outlet {
    Webhook(Box<Endpoint>),
    Mail(Box<Mailer>),
}

impl Outlet {
    /// Tries once.
    pub async fn tell(&self, message: &Message, now: Timestamp) -> Result<(), Missed> {
        match self {
            Self::Webhook(endpoint) => endpoint.post(&message.id, now, message.json()).await.arrived(),
            Self::Mail(mailer) => mailer.send(message).await,
        }
    }
}

/// The key under which a deployment's webhooks are signed.
pub fn key(config: &AlertConfig, secret: &Secret) -> Arc<WebhookKey> {
    config.webhook_key.clone().unwrap_or_else(|| Arc::new(WebhookKey::of(secret)))
}

/// Every channel that is configured.
pub fn outlets(config: &AlertConfig, secret: &Secret) -> Result<BTreeMap<Channel, Outlet>, NotifyFault> {
    let key = key(config, secret);
    let webhook = |variable, url: &SecretString| {
        let endpoint = Endpoint::open(url.expose_secret(), Arc::clone(&key));
        let fault = |fault| NotifyFault::Webhook { variable, fault };
        endpoint.map(|endpoint| Outlet::Webhook(Box::new(endpoint))).map_err(fault)
    };
    let mut outlets = BTreeMap::new();
    if let Some(url) = &config.webhook {
        outlets.insert(Channel::Webhook, webhook("ALERT_WEBHOOK_URL", url)?);
    }
    if let Some(url) = &config.second_webhook {
        outlets.insert(Channel::SecondWebhook, webhook("ALERT_WEBHOOK_URL_2", url)?);
    }
    if let Some(mail) = &config.mail {
        for (channel, to) in [(Channel::Mail, &mail.to), (Channel::SecondMail, &mail.second_to)] {
            if !to.is_empty() {
                let mailer = Mailer::open(&mail.server, &mail.from, to)?;
                outlets.insert(channel, Outlet::Mail(Box::new(mailer)));
            }
        }
    }
    Ok(outlets)
}
