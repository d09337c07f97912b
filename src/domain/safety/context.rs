//! What stands around a match of a rule, and what becomes of the match by it.

use std::collections::BTreeSet;

use super::doubt::Doubts;
use super::level::Level;
use super::lexicon::{Boundary, Token};
use super::rules::{Match, Meaning, Rules, Sum, Tier};
use super::screen::{Hit, Screening, Sign};
use super::sentences::Sentences;

/// How far a negation reaches forward, in words.
const NEGATION_REACH: usize = 5;
/// How far a report or another subject reaches forward, in words.
const SUBJECT_REACH: usize = 3;
/// How far, in words, a mark of time may stand from what it dates.
const TIME_REACH: usize = 24;
/// How far a mark of the present may stand: what happened long ago and is told today is still long ago.
const RECENT_REACH: usize = 10;
/// The most words of a phrase that are kept.
const PHRASE_WORDS_MAX: usize = 16;

/// What was seen around a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are seen independently of one another")]
pub struct Around {
    /// Denied; it does not count.
    pub negated: bool,
    /// Another person's, or quoted.
    pub anothers: bool,
    pub long_past: bool,
    /// The sign that it counts only beside of is missing.
    pub alone: bool,
    /// An idiom lets it count no more than this.
    pub at_most: Option<Level>,
    /// What the words weigh speaks against it, and lets it count no more than this.
    pub doubted: Option<Level>,
}

/// A text with its marks, to judge matches by.
pub(super) struct Context<'a> {
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
    sentences: &'a Sentences,
    /// The text says that what was is over.
    is_recovered: bool,
    /// How far the weight of the words lets a sign count.
    doubts: Doubts,
}

