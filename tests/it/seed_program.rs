//! The program that shares Redis with Attune and knows only the keys that were there before it, run as its users do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use attune::domain::time::Timestamp;
use serde_json::Value;

use crate::venv;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seed/seed_program.py");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seed/requirements.txt");

pub struct SeedProgram {
    python: &'static Path,
    url: String,
    clock: Option<Timestamp>,
}

impl SeedProgram {
    pub fn on(redis_url: &str) -> Self {
        Self { python: python(), url: redis_url.to_owned(), clock: None }
    }

    /// With `now` on its clock, for a Redis whose clock stands there.
    pub fn at(self, now: Timestamp) -> Self {
        Self { clock: Some(now), ..self }
    }

    /// What one command answers. Waits for its end; a failure tells the command and the kind of the error, no more.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).output().expect("python runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} failed: {}", arguments[0], said.trim());
        serde_json::from_slice(&output.stdout).expect("one line of JSON")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.python);
        // Its times have no zone; UTC is what everybody takes them for.
        command.arg(PROGRAM).args(arguments).env_clear().env("REDIS_URL", &self.url).env("TZ", "UTC");
        if let Some(now) = self.clock {
            // Naive, as the program writes them.
            command.env("SEED_CLOCK", &now.to_string()[..26]);
        }
        command
    }
}

/// The interpreter that has what the program requires.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| venv::python("seed-venv", REQUIREMENTS))
}
