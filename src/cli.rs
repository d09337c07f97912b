//! The command line: `serve`, and what an operator does beside it.
//!
//! Commands speak HTTP to a running server and open the embedded store only when no server holds it.

mod alerts;
mod chat;
mod corpus;
mod doctor;
mod keys;
mod model;
mod offline;
mod protocol;
mod safety;
mod serve;
mod sessions;
mod signals;
mod source;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::ExposeSecret;

use crate::config::{Config, ConfigError};
use crate::domain::alert::AlertNote;
use crate::domain::safety::Level;
use crate::llm::trusting;

/// The longest text that is explained, as for an input.
const TEXT_MAX_BYTES: u64 = 256 * 1024;

/// A therapy conversation server.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (also with no command).
    Serve,
    /// Talk with a running server, here in the terminal.
    Chat {
        /// The session to come back to; without one, a new session is opened.
        session_id: Option<String>,
    },
    /// Look at sessions, or delete one.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Look at alerts, or note that one was seen.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Make, list or revoke API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Say what is wrong with configuration, store, disk, clock and key file, and what to do.
    Doctor,
    /// Work on protocols.
    #[command(subcommand)]
    Protocol(Protocol),
    /// Work on the words by which a client's text is understood.
    #[command(subcommand)]
    Signals(Signals),
    /// Work on the examples that replies are made after.
    #[command(subcommand)]
    Corpus(Corpus),
    /// Measure the rules that look for danger, or see why they say what they say.
    #[command(subcommand)]
    Safety(Safety),
    /// Try the model that writes replies, or make it ready.
    #[command(subcommand)]
    Model(Model),
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Model {
    /// Ask each server for a sentence: is it there, has it the model, how fast is it? Fails when none works.
    Check,
    /// Have Ollama load the model, so that nobody waits for it.
    Load,
    /// Have Ollama forget the model, so that its memory is free.
    Unload,
}

#[derive(Debug, Subcommand)]
enum Sessions {
    /// Latest interaction first.
    List {
        /// initializing, active, paused, transitioning, completed, error or expired.
        #[arg(long)]
        status: Option<String>,
        /// none, elevated, high or crisis.
        #[arg(long)]
        level: Option<String>,
        /// How many rows, 1 to 500.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Everything that is known of a session but its words, as JSON.
    Show { id: String },
    /// Remove a session and everything in it.
    Delete { id: String },
}

#[derive(Debug, Subcommand)]
enum Alerts {
    /// The most danger first.
    List {
        /// open, acknowledged or cleared.
        #[arg(long)]
        state: Option<String>,
        /// none, elevated, high or crisis.
        #[arg(long)]
        level: Option<String>,
        /// How many rows, 1 to 500.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Note that an alert was seen. The level stays until it is cleared.
    Acknowledge {
        id: String,
        /// Who has seen it, up to 80 characters.
        #[arg(long)]
        by: Option<String>,
        /// What there is to say about it.
        #[arg(long, value_parser = notes())]
        note: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make a key and show it, this once.
    Create {
        /// What it is for, in up to 80 characters.
        #[arg(long)]
        label: String,
        /// What it lets its bearer do.
        #[arg(long, default_value = "app", value_parser = ["app", "admin"])]
        role: String,
        /// After how many days it ends; without it, it stands until it is revoked.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3_650))]
        days: Option<u16>,
        /// The organisation; another than the default one only without a server, or with the bootstrap key.
        #[arg(long)]
        org: Option<String>,
    },
    /// The keys of an organisation, oldest first. What they are is shown to nobody again.
    List {
        #[arg(long)]
        org: Option<String>,
    },
    /// End a key by its id.
    Revoke {
        id: String,
        #[arg(long)]
        org: Option<String>,
    },
    /// Print a key for `ATTUNE_BOOTSTRAP_KEY`. Nothing of it is stored.
    Bootstrap,
}

#[derive(Debug, Subcommand)]
enum Protocol {
    /// Prove that a protocol can be walked: every step reachable, every loop capped, every text there.
    Check {
        /// A TOML file, or the id of a protocol inside of the binary; without one, stage 1.
        protocol: Option<String>,
    },
    /// Draw a protocol as a Mermaid flowchart.
    Show {
        /// A TOML file, or the id of a protocol inside of the binary; without one, stage 1.
        protocol: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Signals {
    /// Say what a text shows, and by which rule.
    Explain {
        /// The text, or `-` to read it from standard input, where it stays out of the shell's history.
        text: String,
        /// A TOML file of words to read it with; without one, those inside of the binary.
        #[arg(long)]
        words: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Corpus {
    /// Say what is wrong with examples, and how many each label has.
    Check {
        /// A file of JSON Lines, looked at together with the examples inside of the binary; without one, those alone.
        file: Option<PathBuf>,
    },
    /// Check a file of your own examples and put it where the server looks for it at its next start.
    Import {
        /// A file of JSON Lines. It takes the place of the one imported before.
        file: PathBuf,
    },
}

fn notes() -> PossibleValuesParser {
    AlertNote::ALL.iter().copied().map(AlertNote::as_str).into()
}

#[derive(Debug, Subcommand)]
enum Safety {
    /// Screen labelled texts and print recall, precision, false alarms and times; never a word of a text.
    Eval {
        /// A file of JSON Lines: {"text": .., "label": none, elevated, high, crisis, true or false}.
        file: PathBuf,
        /// From which level on a text is danger, and a screening an alarm: elevated or high.
        #[arg(long, default_value = "elevated", value_parser = alarm_level)]
        at: Level,
        /// Print all figures as JSON.
        #[arg(long)]
        json: bool,
        /// Name the lines that were graded otherwise than labelled, by number.
        #[arg(long)]
        misses: bool,
        #[command(flatten)]
        tried: Tried,
    },
    /// Screen one text and print each sign, its rule, and what stood around it.
    Explain {
        /// The text; - reads it from standard input, so that it stays out of the shell's history.
        text: String,
        #[command(flatten)]
        tried: Tried,
    },
}

/// What a text is screened by.
#[derive(Debug, clap::Args)]
struct Tried {
    /// Rules to try: a folder instead of those inside of the binary, or one file of it for that of the same name.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Screen by the rules alone, without the weights of words beside them.
    #[arg(long)]
    rules_alone: bool,
    /// Weights of words to try instead of those inside of the binary: a file that `scripts/weigh` wrote.
    #[arg(long, conflicts_with = "rules_alone")]
    weights: Option<PathBuf>,
}

fn alarm_level(name: &str) -> Result<Level, &'static str> {
    match Level::parse(name) {
        Some(level @ (Level::Elevated | Level::High)) => Ok(level),
        Some(Level::None | Level::Crisis) | None => Err("elevated or high"),
    }
}

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
        Command::Keys(command) => runtime()?.block_on(keys::run(&config, command)),
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

/// A client of a running server, with the credential for it. What somebody writes goes there and nowhere else: no proxy,
/// no redirect.
fn to_server(builder: reqwest::ClientBuilder, config: &Config) -> reqwest::ClientBuilder {
    let builder = builder.no_proxy().redirect(reqwest::redirect::Policy::none());
    let key = config.api_key.as_ref().map(ExposeSecret::expose_secret);
    let key = key.and_then(|key| HeaderValue::from_str(&format!("Bearer {key}")).ok());
    let headers = key.map(|mut key| {
        key.set_sensitive(true);
        (AUTHORIZATION, key)
    });
    trusting(builder.default_headers(headers.into_iter().collect()), std::slice::from_ref(&config.url))
}
