//! `attune protocol`: proves that a protocol can be walked, and draws it.

use std::process::ExitCode;

use crate::app::protocol_source;
use crate::domain::fault::Fault;
use crate::turn::Knowledge;

use super::{Failure, Protocol, say, told};

pub(super) fn run(command: &Protocol) -> Result<ExitCode, Failure> {
    let (done, protocol) = match command {
        Protocol::Check { protocol } => (Knowledge::check_protocol as Work, protocol),
        Protocol::Show { protocol } => (Knowledge::draw_protocol as Work, protocol),
    };
    let source = match protocol.as_deref() {
        Some(named) => protocol_source(named).map_err(|error| Failure::Said(format!("{named}: {error}")))?,
        None => Knowledge::PROTOCOL.to_owned(),
    };
    match done(&source) {
        Ok(text) => {
            say(text.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => told(&faults),
    }
}

type Work = fn(&str) -> Result<String, Vec<Fault>>;
