//! `attune corpus check|import`.

use std::path::Path;
use std::process::ExitCode;

use crate::config::Config;
use crate::retrieval::{Corpus, file};

use super::{Failure, say, told};

pub(super) fn check(path: Option<&Path>) -> Result<ExitCode, Failure> {
    let corpus = match path {
        Some(path) => Corpus::with_own(&file::read(path).map_err(Failure::of)?),
        None => Corpus::shipped(),
    };
    let corpus = corpus.or_else(|faults| told(&faults))?;
    for (label, count) in corpus.counts() {
        say(format_args!("{count:>5}  {label}"))?;
    }
    say_overridden(&corpus)?;
    say(format_args!("{} examples ({}), sound", corpus.passages().len(), corpus.hash()))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn import(config: &Config, from: &Path) -> Result<ExitCode, Failure> {
    let source = file::read(from).map_err(Failure::of)?;
    let corpus = Corpus::with_own(&source).or_else(|faults| told(&faults))?;
    let to = &config.retrieval.corpus;
    let was_there = to.exists();
    file::replace(to, &source)
        .map_err(|error| Failure::Said(format!("{} cannot be written: {error}", to.display())))?;
    say_overridden(&corpus)?;
    let how = if was_there { "take the place of those that were in" } else { "are in" };
    say(format_args!("your examples {how} {}", to.display()))?;
    say(format_args!(
        "{} examples with the shipped ones; a running server reads them at its next start",
        corpus.passages().len()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn say_overridden(corpus: &Corpus) -> Result<(), Failure> {
    for id in corpus.overridden() {
        say(format_args!("{id}: yours stands for the shipped one"))?;
    }
    Ok(())
}
