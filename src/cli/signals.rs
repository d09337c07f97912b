//! `attune signals`: what the words of a language see in a text, and by which rule. For whoever mends the words; it
//! stores and sends nothing.

use std::path::Path;
use std::process::ExitCode;

use crate::domain::signals::{ENGLISH, Lexicon, Signals};

use super::{Failure, say, standard_input, told};

/// How a text is named that comes on standard input.
const FROM_INPUT: &str = "-";

pub(super) fn explain(text: &str, words: Option<&Path>) -> Result<ExitCode, Failure> {
    let lexicon = lexicon(words)?;
    let signals = lexicon.read(&given(text)?);
    for line in lines(&signals) {
        say(line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lexicon(words: Option<&Path>) -> Result<Lexicon, Failure> {
    let source = match words {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::Said(format!("{}: {error}", path.display())))?,
        None => ENGLISH.to_owned(),
    };
    Lexicon::parse(&source).or_else(|faults| told(&faults))
}

fn given(text: &str) -> Result<String, Failure> {
    if text != FROM_INPUT {
        return Ok(text.to_owned());
    }
    Ok(standard_input()?.trim_end_matches('\n').to_owned())
}

fn lines(signals: &Signals) -> Vec<String> {
    let mut lines = vec![format!("category   {}", signals.input_category)];
    let state = &signals.emotional_state;
    lines.push(format!("emotion    {} ({} of 3)", state.primary_emotion, state.intensity));
    for (from, to) in &signals.spelling_corrections {
        lines.push(format!("spelling   {from} -> {to}"));
    }
    lines.extend(
        signals.found().iter().map(|found| format!("signal     {:<18} {}", found.signal, found.rule)),
    );
    lines.extend(signals.facts().map(|(name, said)| format!("fact       {name:<18} {said}")));
    lines
}
