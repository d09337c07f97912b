//! `attune audit show|verify|export`.

use std::process::ExitCode;

use serde_json::Value;

use crate::config::Config;

use super::arguments::Audit;
use super::source::{Source, answer, unknown_path, url_of};
use super::{Failure, say};

const PAGE: usize = 500;

pub(super) async fn run(config: &Config, command: Audit) -> Result<ExitCode, Failure> {
    let source = Source::find(config).await?;
    let outcome = match command {
        Audit::Show { from, limit, org } => {
            let page = source.audit(from, limit, org.as_deref()).await;
            page.and_then(|page| print_page(&page))
        }
        Audit::Verify { noted, org } => {
            let found = source.verify_audit(noted.as_deref(), org.as_deref()).await;
            found.and_then(|found| print_found(&found))
        }
        Audit::Export { org } => source.export_audit(org.as_deref()).await,
    };
    source.close().await?;
    outcome
}

impl Source {
    async fn audit(&self, from: u64, limit: usize, org: Option<&str>) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.audit(from, limit, org).await,
            Self::Server { client, url, .. } => {
                let mut url = url_of(url, &["audit"], org)?;
                url.query_pairs_mut()
                    .append_pair("from", &from.to_string())
                    .append_pair("limit", &limit.to_string());
                answer(client.get(url)).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn verify_audit(&self, noted: Option<&str>, org: Option<&str>) -> Result<Value, Failure> {
        match self {
            Self::Store(offline) => offline.verify_audit(noted, org).await,
            Self::Server { client, url, .. } => {
                let mut url = url_of(url, &["audit", "verify"], org)?;
                if let Some(noted) = noted {
                    url.query_pairs_mut().append_pair("noted", noted);
                }
                answer(client.get(url)).await?.ok_or_else(unknown_path)
            }
        }
    }

    async fn export_audit(&self, org: Option<&str>) -> Result<ExitCode, Failure> {
        let mut from = Some(1);
        while let Some(first) = from {
            let page = self.audit(first, PAGE, org).await?;
            records(&page).iter().try_for_each(say)?;
            from = page["next_from"].as_u64();
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn records(page: &Value) -> &[Value] {
    page["records"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn print_page(page: &Value) -> Result<ExitCode, Failure> {
    say(format_args!("{:>8} {:<32} {:<20} {:<8} {:<28} of", "number", "at", "action", "outcome", "who"))?;
    for record in records(page) {
        let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        let who = format!("{} {}", text("role"), text("name"));
        let what = match record["from"].as_str() {
            Some(from) => format!("{from} > {}", text("to")),
            None => text("outcome"),
        };
        let whose = ["session_id", "object", "client"].map(text).concat();
        say(format_args!(
            "{:>8} {:<32} {:<20} {:<8} {:<28} {whose}",
            record["seq"].as_u64().unwrap_or_default(),
            text("at"),
            text("action"),
            what,
            who.trim(),
        ))?;
    }
    say(format_args!("{} shown, the last is {}", records(page).len(), page["last"]))?;
    Ok(ExitCode::SUCCESS)
}

fn print_found(found: &Value) -> Result<ExitCode, Failure> {
    let at = found["at"].as_str().unwrap_or_default();
    if found["whole"] == true {
        say(format_args!("whole: {} records; the end is {at}", found["records"]))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "NOT whole: {}; {} sound records before it",
        found["what"].as_str().unwrap_or_default(),
        found["records"]
    ))?;
    Ok(ExitCode::FAILURE)
}
