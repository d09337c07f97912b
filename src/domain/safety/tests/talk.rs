//! A client that talks: the turns of the pipeline and what a store remembers, without either.

use std::time::Duration;

use super::*;
use crate::domain::time::Timestamp;

pub struct Talk<'a> {
    pub safety: &'a Safety,
    pub place: CrisisPlace,
    pub memory: SafetyMemory,
    pub level: Level,
    pub mode: Mode,
    pub now: Timestamp,
    pub is_on_duty: bool,
    pub is_ai_due: bool,
    pub is_hard: bool,
    pub seed: u64,
}

/// What came of a text.
pub struct Heard {
    /// `None`: the protocol went on, or something stood beside it.
    pub reply: Option<CrisisReply>,
    pub assessment: Assessment,
    /// What the store made of a re-screen.
    pub lowering: Option<Lowering>,
}

impl Heard {
    pub fn text(&self) -> &str {
        self.reply.as_ref().map_or("", |reply| &reply.text)
    }
}

/// A calm moment under clinicians.
pub fn moment(counted: Level, memory: &SafetyMemory) -> Moment<'_> {
    Moment {
        counted,
        answered: Level::None,
        memory,
        mode: Mode::Supervised,
        now: Timestamp::default(),
        is_going_on: !counted.pauses(),
        is_hard: false,
        nonce: 1,
    }
}

impl<'a> Talk<'a> {
    pub fn of(safety: &'a Safety, mode: Mode, seed: u64) -> Self {
        Self {
            safety,
            place: CrisisPlace::default(),
            memory: SafetyMemory::default(),
            level: Level::None,
            mode,
            now: Timestamp::from_millis(1_790_000_000_000),
            is_on_duty: false,
            is_ai_due: false,
            is_hard: false,
            seed,
        }
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    /// A minute later a text comes.
    pub fn hears(&mut self, text: &str) -> Heard {
        self.wait(Duration::from_mins(1));
        let screening = self.safety.screen(text);
        let why: Vec<String> = screening.hits.iter().map(|hit| hit.rule.clone()).collect();
        self.memory.raise(screening.level, &why, self.now);
        self.level = self.level.max(self.memory.level);
        let assessment = self.assess(text, &screening);
        self.level = assessment.level;
        let reply = (assessment.action != Action::Continue).then(|| self.reply(text, &screening));
        self.memory.raise(self.level, &assessment.why, self.now);
        let lowering = self.settle();
        Heard { reply, assessment, lowering }
    }

    /// A sign that another session of the same client shows.
    pub fn shows_elsewhere(&mut self, level: Level) {
        self.memory.raise(level, &["elsewhere".to_owned()], self.now);
    }

    fn assess(&mut self, text: &str, screening: &Screening) -> Assessment {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let memory = self.memory.clone();
        let moment = Moment {
            mode: self.mode,
            now: self.now,
            is_hard: self.is_hard,
            nonce: self.seed,
            ..moment(self.level, &memory)
        };
        self.safety.assess(&mut self.place, text, screening, &moment)
    }

    fn reply(&mut self, text: &str, screening: &Screening) -> CrisisReply {
        let said = Said {
            text,
            screening,
            level: self.level,
            country: Some("US"),
            is_on_duty: self.is_on_duty,
            is_ai_due: self.is_ai_due,
        };
        let reply = self.safety.reply(&self.place, &said, self.seed);
        self.place = reply.place.clone();
        self.level = self.level.max(reply.level);
        reply
    }

    fn settle(&mut self) -> Option<Lowering> {
        let negative = self.place.negative.filter(|negative| negative.is_open(&self.memory))?;
        let level = negative.basis.level;
        if !self.mode.ends_by_rescreens(level) {
            return None;
        }
        let lowering = self.memory.lower(&negative, apart(level), "rescreen", self.now);
        if lowering == Lowering::Cleared {
            (self.level, self.place) = (Level::None, CrisisPlace::default());
        }
        Some(lowering)
    }
}
