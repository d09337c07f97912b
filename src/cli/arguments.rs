//! What can be typed behind `attune`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

use crate::domain::alert::AlertNote;
use crate::domain::safety::Level;

/// A therapy conversation server.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server (also with no command).
    Serve,
    /// Answer a few questions, and have `.env`, keys and the first clinician made.
    Setup(Setup),
    /// Talk with a running server, here in the terminal.
    Chat {
        /// The session to come back to; without one, a new session is opened.
        session_id: Option<String>,
    },
    /// Look at sessions.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Print everything that is kept of a session, its words too, as JSON.
    Export { id: String },
    /// Remove a session and everything in it, and print the receipt.
    Erase { id: String },
    /// Remove sessions that nobody has used for long. What danger holds stays.
    Purge(Purge),
    /// Look at alerts, note that one was seen, or try whether people are told.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Make, list or revoke API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Add, list, let in again or remove those who log in with a name and a password.
    #[command(subcommand)]
    Clinicians(Clinicians),
    /// Look at who did what, and whether the record of it is whole.
    #[command(subcommand)]
    Audit(Audit),
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

/// What is not given is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Setup {
    /// Two letters of a country whose crisis lines are shown; empty for the international finder.
    #[arg(long)]
    pub(super) country: Option<String>,
    /// Supervised where clinicians look after people, `self_help` where there are none.
    #[arg(long)]
    pub(super) mode: Option<String>,
    /// The name of the first clinician; empty for none yet.
    #[arg(long)]
    pub(super) clinician: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Purge {
    /// Days without a turn.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub(super) older_than: u16,
    /// Only count what would go.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The organisation; another than the default one only without a server, or with the bootstrap key.
    #[arg(long)]
    pub(super) org: Option<String>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Model {
    /// Ask each server for a sentence: is it there, has it the model, how fast is it? Fails when none works.
    Check,
    /// Have Ollama load the model, so that nobody waits for it.
    Load,
    /// Have Ollama forget the model, so that its memory is free.
    Unload,
}

#[derive(Debug, Subcommand)]
pub(super) enum Sessions {
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
}

#[derive(Debug, Subcommand)]
pub(super) enum Alerts {
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
    /// Have the running server tell everybody who is told of alerts that this is a test. Fails when one is not reached.
    Test,
    /// Print what webhooks are signed with, for whoever receives them.
    Secret,
}

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
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
pub(super) enum Clinicians {
    /// Add somebody, and show the password, this once.
    Add {
        /// Letters, digits and `_ . - @`.
        name: String,
        /// What the name lets its bearer do.
        #[arg(long, default_value = "clinician", value_parser = ["clinician", "admin"])]
        role: String,
        /// The organisation; another than the default one only without a server, or with the bootstrap key.
        #[arg(long)]
        org: Option<String>,
    },
    /// All of an organisation, by name.
    List {
        #[arg(long)]
        org: Option<String>,
    },
    /// Set a new password for somebody, as for one who is locked out, and show it, this once.
    Reset {
        name: String,
        #[arg(long)]
        org: Option<String>,
    },
    /// Remove somebody.
    Remove {
        name: String,
        #[arg(long)]
        org: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Records, oldest first.
    Show {
        /// The number of the first one.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// How many, 1 to 500.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// The organisation; another than the default one only without a server, or with the bootstrap key.
        #[arg(long)]
        org: Option<String>,
    },
    /// Walk the whole chain and name the first record that is not as it was sealed. Fails when there is one.
    Verify {
        /// `SEQ:MAC`, as an earlier look printed it: the chain has to hold that record.
        #[arg(long)]
        noted: Option<String>,
        #[arg(long)]
        org: Option<String>,
    },
    /// All records as JSON Lines.
    Export {
        #[arg(long)]
        org: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Protocol {
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
pub(super) enum Signals {
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
pub(super) enum Corpus {
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

pub(super) fn notes() -> PossibleValuesParser {
    AlertNote::ALL.iter().copied().map(AlertNote::as_str).into()
}

#[derive(Debug, Subcommand)]
pub(super) enum Safety {
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
pub(super) struct Tried {
    /// Rules to try: a folder instead of those inside of the binary, or one file of it for that of the same name.
    #[arg(long)]
    pub(super) rules: Option<PathBuf>,
    /// Screen by the rules alone, without the weights of words beside them.
    #[arg(long)]
    pub(super) rules_alone: bool,
    /// Weights of words to try instead of those inside of the binary: a file that `scripts/weigh` wrote.
    #[arg(long, conflicts_with = "rules_alone")]
    pub(super) weights: Option<PathBuf>,
}

pub(super) fn alarm_level(name: &str) -> Result<Level, &'static str> {
    match Level::parse(name) {
        Some(level @ (Level::Elevated | Level::High)) => Ok(level),
        Some(Level::None | Level::Crisis) | None => Err("elevated or high"),
    }
}
