//! `attune safety eval|explain`: how the rules do on labelled texts, and why they say what they say of one.
//!
//! `eval` never prints a word of a text. `explain` prints the words that a rule matched, to whoever typed them.

mod print;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::ExitCode;

use tokio::time::Instant;

use crate::domain::safety::eval::{Case, Outcome, Report};
use crate::domain::safety::{Level, RuleFile, Rules, WEIGHTS};

use super::{Failure, TEXT_MAX_BYTES, Tried, say, standard_input, told};

/// The longest line of a set, in bytes: that of a text, and room for what stands beside it.
const LINE_MAX_BYTES: u64 = 2 * TEXT_MAX_BYTES;

/// How figures are printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printed {
    pub is_json: bool,
    pub with_misses: bool,
}

pub(super) fn eval(set: &Path, at: Level, tried: &Tried, printed: Printed) -> Result<ExitCode, Failure> {
    let outcomes = screened(&open_rules(tried)?, set)?;
    let report = Report::of(&outcomes, at);
    let misses: Vec<&Outcome> = outcomes.iter().filter(|it| printed.with_misses && it.is_miss(at)).collect();
    if printed.is_json {
        print::json(&report, printed.with_misses.then_some(misses.as_slice()))?;
    } else {
        print::figures(&report)?;
        misses.into_iter().try_for_each(print::miss)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn explain(text: &str, tried: &Tried) -> Result<ExitCode, Failure> {
    let rules = open_rules(tried)?;
    if text == "-" {
        print::explanation(&rules, &standard_input()?)?;
    } else {
        print::explanation(&rules, text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The rules inside of the binary, or those of a folder, or the shipped ones with one file of the same name replaced; with the
/// weights inside of the binary, those of a file, or none.
fn open_rules(tried: &Tried) -> Result<Rules, Failure> {
    let own = tried.rules.as_deref().map_or_else(|| Ok(Vec::new()), read_files)?;
    let own: Vec<RuleFile<'_>> = own.iter().map(|(name, text)| RuleFile { name, text }).collect();
    let is_whole = tried.rules.as_deref().is_some_and(Path::is_dir);
    let files = if is_whole { own } else { Rules::shipped_but(&own) };
    let rules = Rules::parse(&files).or_else(|faults| told(&faults))?;
    if tried.rules_alone {
        return Ok(rules);
    }
    let weights = tried.weights.as_deref().map(read).transpose()?;
    rules.with_weights(weights.as_deref().unwrap_or(WEIGHTS)).or_else(|faults| told(&faults))
}

/// Names and texts of a folder's TOML files in the order of their names, or of one file.
fn read_files(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        paths = entries.filter_map(|entry| entry.map(|entry| entry.path()).ok()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
        paths.sort();
    }
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.into_iter().map(|path| Ok((name(&path), read(&path)?))).collect()
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Said(format!("{}: {error}", path.display()))
}

fn screened(rules: &Rules, set: &Path) -> Result<Vec<Outcome>, Failure> {
    let mut file = BufReader::new(File::open(set).map_err(|error| unreadable(set, &error))?);
    let mut outcomes = Vec::new();
    for line in 1.. {
        let mut read = Vec::new();
        let length = file.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut read);
        if length.map_err(|error| unreadable(set, &error))? == 0 {
            break;
        }
        let bad = |problem: &str| Failure::Said(format!("{}: line {line} {problem}", set.display()));
        let text = String::from_utf8(read).map_err(|_not_text| bad("is not UTF-8"))?;
        if text.trim().is_empty() {
            continue;
        }
        let case = Case::parse(&text).map_err(|error| bad(&error.to_string()))?;
        outcomes.push(timed(rules, line, case));
    }
    if outcomes.is_empty() {
        return Err(Failure::Said(format!("{} holds no labelled text", set.display())));
    }
    Ok(outcomes)
}

fn timed(rules: &Rules, line: usize, case: Case) -> Outcome {
    let began = Instant::now();
    let screening = rules.screen(&case.text);
    let took_us = began.elapsed().as_secs_f64() * 1e6;
    Outcome::of(line, case, screening, took_us)
}
