//! `attune alerts list|acknowledge`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::Config;

use super::source::{Source, answer, page_url, unknown_path, url_of};
use super::{Alerts, Failure, say};

pub(super) async fn run(config: &Config, command: Alerts) -> Result<ExitCode, Failure> {
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
    say(format_args!("{:<49} {:<10} {:<9} {:<12} {:<32} session", "alert", "kind", "level", "state", "at"))?;
    for row in rows {
        let text = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
        say(format_args!(
            "{:<49} {:<10} {:<9} {:<12} {:<32} {}",
            text("id"),
            text("kind"),
            text("level"),
            text("state"),
            text("at"),
            text("session_id"),
        ))?;
    }
    say(format_args!("{} shown, {} open", rows.len(), page["open_alerts"]))?;
    Ok(ExitCode::SUCCESS)
}
