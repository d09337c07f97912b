//! Danger: what a text shows, what it means together with what is remembered, and what is said then.
//!
//! Deterministic and in process: nothing here waits, reads a clock, or asks a model. No text ever lowers a level:
//! that takes a clinician, or re-screens in which every answer was a clear no ([`SafetyMemory::lower`]). And no text of a person leaves it but inside of a [`Screening`], which can be neither printed nor stored.

mod answer;
mod assess;
mod context;
mod crisis;
mod doubt;
mod duty;
pub mod eval;
mod fault;
mod fold;
mod gram;
mod level;
mod lexicon;
mod mode;
mod pattern;
mod phrases;
mod plain;
mod rail;
mod regions;
mod resources;
mod rules;
mod scale;
mod screen;
mod sentences;
mod source;
mod statement;
mod texts;
mod weighed;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use assess::{Action, Assessment, assess};
pub use context::Around;
pub use crisis::{
    APART, CALM_TEXTS, CALM_TEXTS_PAUSED, CrisisPlace, CrisisReply, Moment, Rescreen, SETTLED_AFTER, Said,
    apart,
};
pub use duty::DutyHours;
pub use fault::Fault;
pub use level::{Basis, Level, Lowering, Negative, Noted, SafetyMemory};
pub use mode::Mode;
pub use rail::{Class, Rail, Reading, Release, Secrets};
pub use regions::{Region, Regions};
pub use resources::{Resource, Resources};
pub use rules::{Rules, Tier, WEIGHTS};
pub use screen::{Explanation, Hit, Screening, SelfHarmDetected, Sign, Weights};
pub use source::RuleFile;
pub use statement::{PublicLevel, Statement};
pub use texts::CrisisTexts;

/// Everything that safety needs, read once at the start.
pub struct Safety {
    pub rules: Arc<Rules>,
    pub texts: CrisisTexts,
    pub resources: Resources,
}

impl Safety {
    /// The data inside of the binary; every fault in it is reported.
    pub fn embedded() -> Result<Self, Vec<Fault>> {
        let texts = include_str!("../../../prompts/safety/crisis.en.toml");
        match (Rules::embedded(), CrisisTexts::parse(texts), Resources::embedded()) {
            (Ok(rules), Ok(texts), Ok(resources)) => Ok(Self { rules, texts, resources }),
            (rules, texts, resources) => {
                Err([rules.err(), texts.err(), resources.err()].into_iter().flatten().flatten().collect())
            }
        }
    }

    #[must_use]
    pub fn screen(&self, text: &str) -> Screening {
        self.rules.screen(text)
    }

    /// Joins a screening with what is remembered, as [`assess`] does, and with the question that the dialogue last
    /// asked: a plain "yes" shows nothing by itself and can mean danger all the same. Where the protocol goes on, the
    /// question no longer waits, so that a later "yes" is not read as its answer.
    #[must_use]
    pub fn assess(
        &self,
        place: &mut CrisisPlace,
        text: &str,
        screening: &Screening,
        moment: &Moment<'_>,
    ) -> Assessment {
        let mut assessment = assess(screening, moment.counted);
        let answered = self.texts.level_of_answer(place, text).max(moment.answered);
        if answered > screening.level {
            assessment = assessment.with_answer(answered, moment.counted);
        }
        self.texts.rescreen(place, text, screening.level.max(answered) > Level::None, moment);
        if assessment.action != Action::Continue {
            return assessment;
        }
        if self.texts.tells_of_their_danger(place, text) {
            assessment.action = Action::SafetyQuestion;
        } else if place.complete_rescreen(moment.nonce).is_some() {
            assessment.answers_only = true;
        } else if place.rescreen.is_some() {
            assessment.action = Action::Rescreen;
        } else {
            assessment.answers_only = self.texts.only_answers(place, text);
            place.awaiting = None;
            place.questions_running = 0;
        }
        assessment
    }

    /// What is said to somebody in danger; see [`CrisisTexts::reply`].
    #[must_use]
    pub fn reply(&self, place: &CrisisPlace, said: &Said<'_>, seed: u64) -> CrisisReply {
        self.texts.reply(place, said, &self.resources, seed)
    }
}
