//! Pythons that have what a program requires, made below `target`: once for this process, and by one process at a time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The interpreter of the environment of this name.
pub fn python(name: &str, requirements: &str) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(name);
    let lock = File::create(home.with_extension("lock")).expect("a lock file");
    // Ends with the file, at the end of this function.
    lock.lock().expect("the lock");
    let (python, stamp) = (home.join("bin/python"), home.join("requirements.txt"));
    let required = fs::read(requirements).expect("readable");
    let ready = fs::read(&stamp).is_ok_and(|installed| installed == required) && runs(&python);
    if !ready {
        install(&home, &python, requirements);
        fs::write(&stamp, required).expect("a stamp");
    }
    python
}

fn runs(python: &Path) -> bool {
    Command::new(python).args(["-c", ""]).output().is_ok_and(|output| output.status.success())
}

fn install(home: &Path, python: &Path, requirements: &str) {
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(home);
    let made = make.output();
    let made =
        made.unwrap_or_else(|error| panic!("python3 is missing: apt-get install python3-venv ({error})"));
    assert_done(&made, "no virtual environment; is python3-venv missing? apt-get install python3-venv");
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
    let installed = pip.args(["-r", requirements]).output().expect("pip runs");
    assert_done(&installed, &format!("what {requirements} names can't be installed"));
}

fn assert_done(output: &Output, otherwise: &str) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{otherwise}:\n{out}{err}");
}