impl<'a> Context<'a> {
    pub(super) fn of(
        rules: &'a Rules,
        folded: &'a str,
        tokens: &'a [Token],
        sentences: &'a Sentences,
        found: &[Match],
        doubts: Doubts,
    ) -> Self {
        let mut context = Self {
            rules,
            folded,
            tokens,
            at_most: vec![Level::Crisis; tokens.len()],
            negated: vec![false; tokens.len() + 1],
            reported: vec![false; tokens.len() + 1],
            past: Vec::new(),
            recent: Vec::new(),
            sentences,
            is_recovered: false,
            doubts,
        };
        for one in found {
            context.mark(*one);
        }
        // Whatever else is seen in the words of something that is long past lies as far back.
        let aged: Vec<Match> = found.iter().filter(|found| context.is_aged(found)).copied().collect();
        let most = if context.is_recovered { Level::None } else { Tier::History.level() };
        for past in aged {
            context.mark(Match { meaning: Meaning::Idiom(most), ..past });
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
            Meaning::Recovered => self.is_recovered = true,
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

    pub(super) fn screening(&self, found: &[Match]) -> Screening {
        let mut best: Vec<Option<Judged>> = vec![None; self.rules.all.len()];
        for sign in self.judged(found) {
            let place = &mut best[sign.rule];
            if !sign.around.alone && sign.level > place.map_or(Level::None, |best| best.level) {
                *place = Some(sign);
            }
        }
        self.summary(best.into_iter().flatten().collect())
    }

    /// Every match of a rule, and what became of it.
    pub(super) fn signs(&self, found: &[Match]) -> Vec<Sign> {
        let sign = |sign: Judged| Sign {
            rule: self.rules.all[sign.rule].id.clone(),
            tier: self.rules.all[sign.rule].tier,
            counts_as: sign.tier,
            level: if sign.around.alone { Level::None } else { sign.level },
            around: sign.around,
            phrase: self.phrase(sign.start, sign.end),
        };
        self.judged(found).into_iter().map(sign).collect()
    }

    fn judged(&self, found: &[Match]) -> Vec<Judged> {
        let mut judged: Vec<Judged> = found.iter().filter_map(|found| self.judge(*found)).collect();
        let standing = || judged.iter().filter(|sign| sign.stands(self.rules));
        let tiers: BTreeSet<Tier> = standing().map(|sign| sign.tier).collect();
        let rules: BTreeSet<usize> = standing().map(|sign| sign.rule).collect();
        for sign in &mut judged {
            let rule = &self.rules.all[sign.rule];
            let has_company = rule.needs.iter().any(|tier| tiers.contains(tier))
                || rule.beside.iter().any(|other| rules.contains(other));
            sign.around.alone = !rule.stands_alone() && !has_company;
        }
        let sums: Vec<Judged> = self.rules.sums.iter().filter_map(|sum| self.sum(sum, &judged)).collect();
        judged.extend(sums);
        judged
    }

    /// What weak signs add up to: as many different ones as it takes, all of them the writer's own and of now. It spans
    /// the first of them.
    fn sum(&self, sum: &Sum, judged: &[Judged]) -> Option<Judged> {
        let is_of = |sign: &&Judged| sum.of.contains(&sign.rule) && sign.is_plain(self.rules);
        let first = *judged.iter().find(is_of)?;
        let different: BTreeSet<usize> = judged.iter().filter(is_of).map(|sign| sign.rule).collect();
        let tier = self.rules.all[sum.rule].tier;
        let level = self.doubts.lowered(tier.level(), &(first.start..first.end));
        let around = Around::default();
        let sign = Judged { rule: sum.rule, tier, level, around, ..first };
        (different.len() >= sum.at_least).then_some(sign)
    }

    fn summary(&self, mut signs: Vec<Judged>) -> Screening {
        signs.sort_by_key(|sign| std::cmp::Reverse(sign.level));
        Screening {
            level: signs.first().map_or(Level::None, |sign| sign.level),
            third_person: !signs.is_empty() && signs.iter().all(|sign| sign.tier == Tier::ThirdPerson),
            hits: signs.into_iter().map(|sign| self.hit(sign)).collect(),
        }
    }

    /// Whether every match of a rule of danger is denied, and there is one.
    pub fn is_denial(&self, found: &[Match]) -> bool {
        let of_danger = |sign: &Judged| {
            let rule = &self.rules.all[sign.rule];
            rule.stands_alone() && !rule.tier.only_supports()
        };
        let mut signs = found.iter().filter_map(|found| self.judge(*found)).filter(of_danger).peekable();
        signs.peek().is_some() && signs.all(|sign| sign.around.negated)
    }

    fn hit(&self, sign: Judged) -> Hit {
        Hit {
            rule: self.rules.all[sign.rule].id.clone(),
            tier: sign.tier,
            level: sign.level,
            phrase: self.phrase(sign.start, sign.end),
        }
    }

    /// A match in the light of what stands around it; `None` where it is none of a rule.
    fn judge(&self, found: Match) -> Option<Judged> {
        let Meaning::Rule(nth) = found.meaning else { return None };
        let rule = &self.rules.all[nth];
        let anothers = !rule.tier.only_supports() && self.is_anothers(found, rule.tier);
        let is_others = anothers || rule.tier == Tier::ThirdPerson;
        let long_past = (rule.ages || is_others) && self.is_long_ago(found);
        // What another person went through long ago is no danger now.
        let most = if is_others && long_past {
            Level::None
        } else if rule.takes_back {
            Level::Crisis
        } else {
            self.most(found, long_past || rule.tier == Tier::History)
        };
        let around = Around {
            negated: rule.negatable && self.is_negated(found),
            anothers,
            long_past,
            alone: false,
            at_most: (most < rule.tier.level() || most == Level::None).then_some(most),
            doubted: None,
        };
        let tier = match around {
            Around { anothers: true, .. } => Tier::ThirdPerson,
            Around { long_past: true, .. } => Tier::History,
            Around { anothers: false, long_past: false, .. } => rule.tier,
        };
        let counts = if around.negated { Level::None } else { rule.tier.level().min(tier.level()).min(most) };
        let level = if rule.firm { counts } else { self.doubts.lowered(counts, &(found.start..found.end)) };
        let around = Around { doubted: (level < counts).then_some(level), ..around };
        Some(Judged { rule: nth, tier, level, start: found.start, end: found.end, around })
    }

    /// The most that a match counts, by the idioms that it overlaps; what is long past and over counts nothing.
    fn most(&self, found: Match, is_history: bool) -> Level {
        if is_history && self.is_recovered && !is_near(&self.recent, RECENT_REACH, found) {
            return Level::None;
        }
        self.at_most[found.start..found.end].iter().min().copied().unwrap_or(Level::Crisis)
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
    fn is_anothers(&self, found: Match, tier: Tier) -> bool {
        let is_own = |at: usize| self.rules.selves.contains(&self.tokens[at].word);
        if self
            .walk_back(found.start, SUBJECT_REACH, Boundary::Sentence, |at| self.reported[at].then_some(true))
        {
            return true;
        }
        // Whoever asks about methods asks for themselves, also where they ask how "one" or "it" does.
        if tier == Tier::MethodAsked || (found.start..found.end).any(is_own) {
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
        let is_attempt =
            matches!(found.meaning, Meaning::Rule(nth) if self.rules.all[nth].tier == Tier::Attempt);
        let is_past = if is_attempt { self.is_dated(found) } else { is_near(&self.past, TIME_REACH, found) };
        is_past && !is_near(&self.recent, RECENT_REACH, found)
    }

    /// Whether a mark of the past stands in the sentence of a match. An attempt may be of now, whatever the sentence before
    /// it tells of long ago.
    fn is_dated(&self, found: Match) -> bool {
        let sentence = self.sentences.with(found.start);
        let mark = self.past.partition_point(|&mark| mark < sentence.start);
        self.past.get(mark).is_some_and(|&mark| mark < sentence.end)
    }

    fn phrase(&self, start: usize, end: usize) -> String {
        let words = self.tokens[start..end].iter().take(PHRASE_WORDS_MAX).map(|token| {
            let known = self.rules.lexicon.name(token.word);
            if known.is_empty() || known == "#" { &self.folded[token.start..token.end] } else { known }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Whether one of the `marks`, which are in order, stands within reach of a match.
fn is_near(marks: &[usize], reach: usize, found: Match) -> bool {
    let first = marks.partition_point(|&mark| mark + reach < found.start);
    marks.get(first).is_some_and(|&mark| mark < found.end + reach)
}

/// A match, judged.
#[derive(Clone, Copy)]
struct Judged {
    rule: usize,
    tier: Tier,
    level: Level,
    start: usize,
    end: usize,
    around: Around,
}

impl Judged {
    /// Whether it counts, and nothing around it makes it less.
    fn is_plain(&self, rules: &Rules) -> bool {
        !self.around.alone
            && !self.around.negated
            && self.around.at_most.is_none()
            && self.tier == rules.all[self.rule].tier
    }

    /// Whether it is a sign by itself, so that others may count beside it; also where it is doubted.
    fn stands(&self, rules: &Rules) -> bool {
        let rule = &rules.all[self.rule];
        let counts = self.level > Level::None || self.around.doubted.is_some();
        rule.stands_alone() && !self.around.negated && (counts || rule.tier.only_supports())
    }
}
