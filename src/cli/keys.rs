//! `attune keys create|list|revoke|bootstrap`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::access::{Kind, RawCredential};
use crate::clock::Entropy;
use crate::config::Config;

use super::source::{Source, answer, unknown_path, url_of};
use super::{Failure, Keys, say};

pub(super) fn bootstrap() -> Result<ExitCode, Failure> {
    say(RawCredential::make(Kind::Key, &Entropy::system()).expose())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn run(config: &Config, command: Keys) -> Result<ExitCode, Failure> {
    // Only what makes something makes a store for it.
    let source = match command {
        Keys::Create { .. } => Source::make(config).await?,
        Keys::List { .. } | Keys::Revoke { .. } | Keys::Bootstrap => Source::find(config).await?,
    };
    let outcome = match command {
        Keys::Create { label, role, days, org } => {
            let asked = json!({ "label": label, "role": role, "expires_in_days": days, "organisation": org });
            source.create_key(&asked).await.and_then(|made| print_made(&made))
        }
        Keys::List { org } => source.keys(org.as_deref()).await.and_then(|keys| print_list(&keys)),
        Keys::Revoke { id, org } => {
            source.revoke_key(&id, org.as_deref()).await.and_then(|found| print_revoked(found.as_ref(), &id))
        }
        Keys::Bootstrap => bootstrap(),
    };
    source.close().await?;
    outcome
}

impl Source {
    pub(super) async fn create_key(&self, asked: &Value) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.create_key(asked).await,
            Self::Server { client, url, .. } => {
                let request = client.post(url_of(url, &["keys"], None)?).json(asked);
                answer(request).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn keys(&self, org: Option<&str>) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.keys(org).await,
            Self::Server { client, url, .. } => {
                answer(client.get(url_of(url, &["keys"], org)?)).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn revoke_key(&self, id: &str, org: Option<&str>) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.revoke_key(id, org).await,
            Self::Server { client, url, .. } => answer(client.delete(url_of(url, &["keys", id], org)?)).await,
        }
    }
}

fn print_made(made: &Value) -> Result<ExitCode, Failure> {
    say(made["key"].as_str().unwrap_or_default())?;
    say(format_args!(
        "It is shown this once. Its id is {}: `attune keys revoke {}` ends it.",
        made["id"].as_str().unwrap_or_default(),
        made["id"].as_str().unwrap_or_default()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn print_list(page: &Value) -> Result<ExitCode, Failure> {
    let keys = page["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    say(format_args!("{:<33} {:<6} {:<32} {:<32} label", "id", "role", "made", "ends"))?;
    for key in keys {
        let text = |field: &str| key[field].as_str().unwrap_or("-").to_owned();
        say(format_args!(
            "{:<33} {:<6} {:<32} {:<32} {}",
            text("id"),
            text("role"),
            text("created_at"),
            text("expires_at"),
            text("label"),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_revoked(found: Option<&Value>, id: &str) -> Result<ExitCode, Failure> {
    if found.is_none() {
        return Err(Failure::Said(format!("there is no key {id}")));
    }
    say(format_args!("{id} is revoked"))?;
    Ok(ExitCode::SUCCESS)
}
