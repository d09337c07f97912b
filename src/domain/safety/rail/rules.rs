//! What is forbidden by its meaning, as data, compiled once; and the judging of a sentence by it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::super::fault::{Fault, Faults, read_toml};
use super::super::lexicon::{Boundary, Lexicon, Token, Word};
use super::super::pattern::Classes;
use super::super::phrases::{self, Match, Phrases};
use super::class::Class;

const FILE: &str = "rail";

/// One file, or all of them together.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    spellings: BTreeMap<String, String>,
    classes: Classes,
    guards: BTreeMap<String, GuardSource>,
    idioms: Vec<IdiomSource>,
    rules: Vec<RuleSource>,
}

impl Source {
    /// Names are shared by all files, so that none may stand in two.
    fn take(&mut self, other: Self, faults: &mut Faults) {
        let twice = other.classes.keys().filter(|name| self.classes.contains_key(*name));
        let twice = twice.chain(other.guards.keys().filter(|name| self.guards.contains_key(*name)));
        twice.for_each(|name| faults.add(name, "stands in two files"));
        self.spellings.extend(other.spellings);
        self.classes.extend(other.classes);
        self.guards.extend(other.guards);
        self.idioms.extend(other.idioms);
        self.rules.extend(other.rules);
    }
}

/// The other file whose spellings are known here as well.
#[derive(Deserialize)]
struct Spelt {
    spellings: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardSource {
    side: Side,
    reach_words: usize,
    #[serde(default)]
    within_clause: bool,
    #[serde(default)]
    outside: bool,
    #[serde(default)]
    stops: Vec<String>,
    patterns: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdiomSource {
    classes: Vec<Class>,
    patterns: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSource {
    id: String,
    class: Class,
    #[serde(default)]
    unless: Vec<String>,
    patterns: Vec<String>,
}

/// On which side of what it excuses a guard stands.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Before,
    Behind,
}

/// A phrase beside which something forbidden is said of another, denied, or left to a doctor.
struct Guard {
    side: Side,
    reach_words: usize,
    /// Whether it must not overlap what it excuses.
    outside: bool,
    /// What it does not reach over.
    wall: Boundary,
    /// Words over which it does not reach either.
    stops: BTreeSet<Word>,
}

struct Rule {
    class: Class,
    /// By their places in [`Rail::guards`].
    unless: Vec<usize>,
}

/// What a match means, by its place.
#[derive(Clone, Copy)]
enum Meaning {
    Rule(usize),
    Guard(usize),
    Idiom(usize),
}

/// The compiled rules of one language.
pub struct Rail {
    lexicon: Lexicon,
    rules: Vec<Rule>,
    guards: Vec<Guard>,
    /// The classes that each idiom does not mean.
    idioms: Vec<Vec<Class>>,
    signs: Phrases<Meaning>,
    context: Phrases<Meaning>,
}

impl Rail {
    /// The data inside of the binary.
    pub fn embedded() -> Result<Self, Vec<Fault>> {
        Self::parse(&super::RAIL, super::super::source::WORDS)
    }

    /// Reads and compiles rules out of several files; every fault in them is reported. `spelt` is the file of the screen's
    /// rules, whose spellings are read the same way here.
    pub fn parse(sources: &[&str], spelt: &str) -> Result<Self, Vec<Fault>> {
        let Spelt { mut spellings } = read_toml(FILE, spelt)?;
        let mut faults = Faults::of(FILE);
        let mut source = Source::default();
        for part in sources {
            source.take(read_toml(FILE, part)?, &mut faults);
        }
        spellings.extend(source.spellings.clone());
        let lexicon = phrases::lexicon_with(&spellings, &mut faults);
        let mut compiler = Compiler::new(&source, lexicon, faults);
        compiler.guards();
        compiler.idioms();
        compiler.rules();
        compiler.faults.unless_any(compiler.made)
    }

    /// What a sentence says that is forbidden. `folded` holds what went out before it as well, up to `seam`; only what
    /// reaches over that counts, and what stood before the seam does not excuse what begins behind it.
    pub(super) fn verdict(&self, folded: &str, seam: usize) -> Option<Class> {
        let tokens = self.lexicon.read(folded);
        // A match never runs over the end of a sentence, so the matcher is shown none: a full stop hides nothing.
        let unstopped: Vec<Token> = tokens
            .iter()
            .map(|token| Token { before: token.before.min(Boundary::Clause), ..*token })
            .collect();
        let mut work = 0;
        let mut signs = self.signs.matches(&unstopped, &mut work);
        signs.retain(|sign| tokens[sign.end - 1].end > seam);
        if signs.is_empty() {
            return None;
        }
        let context =
            self.context.matches_of(&unstopped, &mut work, |meaning| self.bears_on(meaning, &signs));
        signs.iter().find_map(|sign| self.judge(sign, &context, &tokens))
    }

    /// How many steps the patterns take on a text.
    #[cfg(test)]
    pub(super) fn work_of(&self, folded: &str) -> u64 {
        let tokens = self.lexicon.read(folded);
        let mut work = 0;
        self.signs.matches(&tokens, &mut work);
        self.context.matches(&tokens, &mut work);
        work
    }

    /// Whether what stands beside a sign, or over it, could excuse it.
    fn bears_on(&self, meaning: Meaning, signs: &[Match<Meaning>]) -> bool {
        signs.iter().any(|sign| {
            let Meaning::Rule(nth) = sign.meaning else { return false };
            let rule = &self.rules[nth];
            match meaning {
                Meaning::Rule(_) => false,
                Meaning::Guard(nth) => rule.unless.contains(&nth),
                Meaning::Idiom(nth) => self.idioms[nth].contains(&rule.class),
            }
        })
    }

    fn judge(&self, sign: &Match<Meaning>, context: &[Match<Meaning>], tokens: &[Token]) -> Option<Class> {
        let Meaning::Rule(nth) = sign.meaning else { return None };
        let rule = &self.rules[nth];
        let excuses = |found: &Match<Meaning>| match found.meaning {
            Meaning::Rule(_) => false,
            Meaning::Idiom(nth) => {
                self.idioms[nth].contains(&rule.class) && found.start < sign.end && sign.start < found.end
            }
            Meaning::Guard(nth) => {
                rule.unless.contains(&nth) && self.guards[nth].reaches(found, sign, tokens)
            }
        };
        (!context.iter().any(excuses)).then_some(rule.class)
    }
}

impl Guard {
    fn reaches(&self, own: &Match<Meaning>, sign: &Match<Meaning>, tokens: &[Token]) -> bool {
        let (from, to) = match self.side {
            Side::Before if own.start < sign.end => (own.end, sign.start),
            Side::Behind if own.end > sign.start => (sign.end, own.start),
            Side::Before | Side::Behind => return false,
        };
        if from > to {
            // It overlaps the sign.
            return !self.outside;
        }
        to - from <= self.reach_words
            && tokens[from..=to.min(tokens.len() - 1)].iter().all(|token| token.before < self.wall)
            && tokens[from..to].iter().all(|token| !self.stops.contains(&token.word))
    }
}

struct Compiler<'a> {
    source: &'a Source,
    faults: Faults,
    made: Rail,
}

impl<'a> Compiler<'a> {
    const fn new(source: &'a Source, lexicon: Lexicon, faults: Faults) -> Self {
        let made = Rail {
            lexicon,
            rules: Vec::new(),
            guards: Vec::new(),
            idioms: Vec::new(),
            signs: Phrases::new(),
            context: Phrases::new(),
        };
        Self { source, faults, made }
    }

