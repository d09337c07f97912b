//! Screening: what a text alone shows. Pure, and linear in the text's length; nothing is remembered of the text.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fold::fold;
use super::level::Level;
use super::lexicon::{Boundary, Token};
use super::rules::{Match, Meaning, Rules, Tier};

/// How far a negation reaches forward, in words.
const NEGATION_REACH: usize = 5;
/// How far a report or another subject reaches forward, in words.
const SUBJECT_REACH: usize = 3;
/// How far, in words, a mark of time may stand from what it dates.
const TIME_REACH: usize = 24;
/// The most words of a phrase that are kept.
const PHRASE_WORDS_MAX: usize = 16;

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
            return (Screening::default(), work);
        }
        let context = Context::of(self, &folded, &tokens, &found);
        (context.screening(&found), work)
    }
}

/// A text with its marks, to judge matches by.
struct Context<'a> {
    rules: &'a Rules,
    folded: &'a str,
    tokens: &'a [Token],
    /// For each word, the most that a sign on it counts.
    at_most: Vec<Level>,
    /// At which words a negation, or a report of another's words, has just ended.
    negated: Vec<bool>,
    reported: Vec<bool>,
    past: Vec<usize>,
    recent: Vec<usize>,
}

impl<'a> Context<'a> {
    fn of(rules: &'a Rules, folded: &'a str, tokens: &'a [Token], found: &[Match]) -> Self {
        let mut context = Self {
            rules,
            folded,
            tokens,
            at_most: vec![Level::Crisis; tokens.len()],
            negated: vec![false; tokens.len() + 1],
            reported: vec![false; tokens.len() + 1],
            past: Vec::new(),
            recent: Vec::new(),
        };
        for one in found {
            context.mark(*one);
        }
        // Whatever else is seen in the words of something that is long past lies as far back.
        let aged: Vec<Match> = found.iter().filter(|found| context.is_aged(found)).copied().collect();
        for past in aged {
            context.mark(Match { meaning: Meaning::Idiom(Tier::History.level()), ..past });
        }
        // A negation inside of a phrase that is none ("can not", "why not") does not count.
        for none in found.iter().filter(|found| found.meaning == Meaning::NotNegation) {
            context.negated[none.start + 1..=none.end].fill(false);
        }
        context
    }

    fn mark(&mut self, found: Match) {
        match found.meaning {
            Meaning::Rule(_) | Meaning::NotNegation => {}
            Meaning::Idiom(level) => {
                for most in &mut self.at_most[found.start..found.end] {
                    *most = level.min(*most);
                }
            }
            Meaning::Negation => self.negated[found.end] = true,
            Meaning::Report => self.reported[found.end] = true,
            Meaning::Past => self.past.push(found.start),
            Meaning::Recent => self.recent.push(found.start),
        }
    }

    fn screening(&self, found: &[Match]) -> Screening {
        let judged: Vec<Judged> = found.iter().filter_map(|found| self.judge(*found)).collect();
        let tiers: BTreeSet<Tier> =
            judged.iter().filter(|sign| sign.stands_alone(self.rules)).map(|s| s.tier).collect();
        let mut best: Vec<Option<Judged>> = vec![None; self.rules.all.len()];
        for sign in judged {
            let is_needed = sign.stands_alone(self.rules)
                || self.rules.all[sign.rule].needs.iter().any(|needed| tiers.contains(needed));
            let place = &mut best[sign.rule];
            if is_needed && sign.level > place.map_or(Level::None, |best| best.level) {
                *place = Some(sign);
            }
        }
        self.summary(best.into_iter().flatten().collect())
    }

    fn summary(&self, mut signs: Vec<Judged>) -> Screening {
        signs.sort_by_key(|sign| std::cmp::Reverse(sign.level));
        Screening {
            level: signs.first().map_or(Level::None, |sign| sign.level),
            third_person: !signs.is_empty() && signs.iter().all(|sign| sign.tier == Tier::ThirdPerson),
            hits: signs.into_iter().map(|sign| self.hit(sign)).collect(),
        }
    }

