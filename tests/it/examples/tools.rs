//! What the example clients are run with, beside the machine's own Python, bash and curl: the TypeScript, type-checked and
//! translated with what its lock file names, and a Python that has the library for `WebSockets`. Made below `target`, once for
//! this process, and by one process at a time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::example;
use crate::venv;

/// The directory of the scripts that came of the TypeScript.
pub fn translated() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let home = below_target("examples-npm");
        let _lock = lock(&home);
        install_packages(&home);
        let made = home.join("built");
        let mut tsc = tsc(&home);
        tsc.args(["--project", &example(""), "--typeRoots"]).arg(home.join("node_modules/@types"));
        tsc.arg("--outDir").arg(&made);
        assert_done(tsc, "the clients in TypeScript are not sound");
        // Modules, as the package of the examples says.
        fs::copy(example("package.json"), made.join("package.json")).expect("copied");
        made
    })
}

/// A Python that has the library for `WebSockets`.
pub fn live_python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        venv::python("examples-venv", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/requirements.txt"))
    })
}

/// Node, with the WebSocket that newer ones have by themselves.
pub fn node() -> Command {
    let mut node = Command::new("node");
    node.args(["--no-warnings", "--experimental-websocket"]);
    node
}

/// Checks one file as a browser's, with nothing of Node around.
pub fn check_for_browsers(file: &str) {
    translated();
    let mut tsc = tsc(&below_target("examples-npm"));
    tsc.args(["--noEmit", "--strict", "--target", "es2022", "--module", "es2022"]);
    tsc.args(["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"]);
    tsc.arg("--typeRoots").arg(below_target("nothing")).arg(example(file));
    assert_done(tsc, "this client needs more than a browser has");
}

fn tsc(home: &Path) -> Command {
    let mut tsc = Command::new("node");
    tsc.arg(home.join("node_modules/typescript/bin/tsc"));
    tsc
}

fn install_packages(home: &Path) {
    let version = Command::new("node").arg("--version").output();
    let version =
        version.unwrap_or_else(|error| panic!("node is missing, 20 or later: https://nodejs.org ({error})"));
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    assert!(
        major.is_some_and(|major| major >= 20),
        "node {version} is too old: 20 or later, https://nodejs.org"
    );
    let locked = fs::read(example("package-lock.json")).expect("readable");
    let stamp = home.join("installed.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == locked) {
        return;
    }
    fs::create_dir_all(home).expect("a directory");
    for name in ["package.json", "package-lock.json"] {
        fs::copy(example(name), home.join(name)).expect("copied");
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(home);
    assert_done(npm, "what examples/clients/package-lock.json names can't be installed; is npm there?");
    fs::write(stamp, locked).expect("a stamp");
}

fn below_target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(name)
}

/// Held until it goes out of scope.
fn lock(home: &Path) -> File {
    let lock = File::create(home.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    lock
}

fn assert_done(mut command: Command, otherwise: &str) {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{otherwise}: {command:?} does not start ({error})"));
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{otherwise}:\n{out}{err}");
}
