//! `attune clinicians add|list|reset|remove`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::Config;

use super::source::{Source, answer, unknown_path, url_of};
use super::{Clinicians, Failure, say};

pub(super) async fn run(config: &Config, command: Clinicians) -> Result<ExitCode, Failure> {
    let source = Source::make(config).await?;
    let outcome = match command {
        Clinicians::Add { name, role, org } => {
            let asked = json!({ "name": name, "role": role, "organisation": org });
            source.add_clinician(&asked).await.and_then(|added| print_password(&added))
        }
        Clinicians::List { org } => {
            source.clinicians(org.as_deref()).await.and_then(|page| print_list(&page))
        }
        Clinicians::Reset { name, org } => {
            let found = source.reset_clinician(&name, org.as_deref()).await;
            found.and_then(|found| print_password(&found.ok_or_else(|| nobody(&name))?))
        }
        Clinicians::Remove { name, org } => {
            let found = source.remove_clinician(&name, org.as_deref()).await;
            found.and_then(|found| print_removed(found.as_ref(), &name))
        }
    };
    source.close().await?;
    outcome
}

impl Source {
    pub(super) async fn add_clinician(&self, asked: &Value) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.add_clinician(asked).await,
            Self::Server { client, url, .. } => {
                let request = client.post(url_of(url, &["clinicians"], None)?).json(asked);
                answer(request).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn clinicians(&self, org: Option<&str>) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.clinicians(org).await,
            Self::Server { client, url, .. } => {
                answer(client.get(url_of(url, &["clinicians"], org)?)).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn reset_clinician(&self, name: &str, org: Option<&str>) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.reset_clinician(name, org).await,
            Self::Server { client, url, .. } => {
                let url = url_of(url, &["clinicians", name, "reset"], None)?;
                answer(client.post(url).json(&json!({ "organisation": org }))).await
            }
        }
    }

    async fn remove_clinician(&self, name: &str, org: Option<&str>) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.remove_clinician(name, org).await,
            Self::Server { client, url, .. } => {
                answer(client.delete(url_of(url, &["clinicians", name], org)?)).await
            }
        }
    }
}

fn nobody(name: &str) -> Failure {
    Failure::Said(format!("there is nobody called {name}"))
}

fn print_password(added: &Value) -> Result<ExitCode, Failure> {
    say(added["password"].as_str().unwrap_or_default())?;
    say(format_args!(
        "It is the password of {}, shown this once. Whoever logs in with it can choose another.",
        added["name"].as_str().unwrap_or_default()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn print_list(page: &Value) -> Result<ExitCode, Failure> {
    let clinicians = page["clinicians"].as_array().map(Vec::as_slice).unwrap_or_default();
    say(format_args!("{:<40} {:<10} added", "name", "role"))?;
    for clinician in clinicians {
        let text = |field: &str| clinician[field].as_str().unwrap_or("-").to_owned();
        say(format_args!("{:<40} {:<10} {}", text("name"), text("role"), text("created_at")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_removed(found: Option<&Value>, name: &str) -> Result<ExitCode, Failure> {
    if found.is_none() {
        return Err(nobody(name));
    }
    say(format_args!("{name} is removed"))?;
    Ok(ExitCode::SUCCESS)
}
