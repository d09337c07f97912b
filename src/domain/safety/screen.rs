//! Screening: what a text alone shows. Pure, and linear in the text's length; nothing is remembered of the text.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::context::{Around, Context};
use super::doubt::Doubts;
use super::fold::fold;
use super::level::Level;
use super::lexicon::Token;
use super::plain::Plain;
use super::rules::{Match, Meaning, Rules, Tier};
use super::scale::{Needle, Weighing};
use super::sentences::Sentences;
use super::weighed::Weighed;

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
    pub weight: Option<Weights>,
}

/// What a text's words weigh, and which of them most.
pub struct Weights {
    pub danger: f32,
    pub pausing: f32,
    /// From which weights on they are a sign.
    pub danger_sign: f32,
    pub pausing_sign: f32,
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
        let plain = self.plain(&folded, &tokens);
        let weighing = self.weighing(plain.as_ref());
        work += weighing.as_ref().map_or(0, |weighing| weighing.work);
        if found.is_empty() {
            return (raised(Screening::default(), weighing.as_ref().and_then(Weighing::sign)), work);
        }
        let sentences = Sentences::of(&tokens);
        let weighed = Weighed::of(plain.as_ref(), &tokens, &sentences, weighing.as_ref());
        let doubts = doubts(weighed.as_ref(), &found);
        work += doubts.work;
        let context = Context::of(self, &folded, &tokens, &sentences, &found, doubts);
        (or_weighed(&context, &found, weighed.as_ref()), work)
    }

    fn plain<'t>(&self, folded: &'t str, tokens: &[Token]) -> Option<Plain<'t>> {
        self.scale.as_ref().map(|scale| Plain::of(folded, tokens, &self.lexicon, scale))
    }

    fn weighing<'t>(&'t self, plain: Option<&'t Plain<'_>>) -> Option<Weighing<'t>> {
        self.scale.as_ref().zip(plain).map(|(scale, plain)| scale.weigh(&plain.text))
    }

    /// Screens, and tells what became of every match.
    #[must_use]
    pub fn explain(&self, text: &str) -> Explanation {
        let folded = fold(text);
        let tokens = self.lexicon.read(&folded);
        let found = self.matches(&tokens, &mut 0);
        let plain = self.plain(&folded, &tokens);
        let weighing = self.weighing(plain.as_ref());
        let sentences = Sentences::of(&tokens);
        let weighed = Weighed::of(plain.as_ref(), &tokens, &sentences, weighing.as_ref());
        let doubts = doubts(weighed.as_ref(), &found);
        let context = Context::of(self, &folded, &tokens, &sentences, &found, doubts);
        let screening = or_weighed(&context, &found, weighed.as_ref());
        Explanation { screening, signs: context.signs(&found), weight: weighing.map(|it| weights(&it)) }
    }
}

fn doubts(weighed: Option<&Weighed<'_>>, found: &[Match]) -> Doubts {
    weighed.map_or_else(Doubts::none, |weighed| weighed.doubts(spans_of_signs(found)))
}

/// The words of every sign that a rule has found, in order.
fn spans_of_signs(found: &[Match]) -> impl Iterator<Item = Range<usize>> {
    // What a rule found stands before what it is judged by.
    let of_rules = found.iter().filter(|found| matches!(found.meaning, Meaning::Rule(_)));
    of_rules.map(|found| found.start..found.end)
}

/// What the rules found, raised by what the words weigh. Sentences that deny danger or tell of another's are not weighed: "I
/// don't want to die" has the words of somebody who does.
fn or_weighed(context: &Context<'_>, found: &[Match], weighed: Option<&Weighed<'_>>) -> Screening {
    let by_rule = context.screening(found);
    let is_denial = by_rule.level == Level::None && context.is_denial(found);
    let sign = weighed.and_then(|weighed| {
        if is_denial || by_rule.third_person {
            weighed.sign_outside(spans_of_signs(found))
        } else {
            weighed.weighing.sign()
        }
    });
    raised(by_rule, sign)
}

/// With the sign of the scale, where it says more than the rules.
fn raised(by_rule: Screening, sign: Option<Hit>) -> Screening {
    match sign.filter(|sign| sign.level > by_rule.level) {
        Some(sign) => {
            Screening { level: sign.level, hits: [vec![sign], by_rule.hits].concat(), third_person: false }
        }
        None => by_rule,
    }
}

fn weights(weighing: &Weighing<'_>) -> Weights {
    Weights {
        danger: weighing.weight.danger,
        pausing: weighing.weight.pausing,
        danger_sign: weighing.sign_from().danger,
        pausing_sign: weighing.sign_from().pausing,
        heaviest: weighing.heaviest(Needle::Danger, SHOWN_MAX).into_iter().map(str::to_owned).collect(),
    }
}
