//! `attune export|erase|purge`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::Config;

use super::sessions::print_found;
use super::source::{Source, answer, unknown_path, url_of};
use super::{Failure, Purge, say};

pub(super) async fn export(config: &Config, id: &str) -> Result<ExitCode, Failure> {
    let source = Source::find(config).await?;
    let outcome = source.export(id).await.and_then(|found| print_found(found, id));
    source.close().await?;
    outcome
}

pub(super) async fn erase(config: &Config, id: &str) -> Result<ExitCode, Failure> {
    let source = Source::find(config).await?;
    let outcome = source.erase(id).await.and_then(|found| print_found(found, id));
    source.close().await?;
    outcome
}

pub(super) async fn purge(config: &Config, purge: Purge) -> Result<ExitCode, Failure> {
    let source = Source::find(config).await?;
    let outcome = source.purge_all(&purge).await.and_then(|sum| print_sum(&sum, &purge));
    source.close().await?;
    outcome
}

impl Source {
    async fn export(&self, id: &str) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.export(id).await,
            Self::Server { client, url, .. } => {
                answer(client.get(url_of(url, &["session", id, "export"], None)?)).await
            }
        }
    }

    async fn erase(&self, id: &str) -> Result<Option<Value>, Failure> {
        match self {
            Self::Store(offline) => offline.erase(id).await,
            Self::Server { client, url, .. } => {
                answer(client.delete(url_of(url, &["session", id], None)?)).await
            }
        }
    }

    /// Page by page, to the end.
    async fn purge_all(&self, purge: &Purge) -> Result<Sum, Failure> {
        let (mut sum, mut cursor) = (Sum::default(), Value::Null);
        loop {
            let page = self.purge(purge, &cursor).await?;
            sum.add(&page);
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                return Ok(sum);
            }
        }
    }

    async fn purge(&self, purge: &Purge, cursor: &Value) -> Result<Value, Failure> {
        let asked = json!({
            "older_than_days": purge.older_than, "dry_run": purge.dry_run, "cursor": cursor, "organisation": purge.org
        });
        match self {
            Self::Store(offline) => offline.purge(asked).await,
            Self::Server { client, url, .. } => {
                let request = client.post(url_of(url, &["purge"], None)?).json(&asked);
                answer(request).await?.ok_or_else(unknown_path)
            }
        }
    }
}

/// The pages, added up.
#[derive(Default)]
struct Sum {
    sessions: u64,
    held: u64,
    in_use: u64,
    exchanges: u64,
    notes: u64,
    unverified: u64,
}

impl Sum {
    fn add(&mut self, page: &Value) {
        let of = |value: &Value| value.as_u64().unwrap_or_default();
        self.sessions += of(&page["sessions"]);
        self.held += of(&page["held"]);
        self.in_use += of(&page["in_use"]);
        self.exchanges += of(&page["erased"]["exchanges"]);
        self.notes += of(&page["erased"]["notes"]);
        self.unverified += of(&page["erased"]["unverified"]);
    }
}

fn print_sum(sum: &Sum, purge: &Purge) -> Result<ExitCode, Failure> {
    let (sessions, days) = (sum.sessions, purge.older_than);
    if purge.dry_run {
        say(format_args!("{sessions} sessions without a turn for {days} days would go"))?;
    } else {
        say(format_args!(
            "{sessions} sessions without a turn for {days} days are gone, with {} exchanges and {} notes",
            sum.exchanges, sum.notes
        ))?;
    }
    if sum.held > 0 {
        say(format_args!("{} stay, held by danger or by a report that nobody has seen", sum.held))?;
    }
    if sum.in_use > 0 {
        say(format_args!("{} stay, used again meanwhile", sum.in_use))?;
    }
    if sum.unverified == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("of {} something was still found when they were read again", sum.unverified))?;
    Ok(ExitCode::FAILURE)
}
