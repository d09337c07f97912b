//! A client at its standard input and output.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{example, tools};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

const PROBE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/probe.mjs");

/// The clients that hold a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Python,
    /// Over a WebSocket.
    LivePython,
    /// By its way to send.
    TypeScript(&'static str),
    /// The same under a program that tells everything that it is told.
    Probe(&'static str),
}

impl Client {
    fn command(self, url: &str) -> Command {
        match self {
            Self::Python => {
                let mut command = Command::new("python3");
                command.arg("-B").arg(example("attune.py")).args([url, "s"]);
                command
            }
            Self::LivePython => {
                let mut command = Command::new(tools::live_python());
                command.arg("-B").arg(example("live.py")).args([url, "s"]);
                command
            }
            Self::TypeScript(over) => {
                let mut command = tools::node();
                command.arg(tools::translated().join("talk.js")).args([url, "s", over]);
                command
            }
            Self::Probe(over) => {
                let mut command = tools::node();
                command.arg(PROBE).arg(tools::translated().join("attune.js")).args([url, "s", over]);
                command
            }
        }
    }

    /// Where what waits is kept.
    pub fn queue(self, home: &Path) -> PathBuf {
        home.join(match self {
            Self::Python | Self::LivePython => "attune-s.queue",
            Self::TypeScript(_) | Self::Probe(_) => "attune-s.json",
        })
    }
}

/// Killed when it goes out of scope.
pub struct Talk {
    child: Child,
    says: ChildStdin,
    hears: Receiver<String>,
}

impl Talk {
    pub fn begin(client: Client, home: &Path, url: &str) -> Self {
        Self::with(client, home, url, "")
    }

    pub fn with(client: Client, home: &Path, url: &str, token: &str) -> Self {
        let mut command = client.command(url);
        command.env("ATTUNE_TOKEN", token);
        Self::run(command, home)
    }

    pub fn run(mut command: Command, home: &Path) -> Self {
        command.current_dir(home).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let (says, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (told, hears) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines();
            lines.map_while(Result::ok).try_for_each(|line| told.send(line))
        });
        Self { child, says, hears }
    }

    pub fn say(&mut self, text: &str) {
        writeln!(self.says, "{text}").expect("it reads");
    }

    /// The next line.
    pub fn hear(&self) -> String {
        self.hears.recv_timeout(PATIENCE).expect("it says something")
    }

    /// The next line that holds a text.
    pub fn hear_of(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "it never says {text}");
            let line = self.hear();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// What the probe tells next of one kind, and everything before it.
    pub fn told(&self, kind: &str) -> (Value, Vec<Value>) {
        let (begun, mut before) = (Instant::now(), Vec::new());
        loop {
            assert!(begun.elapsed() < PATIENCE, "no {kind}, but {before:?}");
            let mut told: Value = serde_json::from_str(&self.hear()).expect("JSON");
            match told.get_mut(kind) {
                Some(value) => return (value.take(), before),
                None => before.push(told),
            }
        }
    }

    /// What it has said and nobody has heard yet.
    pub fn heard(&self) -> Vec<String> {
        self.hears.try_iter().collect()
    }

    /// Ends it at once. What it had said and nobody had heard yet.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        let mut rest = Vec::new();
        loop {
            match self.hears.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("it was killed and goes on"),
            }
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Already gone is as good.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
