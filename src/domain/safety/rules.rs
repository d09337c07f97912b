//! The rules of detection as data, compiled once. Reading a text with them is `screen.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::language::Language;

use super::fault::{Fault, Faults, read_toml};
use super::level::Level;
use super::lexicon::{Lexicon, Token, Word};
use super::pattern::Classes;
use super::phrases::{self, Phrases};

const FILE: &str = "rules";
pub(super) const RULES: &str = include_str!("../../../prompts/safety/rules.en.toml");

/// What kind of sign a rule looks for. The tier decides the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Intent, a plan, a time, means at hand, preparation.
    PlanMeans,
    /// An attempt that is under way or hours old.
    Attempt,
    Farewell,
    /// Active thoughts of suicide.
    Active,
    /// Asking about methods, also indirectly.
    MethodAsked,
    /// Self-harm of late, or the urge to it.
    SelfHarm,
    /// A wish not to be here, hopelessness, being a burden.
    Passive,
    /// Slang that is as often a joke.
    Coded,
    /// Something that lies long ago.
    History,
    /// Another person's danger.
    ThirdPerson,
    /// No danger by itself; other rules may need it.
    Distress,
}

impl Tier {
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::PlanMeans | Self::Attempt | Self::Farewell => Level::Crisis,
            Self::Active | Self::MethodAsked | Self::SelfHarm => Level::High,
            Self::Passive | Self::Coded | Self::History | Self::ThirdPerson => Level::Elevated,
            Self::Distress => Level::None,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlanMeans => "plan_means",
            Self::Attempt => "attempt",
            Self::Farewell => "farewell",
            Self::Active => "active",
            Self::MethodAsked => "method_asked",
            Self::SelfHarm => "self_harm",
            Self::Passive => "passive",
            Self::Coded => "coded",
            Self::History => "history",
            Self::ThirdPerson => "third_person",
            Self::Distress => "distress",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    spellings: BTreeMap<String, String>,
    masked: Vec<String>,
    classes: Classes,
    context: ContextSource,
    idioms: Vec<IdiomSource>,
    rules: Vec<RuleSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextSource {
    negations: Vec<String>,
    not_negations: Vec<String>,
    scope_ends: Vec<String>,
    reports: Vec<String>,
    others: Vec<String>,
    selves: Vec<String>,
    past: Vec<String>,
    recent: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdiomSource {
    patterns: Vec<String>,
    /// The most that a sign inside of the idiom still counts.
    #[serde(default)]
    at_most: Level,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSource {
    id: String,
    tier: Tier,
    patterns: Vec<String>,
    /// False where "not" belongs to the sign itself: "do not want to live".
    #[serde(default = "yes")]
    negatable: bool,
    /// True where it may lie so long ago that it no longer pauses.
    #[serde(default)]
    ages: bool,
    /// Counts only beside a sign of one of these tiers anywhere in the text.
    #[serde(default)]
    needs: Vec<Tier>,
}

const fn yes() -> bool {
    true
}

pub(super) struct Rule {
    pub id: String,
    pub tier: Tier,
    pub negatable: bool,
    pub ages: bool,
    pub needs: Vec<Tier>,
}

/// What a match means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// By its place in [`Rules::all`].
    Rule(usize),
    Idiom(Level),
    Negation,
    NotNegation,
    Report,
    Past,
    Recent,
}

/// A stretch of words, and what it means.
pub(super) type Match = phrases::Match<Meaning>;

/// The compiled rules of one language.
pub struct Rules {
    pub(super) lexicon: Lexicon,
    pub(super) all: Vec<Rule>,
    /// What can be a sign.
    signs: Phrases<Meaning>,
    /// What a sign is judged by: idioms, negations, reports, marks of time.
    context: Phrases<Meaning>,
    /// Words behind which a negation no longer reaches.
    pub(super) scope_ends: BTreeSet<Word>,
    pub(super) others: BTreeSet<Word>,
    pub(super) selves: BTreeSet<Word>,
}

impl Rules {
    /// The language that the rules assess.
    pub const LANGUAGE: Language = Language::English;

    /// The rules inside of the binary.
    pub fn embedded() -> Result<Self, Vec<Fault>> {
        Self::parse(RULES)
    }

    /// Reads and compiles rules; every fault in them is reported.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let source: Source = read_toml(FILE, source)?;
        let mut compiler = Compiler::new(&source);
        compiler.context(&source.context);
        for idiom in &source.idioms {
            compiler.patterns("idioms", Meaning::Idiom(idiom.at_most), &idiom.patterns);
        }
        for (nth, rule) in source.rules.iter().enumerate() {
            compiler.rule(nth, rule);
        }
        compiler.finish()
    }

    /// Every sign in a row of words, and what the signs are judged by; nothing at all where there is no sign, as in
    /// most texts. `work` counts the operations done.
    pub(super) fn matches(&self, tokens: &[Token], work: &mut u64) -> Vec<Match> {
        let mut found = self.signs.matches(tokens, work);
        if !found.is_empty() {
            found.extend(self.context.matches(tokens, work));
        }
        found
    }
}

struct Compiler<'a> {
    classes: &'a Classes,
    faults: Faults,
    ids: BTreeSet<&'a str>,
    made: Rules,
}