    fn hit(&self, sign: Judged) -> Hit {
        Hit {
            rule: self.rules.all[sign.rule].id.clone(),
            tier: sign.tier,
            level: sign.level,
            phrase: self.phrase(sign.start, sign.end),
        }
    }

    /// A match of a rule in the light of what stands around it; `None` where it is no sign.
    fn judge(&self, found: Match) -> Option<Judged> {
        let Meaning::Rule(nth) = found.meaning else { return None };
        let rule = &self.rules.all[nth];
        if rule.negatable && self.is_negated(found) {
            return None;
        }
        let mut sign = Judged {
            rule: nth,
            tier: rule.tier,
            level: rule.tier.level(),
            start: found.start,
            end: found.end,
        };
        if rule.tier != Tier::Distress && self.is_anothers(found) {
            sign.becomes(Tier::ThirdPerson);
        } else if rule.ages && self.is_long_ago(found) {
            sign.becomes(Tier::History);
        }
        let most = self.at_most[found.start..found.end].iter().min().copied().unwrap_or(Level::Crisis);
        sign.level = sign.level.min(most);
        (sign.level > Level::None || rule.tier == Tier::Distress).then_some(sign)
    }

    fn is_negated(&self, found: Match) -> bool {
        self.negated[found.start + 1..found.end].contains(&true)
            || !self.rules.scope_ends.contains(&self.tokens[found.start].word)
                && self.walk_back(found.start, NEGATION_REACH, Boundary::Clause, |at| {
                    if self.negated[at] {
                        Some(true)
                    } else {
                        self.rules.scope_ends.contains(&self.tokens[at - 1].word).then_some(false)
                    }
                })
    }

    /// Whether another person is the subject, or is quoted.
    fn is_anothers(&self, found: Match) -> bool {
        let is_own = |at: usize| self.rules.selves.contains(&self.tokens[at].word);
        if self
            .walk_back(found.start, SUBJECT_REACH, Boundary::Sentence, |at| self.reported[at].then_some(true))
        {
            return true;
        }
        if (found.start..found.end).any(is_own) {
            return false;
        }
        self.walk_back(found.start, SUBJECT_REACH, Boundary::Clause, |at| {
            let is_other = self.rules.others.contains(&self.tokens[at - 1].word);
            if is_other { Some(true) } else { is_own(at - 1).then_some(false) }
        })
    }

    /// Walks back from word `start`, at most `reach` words and not over `wall`. `verdict` is asked before every word
    /// with its place, which is never 0, and ends the walk by an answer; else the answer is no.
    fn walk_back(
        &self,
        start: usize,
        reach: usize,
        wall: Boundary,
        verdict: impl Fn(usize) -> Option<bool>,
    ) -> bool {
        let first = start.saturating_sub(reach).max(1);
        (first..=start)
            .rev()
            .take_while(|&at| self.tokens[at].before < wall)
            .find_map(verdict)
            .unwrap_or(false)
    }

    fn is_aged(&self, found: &Match) -> bool {
        matches!(found.meaning, Meaning::Rule(nth) if self.rules.all[nth].ages) && self.is_long_ago(*found)
    }

    fn is_long_ago(&self, found: Match) -> bool {
        let near = |marks: &[usize]| {
            let first = marks.partition_point(|&mark| mark + TIME_REACH < found.start);
            marks.get(first).is_some_and(|&mark| mark < found.end + TIME_REACH)
        };
        near(&self.past) && !near(&self.recent)
    }

    fn phrase(&self, start: usize, end: usize) -> String {
        let words = self.tokens[start..end].iter().take(PHRASE_WORDS_MAX).map(|token| {
            let known = self.rules.lexicon.name(token.word);
            if known.is_empty() || known == "#" { &self.folded[token.start..token.end] } else { known }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// A match that is a sign.
#[derive(Clone, Copy)]
struct Judged {
    rule: usize,
    tier: Tier,
    level: Level,
    start: usize,
    end: usize,
}

impl Judged {
    fn becomes(&mut self, tier: Tier) {
        self.tier = tier;
        self.level = self.level.min(tier.level());
    }

    fn stands_alone(&self, rules: &Rules) -> bool {
        rules.all[self.rule].needs.is_empty()
    }
}
