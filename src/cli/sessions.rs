//! `attune sessions list|show|delete`.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::config::Config;

use super::offline::Offline;
use super::{Failure, Sessions, say, to_server};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(config: &Config, command: Sessions) -> Result<ExitCode, Failure> {
    let source = Source::find(config).await?;
    let outcome = match command {
        Sessions::List { status, level, limit } => {
            let listed = source.list(status.as_deref(), level.as_deref(), limit).await;
            listed.and_then(|page| print_list(&page))
        }
        Sessions::Show { id } => source.show(&id).await.and_then(|found| print_found(found, &id)),
        Sessions::Delete { id } => source.delete(&id).await.and_then(|found| print_found(found, &id)),
    };
    source.close().await?;
    outcome
}

/// Where sessions are asked for.
enum Source {
    Server { client: reqwest::Client, url: String },
    Store(Box<Offline>),
}

impl Source {
    /// A running server, else the store itself.
    async fn find(config: &Config) -> Result<Self, Failure> {
        let client = to_server(reqwest::Client::builder().timeout(PATIENCE), &config.url);
        let client = client.build().map_err(Failure::of)?;
        let url = config.url.trim_end_matches('/').to_owned();
        match client.get(format!("{url}/livez")).send().await {
            Ok(_answers) => Ok(Self::Server { client, url }),
            Err(error) if error.is_connect() => Ok(Self::Store(Box::new(Offline::open(config).await?))),
            Err(error) => Err(Failure::of(error)),
        }
    }

    async fn list(&self, status: Option<&str>, level: Option<&str>, limit: usize) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.list(status, level, limit).await,
            Self::Server { client, url } => {
                let mut url = reqwest::Url::parse(&format!("{url}/api/v1/sessions")).map_err(Failure::of)?;
                url.query_pairs_mut().append_pair("limit", &limit.to_string());
                let filters = [("status", status), ("safety_level", level)];
                for (name, value) in filters.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                    url.query_pairs_mut().append_pair(name, value);
                }
                let found = answer(client.get(url)).await?;
                found.ok_or_else(|| Failure::Said("the server does not know this path".to_owned()))
            }
        }
    }

    async fn show(&self, id: &str) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.show(id).await,
            Self::Server { client, url } => answer(client.get(format!("{url}/api/v1/session/{id}"))).await,
        }
    }

    async fn delete(&self, id: &str) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.delete(id).await,
            Self::Server { client, url } => answer(client.delete(format!("{url}/api/v1/session/{id}"))).await,
        }
    }

    async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Store(offline) => offline.close().await,
            Self::Server { .. } => Ok(()),
        }
    }
}

/// The JSON of an answer; `None` for a 404.
async fn answer(request: reqwest::RequestBuilder) -> Result<Option<Value>, Failure> {
    let response = request.send().await.map_err(Failure::of)?;
    let status = response.status();
    let body: Value = serde_json::from_slice(&response.bytes().await.map_err(Failure::of)?)
        .map_err(|_| Failure::Said(format!("the server answered {status} without JSON")))?;
    if status.as_u16() == 404 {
        return Ok(None);
    }
    if !status.is_success() {
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or("no detail");
        return Err(Failure::Said(format!("the server answered {status}: {detail}")));
    }
    Ok(Some(body))
}

fn print_found(found: Option<Value>, id: &str) -> Result<ExitCode, Failure> {
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
