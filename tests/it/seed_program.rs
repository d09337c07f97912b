//! The program that shares Redis with Attune and knows only the keys that were there before it, run as its users do.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use attune::domain::time::Timestamp;
use serde_json::Value;

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

/// The interpreter that has what the program requires: made once for this process, and by one process at a time.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("seed-venv");
        let lock = File::create(home.with_extension("lock")).expect("a lock file");
        // Ends with the file, at the end of this function.
        lock.lock().expect("the lock");
        let (python, stamp) = (home.join("bin/python"), home.join("requirements.txt"));
        let required = fs::read(REQUIREMENTS).expect("readable");
        let ready = fs::read(&stamp).is_ok_and(|installed| installed == required) && runs(&python);
        if !ready {
            install(&home, &python);
            fs::write(&stamp, required).expect("a stamp");
        }
        python
    })
}

fn runs(python: &Path) -> bool {
    Command::new(python).args(["-c", "import redis"]).output().is_ok_and(|output| output.status.success())
}

fn install(home: &Path, python: &Path) {
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(home);
    let made = make.output();
    let made =
        made.unwrap_or_else(|error| panic!("python3 is missing: apt-get install python3-venv ({error})"));
    assert_done(&made, "no virtual environment; is python3-venv missing? apt-get install python3-venv");
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "-r",
        REQUIREMENTS,
    ]);
    assert_done(
        &pip.output().expect("pip runs"),
        "what tests/seed/requirements.txt names can't be installed",
    );
}

fn assert_done(output: &Output, otherwise: &str) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{otherwise}:\n{out}{err}");
}