    fn guards(&mut self) {
        for (nth, (name, guard)) in self.source.guards.iter().enumerate() {
            self.patterns(name, Meaning::Guard(nth), &guard.patterns);
            let lexicon = &mut self.made.lexicon;
            self.made.guards.push(Guard {
                side: guard.side,
                reach_words: guard.reach_words,
                outside: guard.outside,
                wall: if guard.within_clause { Boundary::Clause } else { Boundary::Sentence },
                stops: guard.stops.iter().flat_map(|word| lexicon.learn(word).into_vec()).collect(),
            });
        }
    }

    fn idioms(&mut self) {
        for (nth, idiom) in self.source.idioms.iter().enumerate() {
            self.patterns("idioms", Meaning::Idiom(nth), &idiom.patterns);
            self.made.idioms.push(idiom.classes.clone());
        }
    }

    fn rules(&mut self) {
        let mut ids = BTreeSet::new();
        for (nth, rule) in self.source.rules.iter().enumerate() {
            if !ids.insert(&rule.id) {
                self.faults.add(&rule.id, "is the id of two rules");
            }
            self.patterns(&rule.id, Meaning::Rule(nth), &rule.patterns);
            let unless = rule.unless.iter().filter_map(|name| self.guard(&rule.id, name)).collect();
            self.made.rules.push(Rule { class: rule.class, unless });
        }
    }

    fn guard(&mut self, rule: &str, name: &str) -> Option<usize> {
        let place = self.source.guards.keys().position(|known| known == name);
        if place.is_none() {
            self.faults.add(rule, format!("names an unknown guard: {name}"));
        }
        place
    }

    fn patterns(&mut self, place: &str, meaning: Meaning, sources: &[String]) {
        if sources.is_empty() {
            self.faults.add(place, "has no pattern");
        }
        let kind = match meaning {
            Meaning::Rule(_) => &mut self.made.signs,
            Meaning::Guard(_) | Meaning::Idiom(_) => &mut self.made.context,
        };
        for source in sources {
            let learnt = kind.learn(meaning, source, &self.source.classes, &mut self.made.lexicon);
            self.faults.keep(place, learnt);
        }
    }
}
