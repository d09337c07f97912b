//! What a server knows before anybody speaks: protocol, texts, words and safety data, read once at the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::protocol::{Place, Protocol};
use crate::domain::safety::{self, Safety};
use crate::domain::signals::{self, Lexicon};
use crate::domain::texts::{self, Texts};
use crate::domain::{fault::Fault, protocol};
use crate::llm::scripted::Scripted;

pub struct Knowledge {
    pub safety: Safety,
    pub lexicon: Lexicon,
    pub protocol: Protocol,
    pub scripted: Scripted,
}

/// The data inside of the binary are at fault.
#[derive(Debug, thiserror::Error)]
#[error("{} fault(s) in the data, the first: {first}", .count)]
pub struct KnowledgeError {
    count: usize,
    first: String,
}

impl KnowledgeError {
    fn of<F: ToString>(faults: &[F]) -> Self {
        Self { count: faults.len(), first: faults.first().map(F::to_string).unwrap_or_default() }
    }
}

/// What the wire shows of a place.
pub struct Progress {
    pub stage: String,
    pub substate: String,
    pub body_question_count: u32,
    pub criteria: BTreeMap<String, bool>,
}

impl Knowledge {
    /// The protocol inside of the binary.
    pub const PROTOCOL: &'static str = protocol::TRT_STAGE_1;

    /// Reads all data inside of the binary.
    pub fn embedded() -> Result<Self, KnowledgeError> {
        Ok(Self {
            safety: Safety::embedded().map_err(|faults: Vec<safety::Fault>| KnowledgeError::of(&faults))?,
            lexicon: Lexicon::parse(signals::ENGLISH).map_err(|faults| KnowledgeError::of(&faults))?,
            protocol: Protocol::parse(Self::PROTOCOL).map_err(|faults| KnowledgeError::of(&faults))?,
            scripted: Scripted::new(Arc::new(
                Texts::parse(texts::ENGLISH).map_err(|faults| KnowledgeError::of(&faults))?,
            )),
        })
    }

    /// Checks a protocol against the words and texts inside of the binary; a line about it when it is sound.
    pub fn check_protocol(source: &str) -> Result<String, Vec<Fault>> {
        let texts = Texts::parse(texts::ENGLISH)?;
        let lexicon = Lexicon::parse(signals::ENGLISH)?;
        let protocol = Protocol::parse(source)?;
        let faults = protocol.check(&texts, &lexicon);
        if !faults.is_empty() {
            return Err(faults);
        }
        let reference = protocol.reference();
        Ok(format!("{} ({}): {} steps, sound", reference.id, reference.hash, protocol.steps().len()))
    }

    /// Where a new session stands.
    pub fn start(&self) -> Place {
        self.protocol.start()
    }

    /// The protocol that a place belongs to, where it can be gone on from.
    pub fn protocol_of(&self, place: &Place) -> Option<&Protocol> {
        self.protocol.admit(place).is_ok().then_some(&self.protocol)
    }

    pub fn progress_of(&self, place: &Place) -> Progress {
        let progress = self.protocol.progress(place);
        Progress {
            stage: progress.stage,
            substate: progress.substate,
            body_question_count: progress.body_question_count,
            criteria: progress.criteria.into_iter().collect(),
        }
    }

    pub fn substate_of(&self, place: &Place) -> String {
        self.protocol.progress(place).substate
    }
}
