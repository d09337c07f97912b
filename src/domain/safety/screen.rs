//! Screening: what a text alone shows. Pure, and linear in the text's length; nothing is remembered of the text.

use serde::{Deserialize, Serialize};

use super::context::{Around, Context};
use super::fold::fold;
use super::level::Level;
use super::rules::{Match, Rules, Tier};

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
        self.screen_counted(text).0
    }

    /// Screens, and tells how many operations of the matcher it took.
    pub(super) fn screen_counted(&self, text: &str) -> (Screening, u64) {
        let folded = fold(text);
        let tokens = self.lexicon.read(&folded);
        let mut work = 0;
        let found = self.matches(&tokens, &mut work);
        if found.is_empty() {
            return (self.weighed(&folded), work);
        }
        let context = Context::of(self, &folded, &tokens, &found);
        (self.or_weighed(&context, &found, &folded), work)
    }

    /// What the rules found; where they found nothing, what the scale says. Who denies danger is not weighed: "I don't want
    /// to die" has the words of somebody who does.
    fn or_weighed(&self, context: &Context<'_>, found: &[Match], folded: &str) -> Screening {
        let by_rule = context.screening(found);
        if by_rule.level > Level::None || context.is_denial(found) { by_rule } else { self.weighed(folded) }
    }

    /// What the scale says, where there is one.
    fn weighed(&self, folded: &str) -> Screening {
        match self.scale.as_ref().and_then(|scale| scale.sign(folded)) {
            Some(sign) => Screening { level: sign.level, hits: vec![sign], third_person: false },
            None => Screening::default(),
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
        let screening = self.or_weighed(&context, &found, &folded);
        Explanation { screening, signs: context.signs(&found), weight }
    }
}
