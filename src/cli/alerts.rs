//! `attune alerts list|acknowledge|test|secret`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::app;
use crate::clock::Entropy;
use crate::config::Config;
use crate::notify;

use super::source::{Source, answer, page_url, unknown_path, url_of};
use super::{Alerts, Failure, say};

/// Longer than any channel tries.
const TEST_PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(config: &Config, command: Alerts) -> Result<ExitCode, Failure> {
    if matches!(command, Alerts::Secret) {
        return print_secret(config).await;
    }
    let source = Source::find(config).await?;
    let outcome = match command {
        Alerts::List { state, level, limit } => {
            let listed = source.alerts(state.as_deref(), level.as_deref(), limit).await;
            listed.and_then(|page| print_list(&page))
        }
        Alerts::Acknowledge { id, by, note } => {
            let found = source.acknowledge(&id, by.as_deref(), note.as_deref()).await;
            found.and_then(|found| print_acknowledged(found, &id))
        }
        Alerts::Test => source.test().await.and_then(|tested| print_tested(&tested)),
        Alerts::Secret => Ok(ExitCode::SUCCESS),
    };
    source.close().await?;
    outcome
}

impl Source {
    async fn alerts(&self, state: Option<&str>, level: Option<&str>, limit: usize) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.alerts(state, level, limit).await,
            Self::Server { client, url, .. } => {
                let filters = [("state", state), ("level", level)];
                let url = page_url(&format!("{url}/api/v1/alerts"), limit, &filters)?;
                answer(client.get(url)).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn test(&self) -> Result<Value, Failure> {
        match self {
            Self::Store(_) => Err(Failure::Said("no server runs that could tell anybody".to_owned())),
            Self::Server { client, url, .. } => {
                let request = client.post(url_of(url, &["alerts", "test"], None)?).timeout(TEST_PATIENCE);
                answer(request).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn acknowledge(
        &self,
        id: &str,
        by: Option<&str>,
        note: Option<&str>,
    ) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.acknowledge(id, by, note).await,
            Self::Server { client, url, .. } => {
                let url = url_of(url, &["alerts", id, "acknowledge"], None)?;
                answer(client.post(url).json(&json!({ "by": by, "note": note }))).await
            }
        }
    }
}

async fn print_secret(config: &Config) -> Result<ExitCode, Failure> {
    let secret = app::secret(config, &Arc::new(Entropy::system())).await.map_err(Failure::of)?;
    say(notify::key(&config.alerts, &secret).shown().expose_secret())?;
    Ok(ExitCode::SUCCESS)
}

fn print_tested(tested: &Value) -> Result<ExitCode, Failure> {
    let channels = tested["channels"].as_array().map(Vec::as_slice).unwrap_or_default();
    if channels.is_empty() {
        return Err(Failure::Said(
            "nobody is told of alerts: set ALERT_WEBHOOK_URL or ALERT_SMTP_URL".to_owned(),
        ));
    }
    let mut code = ExitCode::SUCCESS;
    for tested in channels {
        let channel = tested["channel"].as_str().unwrap_or_default();
        if tested["delivered"] == true {
            say(format_args!("{channel:<10} delivered"))?;
        } else {
            say(format_args!("{channel:<10} FAILED: {}", tested["why"].as_str().unwrap_or_default()))?;
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn print_acknowledged(found: Option<Value>, id: &str) -> Result<ExitCode, Failure> {
    let Some(body) = found else { return Err(Failure::Said(format!("there is no alert {id}"))) };
    let (alert, already) = (&body["alert"], body["already"] == true);
    let by = alert["acknowledged_by"].as_str().map(|by| format!(" by {by}")).unwrap_or_default();
    let state = alert["state"].as_str().unwrap_or_default();
    say(if already { format!("it was {state} already{by}") } else { format!("{state}{by}") })?;
    Ok(ExitCode::SUCCESS)
}

fn print_list(page: &Value) -> Result<ExitCode, Failure> {
    let rows = page["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
    say(format_args!(
        "{:<49} {:<10} {:<9} {:<12} {:<32} {:<40} session",
        "alert", "kind", "level", "state", "at", "told"
    ))?;
    for row in rows {
        let text = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
        say(format_args!(
            "{:<49} {:<10} {:<9} {:<12} {:<32} {:<40} {}",
            text("id"),
            text("kind"),
            text("level"),
            text("state"),
            text("at"),
            told(&row["notices"]),
            text("session_id"),
        ))?;
    }
    say(format_args!("{} shown, {} open", rows.len(), page["open_alerts"]))?;
    Ok(ExitCode::SUCCESS)
}

/// `webhook 3 delivered`, for each channel.
fn told(notices: &Value) -> String {
    let notices = notices.as_array().map(Vec::as_slice).unwrap_or_default();
    let told = |notice: &Value| {
        let text = |field: &str| notice[field].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("channel"), notice["number"], text("delivery"))
    };
    if notices.is_empty() {
        return "-".to_owned();
    }
    notices.iter().map(told).collect::<Vec<_>>().join(", ")
}
