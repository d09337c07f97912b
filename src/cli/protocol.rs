//! `attune protocol check`.

use std::path::Path;
use std::process::ExitCode;

use crate::turn::Knowledge;

use super::{Failure, say};

pub(super) fn check(file: Option<&Path>) -> Result<ExitCode, Failure> {
    let source = match file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::Said(format!("{}: {error}", path.display())))?,
        None => Knowledge::PROTOCOL.to_owned(),
    };
    match Knowledge::check_protocol(&source) {
        Ok(summary) => {
            say(summary)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in &faults {
                say(fault)?;
            }
            Err(Failure::Said(format!("{} fault(s)", faults.len())))
        }
    }
}