impl<'a> Compiler<'a> {
    fn new(source: &'a Source) -> Self {
        let mut faults = Faults::of(FILE);
        let mut lexicon = phrases::lexicon_with(&source.spellings, &mut faults);
        source.masked.iter().for_each(|word| lexicon.mask(word));
        let made = Rules {
            lexicon,
            all: Vec::new(),
            signs: Phrases::new(),
            context: Phrases::new(),
            scope_ends: BTreeSet::new(),
            others: BTreeSet::new(),
            selves: BTreeSet::new(),
        };
        Self { classes: &source.classes, faults, ids: BTreeSet::new(), made }
    }

    fn context(&mut self, context: &ContextSource) {
        for (place, meaning, sources) in [
            ("negations", Meaning::Negation, &context.negations),
            ("not_negations", Meaning::NotNegation, &context.not_negations),
            ("reports", Meaning::Report, &context.reports),
            ("past", Meaning::Past, &context.past),
            ("recent", Meaning::Recent, &context.recent),
        ] {
            self.patterns(place, meaning, sources);
        }
        self.made.scope_ends = self.words(&context.scope_ends);
        self.made.others = self.words(&context.others);
        self.made.selves = self.words(&context.selves);
    }

    fn words(&mut self, spellings: &[String]) -> BTreeSet<Word> {
        spellings.iter().flat_map(|spelling| self.made.lexicon.learn(spelling).into_vec()).collect()
    }

    fn rule(&mut self, nth: usize, rule: &'a RuleSource) {
        if !self.ids.insert(&rule.id) {
            self.faults.add(&rule.id, "is the id of two rules");
        }
        if rule.patterns.is_empty() {
            self.faults.add(&rule.id, "has no pattern");
        }
        self.patterns(&rule.id, Meaning::Rule(nth), &rule.patterns);
        self.made.all.push(Rule {
            id: rule.id.clone(),
            tier: rule.tier,
            negatable: rule.negatable,
            ages: rule.ages,
            needs: rule.needs.clone(),
        });
    }

    fn patterns(&mut self, place: &str, meaning: Meaning, sources: &[String]) {
        let kind = match meaning {
            Meaning::Rule(_) => &mut self.made.signs,
            Meaning::Idiom(_)
            | Meaning::Negation
            | Meaning::NotNegation
            | Meaning::Report
            | Meaning::Past
            | Meaning::Recent => &mut self.made.context,
        };
        for source in sources {
            let learnt = kind.learn(meaning, source, self.classes, &mut self.made.lexicon);
            self.faults.keep(place, learnt);
        }
    }

    fn finish(self) -> Result<Rules, Vec<Fault>> {
        self.faults.unless_any(self.made)
    }
}
