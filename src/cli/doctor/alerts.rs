//! Whether people would be told of alerts, and whether the last ones were. Tells nobody: `attune alerts test` does.

use std::sync::Arc;

use secrecy::SecretBox;
use serde_json::Value;

use super::Finding::{self, Fault, Warning, Well};
use super::PATIENCE;
use crate::access::Secret;
use crate::cli::to_server;
use crate::config::Config;
use crate::domain::notice::Channel;
use crate::notify;

const TRY: &str = "`attune alerts test` says why";

pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    // Nothing is signed with it: what is looked at is whether the addresses can be used.
    let no_secret = Secret::new(Arc::new(SecretBox::new(Box::default())));
    let mut findings = match notify::outlets(&config.alerts, &no_secret) {
        // Where that is hardly meant, the configuration warns.
        Ok(outlets) if outlets.is_empty() => Vec::new(),
        Ok(outlets) => {
            let channels: Vec<&str> = outlets.into_keys().map(Channel::as_str).collect();
            vec![Well(format!("alerts: told by {}; `attune alerts test` tries it", channels.join(", ")))]
        }
        Err(fault) => vec![Fault(fault.to_string(), "set the variable right")],
    };
    if is_failing(config).await {
        let what = "alerts: the last notice did not arrive, says the running server".to_owned();
        findings.push(Warning(what, TRY));
    }
    findings
}

/// What a running server says; false where none runs.
async fn is_failing(config: &Config) -> bool {
    let url = format!("{}/health", config.url.trim_end_matches('/'));
    let Ok(client) = to_server(reqwest::Client::builder().timeout(PATIENCE), config).build() else {
        return false;
    };
    let Ok(answer) = client.get(&url).send().await else { return false };
    answer.json::<Value>().await.is_ok_and(|health| health["services"]["alerts"] == "failing")
}
