//! `attune store`: a running server's store switched by hand.

use std::process::ExitCode;

use serde_json::Value;

use crate::config::Config;

use super::source::{Source, answer, unknown_path, url_of};
use super::{Failure, say};

pub(super) async fn switch(config: &Config, mode: &str) -> Result<ExitCode, Failure> {
    let source = Source::find(config).await?;
    let switched = match &source {
        Source::Server { client, url, .. } => {
            let switched = answer(client.post(url_of(url, &["store", mode], None)?)).await;
            switched.and_then(|told| told.ok_or_else(unknown_path))
        }
        Source::Store(_) => Err(Failure::Said(format!("no server answers at {}", config.url))),
    };
    source.close().await?;
    print(&switched?)
}

fn print(standing: &Value) -> Result<ExitCode, Failure> {
    let by = if standing["by_hand"] == true { "by hand" } else { "by the rule" };
    say(format_args!(
        "turns are kept in: {} ({by}); {} wait in the journal",
        standing["mode"].as_str().unwrap_or("-"),
        standing["turns_waiting"]
    ))?;
    Ok(ExitCode::SUCCESS)
}
