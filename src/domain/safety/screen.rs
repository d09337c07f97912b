//! Screening: what a text alone shows. Pure, and linear in the text's length; nothing is remembered of the text.

use serde::{Deserialize, Serialize};

use super::context::{Around, Context};
use super::fold::fold;
use super::level::Level;
use super::rules::{Rules, Tier};

/// How many of the heaviest words an explanation shows.
const SHOWN_MAX: usize = 8;

/// One sign in a text.
///
/// The phrase is what the person wrote, folded; so a hit can be neither logged nor stored: it has no `Debug` and no
/// `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Hit {
    pub rule: String,
    pub tier: Tier,
    pub level: Level,
    pub phrase: String,
}

/// What a text alone shows.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Screening {
    pub level: Level,
    /// One per rule, strongest first.
    pub hits: Vec<Hit>,
    /// The danger is somebody else's, as far as the text shows.
    pub third_person: bool,
}

/// What the turn tells of it: `safety_checks.self_harm_detected`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SelfHarmDetected {
    pub detected: bool,
    pub phrases_found: Vec<String>,
    /// The level's name.
    pub severity: String,
}

impl Screening {
    #[must_use]
    pub fn self_harm(&self) -> SelfHarmDetected {
        SelfHarmDetected {
            detected: self.level > Level::None,
            phrases_found: self.hits.iter().map(|hit| hit.phrase.clone()).collect(),
            severity: self.level.as_str().to_owned(),
        }
    }

    #[must_use]
    pub fn shows(&self, tier: Tier) -> bool {
        self.hits.iter().any(|hit| hit.tier == tier)
    }
}

/// A match of a rule and what became of it, for somebody who mends rules. As little to be kept as a [`Hit`].
pub struct Sign {
    pub rule: String,
    /// The rule's own; what stands around the match may have changed what it counts as.
    pub tier: Tier,
    pub counts_as: Tier,
    pub level: Level,
    pub around: Around,
    pub phrase: String,
}

/// A screening with all that it came from.
pub struct Explanation {
    pub screening: Screening,
    /// Every match of a rule in the order of the words, also what does not count.
    pub signs: Vec<Sign>,
    /// What the words weigh together; `None` where nothing weighs them.
    pub weight: Option<Weight>,
}

/// What a text's words weigh for danger, and which of them most.
pub struct Weight {
    pub weight: f64,
    /// From which weight on it is a sign, where no rule has found one.
    pub threshold: f64,
    pub heaviest: Vec<String>,
}

impl Rules {
    /// Reads a text for signs of danger.
    #[must_use]
    pub fn screen(&self, text: &str) -> Screening {
        let folded = fold(text);
        self.weighed(self.screen_counted(&folded).0, &folded)
    }

    /// Screens a folded text by the rules alone, and tells how many operations of the matcher it took.
    pub(super) fn screen_counted(&self, folded: &str) -> (Screening, u64) {
        let tokens = self.lexicon.read(folded);
        let mut work = 0;
        let found = self.matches(&tokens, &mut work);
        if found.is_empty() {
            return (Screening::default(), work);
        }
        let context = Context::of(self, folded, &tokens, &found);
        (context.screening(&found), work)
    }

    /// Where no rule has found a sign, the scale is asked.
    fn weighed(&self, screening: Screening, folded: &str) -> Screening {
        let scale = self.scale.as_ref().filter(|_| screening.level == Level::None);
        match scale.and_then(|scale| scale.sign(folded)) {
            Some(sign) => Screening { level: sign.level, hits: vec![sign], third_person: false },
            None => screening,
        }
    }

    /// Screens, and tells what became of every match.
    #[must_use]
    pub fn explain(&self, text: &str) -> Explanation {
        let folded = fold(text);
        let tokens = self.lexicon.read(&folded);
        let found = self.matches(&tokens, &mut 0);
        let context = Context::of(self, &folded, &tokens, &found);
        let weight = self.scale.as_ref().map(|scale| scale.weigh(&folded)).map(|weighing| Weight {
            weight: weighing.weight,
            threshold: weighing.threshold,
            heaviest: weighing.heaviest().take(SHOWN_MAX).map(str::to_owned).collect(),
        });
        let screening = self.weighed(context.screening(&found), &folded);
        Explanation { screening, signs: context.signs(&found), weight }
    }
}
