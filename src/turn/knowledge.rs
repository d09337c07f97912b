//! What a server knows before anybody speaks: protocol, texts, words and safety data, read once at the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::consent::ConsentText;
use crate::domain::protocol::{Place, Protocol, Protocols};
use crate::domain::safety::{self, Regions, Safety, Statement};
use crate::domain::signals::{self, Lexicon};
use crate::domain::texts::{self, Texts};
use crate::domain::{fault::Fault, protocol};
use crate::llm::scripted::Scripted;
use crate::retrieval::{Corpus, PER_LABEL_MIN};
use crate::store::ProtocolVersion;

pub struct Knowledge {
    pub safety: Safety,
    /// What the public is told of it.
    pub statement: Statement,
    /// Where the law is stricter than this server is by itself.
    pub regions: Regions,
    /// What people consent to.
    pub consent: ConsentText,
    pub lexicon: Lexicon,
    pub scripted: Scripted,
    texts: Arc<Texts>,
    /// The protocol that new sessions follow, as it is written.
    source: String,
    /// Shared with a store that other programs write to.
    pub protocols: Arc<Protocols>,
}

/// The data inside of the binary are at fault.
#[derive(Debug, thiserror::Error)]
#[error("{} fault(s) in the data, the first: {first}", .count)]
pub struct KnowledgeError {
    count: usize,
    first: String,
}

impl KnowledgeError {
    pub(crate) fn of<F: ToString>(faults: &[F]) -> Self {
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
    /// The protocol that new sessions follow where none is named.
    pub const PROTOCOL: &'static str = protocol::TRT_STAGE_1;

    /// Reads all data inside of the binary.
    pub fn embedded() -> Result<Self, KnowledgeError> {
        Self::following(Self::PROTOCOL.to_owned())
    }

    /// The same, where new sessions follow the protocol of `source`.
    ///
    /// # Errors
    /// The faults of the data, and those of a protocol that cannot be walked with them.
    pub fn following(source: String) -> Result<Self, KnowledgeError> {
        let texts = Texts::parse(texts::ENGLISH).map_err(|faults| KnowledgeError::of(&faults))?;
        let texts = Arc::new(texts);
        let lexicon = Lexicon::parse(signals::ENGLISH).map_err(|faults| KnowledgeError::of(&faults))?;
        let protocol = Protocol::parse(&source).map_err(|faults| KnowledgeError::of(&faults))?;
        let faults = protocol.check(&texts, &lexicon);
        if !faults.is_empty() {
            return Err(KnowledgeError::of(&faults));
        }
        Ok(Self {
            safety: Safety::embedded().map_err(|faults: Vec<safety::Fault>| KnowledgeError::of(&faults))?,
            statement: Statement::embedded().map_err(|faults| KnowledgeError::of(&faults))?,
            regions: Regions::embedded().map_err(|faults| KnowledgeError::of(&faults))?,
            consent: ConsentText::embedded().map_err(|fault| KnowledgeError::of(&[fault]))?,
            lexicon,
            scripted: Scripted::new(Arc::clone(&texts)),
            texts,
            protocols: Arc::new(Protocols::of(protocol)),
            source,
        })
    }

    /// The version that new sessions follow, as a store keeps it.
    pub fn version(&self) -> ProtocolVersion {
        let newest = self.protocols.newest();
        ProtocolVersion { hash: newest.reference().hash.clone(), source: self.source.clone() }
    }

    /// Takes another version up, so that its sessions go on in it. False when it does not fit the words and texts of
    /// this binary: its sessions then go on in a successor.
    pub fn take_up(&self, version: &ProtocolVersion) -> bool {
        if version.hash == self.protocols.newest().reference().hash {
            return true;
        }
        match Protocol::parse(&version.source) {
            Ok(other) if other.check(&self.texts, &self.lexicon).is_empty() => {
                self.protocols.take_up(other);
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// Checks a protocol against the words and texts inside of the binary; a line about it when it is sound.
    pub fn check_protocol(source: &str) -> Result<String, Vec<Fault>> {
        let texts = Texts::parse(texts::ENGLISH)?;
        let lexicon = Lexicon::parse(signals::ENGLISH)?;
        let protocol = Protocol::parse(source)?;
        let mut faults = protocol.check(&texts, &lexicon);
        faults.extend(protocol.place(too_few_examples(&protocol)));
        if !faults.is_empty() {
            return Err(faults);
        }
        let reference = protocol.reference();
        Ok(format!("{} ({}): {} steps, sound", reference.id, reference.hash, protocol.steps().len()))
    }

    /// A protocol as a Mermaid flowchart.
    ///
    /// # Errors
    /// All faults of its file.
    pub fn draw_protocol(source: &str) -> Result<String, Vec<Fault>> {
        Ok(Protocol::parse(source)?.mermaid())
    }

    /// Where a new session stands.
    pub fn start(&self) -> Place {
        self.protocols.newest().start()
    }

    /// The protocol that a place can be gone on from; `None` where there is none.
    pub fn protocol_of(&self, place: &Place) -> Option<Arc<Protocol>> {
        let protocol = self.version_of(place);
        protocol.admit(place).is_ok().then_some(protocol)
    }

    /// Whether a place names a version that was not taken up.
    pub fn is_strange(&self, place: &Place) -> bool {
        self.protocols.named(place).is_none()
    }

    /// The version that a place names, else the newest.
    pub fn version_of(&self, place: &Place) -> Arc<Protocol> {
        self.protocols.version_of(place)
    }

    pub fn progress_of(&self, place: &Place) -> Progress {
        let progress = self.version_of(place).progress(place);
        Progress {
            stage: progress.stage,
            substate: progress.substate,
            body_question_count: progress.body_question_count,
            criteria: progress.criteria.into_iter().collect(),
        }
    }

    pub fn substate_of(&self, place: &Place) -> String {
        self.version_of(place).substate(place)
    }
}

/// Labels under which a model would find fewer examples than it needs.
fn too_few_examples(protocol: &Protocol) -> Vec<Fault> {
    let Ok(corpus) = Corpus::shipped() else { return vec![Fault::new("file", "the examples are at fault")] };
    let counts = corpus.counts();
    let few = |label: &str| counts.get(label).is_none_or(|&count| count < PER_LABEL_MIN);
    protocol
        .labelled()
        .filter(|(_, label)| few(label))
        .map(|(at, label)| {
            Fault::new(at, format!("the label '{label}' has fewer than {PER_LABEL_MIN} examples"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_is_taken_up_for_the_sessions_that_name_it() {
        let knowledge = Knowledge::embedded().expect("sound");
        let source = format!("# an older comment\n{}", Knowledge::PROTOCOL);
        let older = Protocol::parse(&source).expect("sound");
        let place = older.start();
        assert!(knowledge.protocol_of(&place).is_none());
        let hash = older.reference().hash.clone();
        assert!(knowledge.take_up(&ProtocolVersion { hash, source }));
        assert!(
            knowledge.protocol_of(&place).is_some_and(|protocol| protocol.reference() == older.reference())
        );
        assert_ne!(knowledge.start().protocol, place.protocol, "new sessions follow the newest");
    }

    #[test]
    fn a_version_that_does_not_fit_any_more_is_left() {
        let knowledge = Knowledge::embedded().expect("sound");
        let source = Knowledge::PROTOCOL.replacen("asks = [\"", "asks = [\"gone_", 1);
        assert!(!knowledge.take_up(&ProtocolVersion { hash: "older".to_owned(), source }));
    }
}
