//! `attune sessions list|show`.

use std::process::ExitCode;

use serde_json::Value;

use crate::config::Config;

use super::source::{Source, answer, page_url, unknown_path};
use super::{Failure, Sessions, say};

pub(super) async fn run(config: &Config, command: Sessions) -> Result<ExitCode, Failure> {
    let source = Source::find(config).await?;
    let outcome = match command {
        Sessions::List { status, level, limit } => {
            let listed = source.list(status.as_deref(), level.as_deref(), limit).await;
            listed.and_then(|page| print_list(&page))
        }
        Sessions::Show { id } => source.show(&id).await.and_then(|found| print_found(found, &id)),
    };
    source.close().await?;
    outcome
}

impl Source {
    async fn list(&self, status: Option<&str>, level: Option<&str>, limit: usize) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.list(status, level, limit).await,
            Self::Server { client, url, .. } => {
                let filters = [("status", status), ("safety_level", level)];
                let url = page_url(&format!("{url}/api/v1/sessions"), limit, &filters)?;
                answer(client.get(url)).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn show(&self, id: &str) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.show(id).await,
            Self::Server { client, url, .. } => {
                answer(client.get(format!("{url}/api/v1/session/{id}"))).await
            }
        }
    }
}

pub(super) fn print_found(found: Option<Value>, id: &str) -> Result<ExitCode, Failure> {
    let Some(body) = found else { return Err(Failure::Said(format!("there is no session {id}"))) };
    say(serde_json::to_string_pretty(&body).unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}

fn print_list(page: &Value) -> Result<ExitCode, Failure> {
    let rows = page["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    say(format_args!("{:<40} {:<13} {:<9} {:>5}  last interaction", "session", "status", "level", "turns"))?;
    for row in rows {
        let text = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
        say(format_args!(
            "{:<40} {:<13} {:<9} {:>5}  {}",
            text("session_id"),
            text("status"),
            text("safety_level"),
            row["turn_count"].as_u64().unwrap_or_default(),
            text("last_interaction"),
        ))?;
    }
    say(format_args!("{} of {}", rows.len(), page["total_sessions"]))?;
    Ok(ExitCode::SUCCESS)
}
