//! The protocol that new sessions follow: one inside of the binary, or a clinician's own file.

use crate::config::Config;
use crate::domain::protocol::shipped;
use crate::turn::Knowledge;

use super::{StartError, consent};

/// The source of a protocol: the one inside of the binary that goes by this id, or else the file at this path.
pub fn protocol_source(named: &str) -> std::io::Result<String> {
    shipped(named).map_or_else(|| std::fs::read_to_string(named), |source| Ok(source.to_owned()))
}

/// All that a server knows before anybody speaks.
pub fn open_knowledge(config: &Config) -> Result<Knowledge, StartError> {
    let source = match &config.protocol {
        Some(named) => {
            protocol_source(named).map_err(|source| StartError::Protocol { named: named.clone(), source })?
        }
        None => Knowledge::PROTOCOL.to_owned(),
    };
    let mut knowledge = Knowledge::following(source)?;
    if let Some(file) = &config.consent_file {
        knowledge.consent = consent::read(file)?;
    }
    Ok(knowledge)
}
