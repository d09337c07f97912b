//! The rules of detection as data, compiled once. Reading a text with them is `screen.rs`.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::domain::language::Language;

use super::fault::{Fault, Faults};
use super::level::Level;
use super::lexicon::{Lexicon, Token, Word};
use super::pattern::Classes;
use super::phrases::{self, Phrases};
use super::scale::Scale;
use super::source::{ContextSource, RuleFile, RuleSource, SHIPPED, Source, SumSource};

const FILE: &str = "rules";

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
    /// Weaker still: several different ones add up.
    Mark,
    /// The words weigh for danger all together, more than the rules say. No rule may name it.
    Weighed,
}

impl Tier {
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::PlanMeans | Self::Attempt | Self::Farewell => Level::Crisis,
            Self::Active | Self::MethodAsked | Self::SelfHarm => Level::High,
            Self::Passive | Self::Coded | Self::History | Self::ThirdPerson | Self::Weighed => {
                Level::Elevated
            }
            Self::Distress | Self::Mark => Level::None,
        }
    }

    /// Whether its signs only count together with others.
    pub(super) const fn only_supports(self) -> bool {
        matches!(self, Self::Distress | Self::Mark)
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
            Self::Mark => "mark",
            Self::Weighed => "weighed",
        }
    }
}

#[expect(clippy::struct_excessive_bools, reason = "a rule has them independently of one another")]
pub(super) struct Rule {
    pub id: String,
    pub tier: Tier,
    pub negatable: bool,
    pub ages: bool,
    /// Is not doubted, whatever the words around it weigh.
    pub firm: bool,
    /// Takes back what an idiom, a denial or another's word says in the same breath, so that no idiom lowers it.
    pub takes_back: bool,
    /// Counts only beside a sign of one of these tiers, or of one of these rules, anywhere in the text.
    pub needs: Vec<Tier>,
    pub beside: Vec<usize>,
}

/// A sign that weak signs add up to.
pub(super) struct Sum {
    /// By its place in [`Rules::all`], as the ones that it adds up.
    pub rule: usize,
    pub of: Vec<usize>,
    pub at_least: usize,
}

impl Rule {
    fn plain(id: &str, tier: Tier) -> Self {
        let (needs, beside) = (Vec::new(), Vec::new());
        Self {
            id: id.to_owned(),
            tier,
            negatable: true,
            ages: false,
            firm: false,
            takes_back: false,
            needs,
            beside,
        }
    }

    pub(super) const fn stands_alone(&self) -> bool {
        self.needs.is_empty() && self.beside.is_empty()
    }
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
    Recovered,
}

/// A stretch of words, and what it means.
pub(super) type Match = phrases::Match<Meaning>;

/// The compiled rules of one language.
pub struct Rules {
    pub(super) lexicon: Lexicon,
    pub(super) all: Vec<Rule>,
    pub(super) sums: Vec<Sum>,
    /// What can be a sign.
    signs: Phrases<Meaning>,
    /// What a sign is judged by: idioms, negations, reports, marks of time.
    context: Phrases<Meaning>,
    /// Words behind which a negation no longer reaches.
    pub(super) scope_ends: BTreeSet<Word>,
    pub(super) others: BTreeSet<Word>,
    pub(super) selves: BTreeSet<Word>,
    /// A second opinion beside the rules; `None`: there is none.
    pub(super) scale: Option<Scale>,
}

/// The weights inside of the binary.
pub const WEIGHTS: &str = include_str!("../../../prompts/safety/weights.en.tsv");

impl Rules {
    /// The language that the rules assess.
    pub const LANGUAGE: Language = Language::English;

    /// The rules and the weights inside of the binary. Read once for a process: it takes a while, and they never change.
    pub fn embedded() -> Result<Arc<Self>, Vec<Fault>> {
        static EMBEDDED: LazyLock<Result<Arc<Rules>, Vec<Fault>>> =
            LazyLock::new(|| Rules::shipped()?.with_weights(WEIGHTS).map(Arc::new));
        EMBEDDED.clone()
    }

    /// The rules inside of the binary alone.
    pub fn shipped() -> Result<Self, Vec<Fault>> {
        Self::parse(&SHIPPED)
    }

    /// The same rules, with weights of words beside them: [`WEIGHTS`], or others as `scripts/weigh` writes them.
    pub fn with_weights(self, weights: &str) -> Result<Self, Vec<Fault>> {
        Ok(Self { scale: Some(Scale::parse(weights)?), ..self })
    }

