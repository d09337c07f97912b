//! The command line: `serve`, and what an operator does beside it.
//!
//! Commands speak HTTP to a running server and open the embedded store only when no server holds it.

mod alerts;
mod arguments;
mod audit;
mod chat;
mod clinicians;
mod corpus;
mod doctor;
mod keys;
mod login;
mod model;
mod offline;
mod protocol;
mod rights;
mod safety;
mod serve;
mod sessions;
mod setup;
mod signals;
mod source;
mod store;

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;

use crate::config::{Config, ConfigError};
use crate::llm::trusting;

use arguments::{
    Alerts, Arguments, Clinicians, Command, Corpus, Keys, Model, Protocol, Purge, Safety, Sessions, Signals,
    Tried,
};

/// The longest text that is explained, as for an input.
const TEXT_MAX_BYTES: u64 = 256 * 1024;

/// Why a command did not do its work, in a line for the operator.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Said(String),
    #[error("writing to the terminal failed: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    fn of(error: impl std::fmt::Display) -> Self {
        Self::Said(error.to_string())
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command.unwrap_or(Command::Serve)) {
        Ok(code) => code,
        Err(failure) => {
            // Where not even that can be written, the exit code has to do.
            let _unwritable = writeln!(std::io::stderr(), "attune: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    if let Command::Protocol(command) = command {
        return protocol::run(&command);
    }
    if let Command::Signals(Signals::Explain { text, words }) = command {
        return signals::explain(&text, words.as_deref());
    }
    if let Command::Corpus(Corpus::Check { file }) = command {
        return corpus::check(file.as_deref());
    }
    if let Command::Safety(command) = command {
        return run_safety(command);
    }
    if let Command::Keys(Keys::Bootstrap) = command {
        return keys::bootstrap();
    }
    if matches!(command, Command::Doctor) {
        return runtime()?.block_on(doctor::examine(Config::from_environment()));
    }
    let config = Config::from_environment()?;
    match command {
        Command::Serve => runtime()?.block_on(serve::serve(&config)),
        Command::Chat { session_id } => runtime()?.block_on(chat::run(&config, session_id)),
        Command::Sessions(sessions) => runtime()?.block_on(sessions::run(&config, sessions)),
        Command::Export { id } => runtime()?.block_on(rights::export(&config, &id)),
        Command::Erase { id } => runtime()?.block_on(rights::erase(&config, &id)),
        Command::Purge(purge) => runtime()?.block_on(rights::purge(&config, purge)),
        Command::Setup(asked) => runtime()?.block_on(setup::run(&config, asked)),
        Command::Audit(command) => runtime()?.block_on(audit::run(&config, command)),
        Command::Clinicians(command) => runtime()?.block_on(clinicians::run(&config, command)),
        Command::Keys(command) => runtime()?.block_on(keys::run(&config, command)),
        Command::Store { mode } => runtime()?.block_on(store::switch(&config, &mode)),
        Command::Alerts(alerts) => runtime()?.block_on(alerts::run(&config, alerts)),
        Command::Corpus(Corpus::Import { file }) => corpus::import(&config, &file),
        Command::Doctor
        | Command::Protocol(_)
        | Command::Signals(_)
        | Command::Corpus(Corpus::Check { .. })
        | Command::Safety(_) => Ok(ExitCode::SUCCESS),
        Command::Model(command) => runtime()?.block_on(model::run(&config, command)),
    }
}

fn run_safety(command: Safety) -> Result<ExitCode, Failure> {
    match command {
        Safety::Eval { file, at, json, misses, tried } => {
            let printed = safety::Printed { is_json: json, with_misses: misses };
            safety::eval(&file, at, &tried, printed)
        }
        Safety::Explain { text, tried } => safety::explain(&text, &tried),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::of)
}

/// Says every fault of a data file, a line each, and fails with their number.
fn told<T>(faults: &[impl std::fmt::Display]) -> Result<T, Failure> {
    faults.iter().try_for_each(say)?;
    Err(Failure::Said(format!("{} fault(s)", faults.len())))
}

/// What came on standard input, as much as an input may be long.
fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().take(TEXT_MAX_BYTES).read_to_string(&mut text).map_err(Failure::of)?;
    Ok(text)
}

/// One line on standard output.
fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// A client of a running server, with the credential for it.
fn to_server(builder: reqwest::ClientBuilder, config: &Config) -> reqwest::ClientBuilder {
    let key = config.api_key.as_ref().map(ExposeSecret::expose_secret);
    let key = key.and_then(|key| HeaderValue::from_str(&format!("Bearer {key}")).ok());
    let headers = key.map(|mut key| {
        key.set_sensitive(true);
        (AUTHORIZATION, key)
    });
    with_headers(builder, config, headers.into_iter().collect())
}

/// What somebody writes goes to the server and nowhere else: no proxy, no redirect.
fn with_headers(
    builder: reqwest::ClientBuilder,
    config: &Config,
    headers: HeaderMap,
) -> reqwest::ClientBuilder {
    let builder = builder.no_proxy().redirect(reqwest::redirect::Policy::none());
    trusting(builder.default_headers(headers), std::slice::from_ref(&config.url))
}