    /// The files inside of the binary, where those of the same name are replaced by `own`, and what is new is added.
    #[must_use]
    pub fn shipped_but<'a>(own: &[RuleFile<'a>]) -> Vec<RuleFile<'a>> {
        let is_replaced = |name: &str| own.iter().any(|file| file.name == name);
        SHIPPED.iter().copied().filter(|file| !is_replaced(file.name)).chain(own.iter().copied()).collect()
    }

    /// Reads and compiles rules out of several files; every fault in them is reported.
    pub fn parse(files: &[RuleFile<'_>]) -> Result<Self, Vec<Fault>> {
        let source = Source::read(files)?;
        let mut compiler = Compiler::new(&source);
        compiler.context(&source.context);
        for idiom in &source.idioms {
            compiler.patterns("idioms", Meaning::Idiom(idiom.at_most), &idiom.patterns);
        }
        for (nth, rule) in source.rules.iter().enumerate() {
            compiler.rule(nth, rule);
        }
        compiler.beside(&source.rules);
        source.sums.iter().for_each(|sum| compiler.sum(sum));
        compiler.slips(&source);
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
        source.doubles.iter().for_each(|name| faults.add(name, "stands in two files"));
        let mut lexicon = phrases::lexicon_with(&source.spellings, &mut faults);
        source.masked.iter().for_each(|word| lexicon.mask(word));
        let made = Rules {
            lexicon,
            all: Vec::new(),
            sums: Vec::new(),
            signs: Phrases::new(),
            context: Phrases::new(),
            scope_ends: BTreeSet::new(),
            others: BTreeSet::new(),
            selves: BTreeSet::new(),
            scale: None,
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
            ("recovered", Meaning::Recovered, &context.recovered),
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
        self.tiers(&rule.id, rule.needs.iter().chain([&rule.tier]));
        self.patterns(&rule.id, Meaning::Rule(nth), &rule.patterns);
        self.made.all.push(Rule {
            negatable: rule.negatable,
            ages: rule.ages,
            firm: rule.firm,
            takes_back: rule.takes_back,
            needs: rule.needs.clone(),
            ..Rule::plain(&rule.id, rule.tier)
        });
    }

    fn sum(&mut self, sum: &'a SumSource) {
        if !self.ids.insert(&sum.id) {
            self.faults.add(&sum.id, "is the id of two rules");
        }
        if !(1..=sum.of.len()).contains(&sum.at_least) {
            self.faults.add(&sum.id, "can never be reached, or always is");
        }
        self.tiers(&sum.id, [&sum.tier]);
        let of = sum.of.iter().filter_map(|id| self.place(&sum.id, id)).collect();
        self.made.sums.push(Sum { rule: self.made.all.len(), of, at_least: sum.at_least });
        self.made.all.push(Rule::plain(&sum.id, sum.tier));
    }

    /// The tiers that a rule names. One of them is not for files.
    fn tiers<'t>(&mut self, whose: &str, named: impl IntoIterator<Item = &'t Tier>) {
        if named.into_iter().any(|tier| *tier == Tier::Weighed) {
            let problem = "names the tier weighed, which belongs to the weights of words and to no rule";
            self.faults.add(whose, problem);
        }
    }

    /// Where the rule that another one names stands.
    fn place(&mut self, whose: &str, named: &str) -> Option<usize> {
        let place = self.made.all.iter().position(|rule| rule.id == named);
        self.faults.keep(whose, place.ok_or_else(|| format!("needs a rule that there is not: {named}")))
    }

    /// Rules may name others that stand behind them, so this comes when all are known.
    fn beside(&mut self, rules: &[RuleSource]) {
        for (nth, rule) in rules.iter().enumerate() {
            let beside: Vec<usize> = rule.beside.iter().filter_map(|id| self.place(&rule.id, id)).collect();
            self.made.all[nth].beside = beside;
        }
    }

    fn patterns(&mut self, place: &str, meaning: Meaning, sources: &[String]) {
        let kind = match meaning {
            Meaning::Rule(_) => &mut self.made.signs,
            Meaning::Idiom(_)
            | Meaning::Negation
            | Meaning::NotNegation
            | Meaning::Report
            | Meaning::Past
            | Meaning::Recent
            | Meaning::Recovered => &mut self.made.context,
        };
        for source in sources {
            let learnt = kind.learn(meaning, source, self.classes, &mut self.made.lexicon);
            self.faults.keep(place, learnt);
        }
    }

    fn slips(&mut self, source: &Source) {
        let lexicon = &mut self.made.lexicon;
        for word in &source.no_slips {
            lexicon.learn(word);
        }
        source.slips.iter().for_each(|word| lexicon.forgive(word));
    }

    fn finish(self) -> Result<Rules, Vec<Fault>> {
        self.faults.unless_any(self.made)
    }
}
