//! Finds examples of what a therapist says at such a place: a label and a client's words in, ranked passages out.
//!
//! First by label, then by words, and by meaning where a model for embeddings is there. What was found is kept in this
//! process and, with Redis, for all servers; a kept answer equals the one that would be worked out. Never fails and never
//! waits long: what is away or slow counts as not there. `docs/retrieval.md` explains it.

mod corpus;
pub mod file;
mod index;
mod meaning;
mod shared;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::{Instant, timeout};

use crate::access::Secret;
use crate::llm::embed::Embed;

pub use corpus::{Corpus, PER_LABEL_MIN, Passage, parse};
pub use meaning::Patience;
pub use shared::{RedisShared, Shared, SharedError};

use index::{Index, Rank};
use meaning::{Meaning, fuse};

/// As many examples go into a prompt.
pub const FOUND_MAX: usize = 3;
/// Characters of a text that are looked at; more say nothing new of what it is about.
const TEXT_MAX: usize = 2_000;

/// What a [`Retrieval`] is built with.
pub struct Options {
    /// How long found examples are kept.
    pub ttl: Duration,
    /// How many answers this process keeps.
    pub memory_max: u64,
    pub shared: Option<Arc<dyn Shared>>,
    /// The longest that the shared cache may take to read, and to write.
    pub shared_wait: Duration,
    pub embed: Option<Arc<dyn Embed>>,
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ttl: Duration::from_hours(1),
            memory_max: 10_000,
            shared: None,
            shared_wait: Duration::from_millis(50),
            embed: None,
            patience: Patience::default(),
        }
    }
}

/// An example, and how well it fits: more is better, 0 means that it shares its label alone. Scores of two texts cannot be
/// compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub passage: Arc<Passage>,
    pub score: f32,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// This process had it.
    Memory,
    /// Another server had it.
    Shared,
    /// It was worked out.
    Ranked,
}

impl Source {
    /// A name for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Shared => "shared",
            Self::Ranked => "ranked",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best first, at most [`FOUND_MAX`]; none where the label is not known.
    pub passages: Vec<Scored>,
    pub from: Source,
    pub took: Duration,
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub memory: u64,
    pub shared: u64,
    pub ranked: u64,
    /// Reads and writes of the shared cache that failed or took too long.
    pub shared_failures: u64,
    pub embed_failures: u64,
}

pub struct Retrieval {
    corpus: Corpus,
    index: Index,
    by_id: HashMap<String, Arc<Passage>>,
    secret: Secret,
    memory: Cache<[u8; 16], Vec<Scored>>,
    shared: Option<Arc<dyn Shared>>,
    shared_wait: Duration,
    ttl: Duration,
    meaning: Option<Meaning>,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    memory: AtomicU64,
    shared: AtomicU64,
    ranked: AtomicU64,
    shared_failures: AtomicU64,
}

/// What the shared cache said.
enum Told {
    Found(Vec<Scored>),
    Nothing,
    /// It is away, slow or not there at all; what is found is not brought to it either.
    Silent,
}

impl Retrieval {
    #[must_use]
    pub fn new(corpus: Corpus, secret: Secret, options: Options) -> Self {
        let by_id =
            corpus.passages().iter().map(|passage| (passage.id.clone(), Arc::clone(passage))).collect();
        Self {
            index: Index::of(&corpus),
            by_id,
            secret,
            memory: Cache::builder().max_capacity(options.memory_max).time_to_live(options.ttl).build(),
            shared: options.shared,
            shared_wait: options.shared_wait,
            ttl: options.ttl,
            meaning: options.embed.map(|embed| Meaning::new(embed, options.patience)),
            tally: Tally::default(),
            corpus,
        }
    }

    /// The examples of a label that fit a client's words best.
    pub async fn passages(&self, label: &str, text: &str) -> Found {
        let begun = Instant::now();
        let (passages, from) = self.find(label, &plain(text)).await;
        self.tally.note(from);
        Found { passages, from, took: begun.elapsed() }
    }

    /// Works out the corpus' vectors, and tries until it has them. Ends at once where no model for embeddings is there.
    pub async fn learn(&self) {
        if let Some(meaning) = &self.meaning {
            meaning.learn(&self.corpus).await;
        }
    }

    /// Whether examples are found by meaning too, or would be if the model answered.
    pub fn is_learned(&self) -> bool {
        self.meaning.as_ref().is_some_and(Meaning::is_learned)
    }

    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            memory: read(&self.tally.memory),
            shared: read(&self.tally.shared),
            ranked: read(&self.tally.ranked),
            shared_failures: read(&self.tally.shared_failures),
            embed_failures: self.meaning.as_ref().map_or(0, Meaning::failures),
        }
    }

    async fn find(&self, label: &str, text: &str) -> (Vec<Scored>, Source) {
        let Some(numbers) = self.index.numbers(label) else { return (Vec::new(), Source::Ranked) };
        // No words, no meaning: Ollama has no vector for an empty text.
        let asked = self.meaning.as_ref().filter(|meaning| meaning.is_ready() && !text.is_empty());
        if let Some(meaning) = asked {
            let ranks = async {
                let query = meaning.query(text).await?;
                Some(fuse(&[self.index.matches(label, text), meaning.nearest(numbers, &query)]))
            };
            if let Some(found) = self.through_caches(meaning.model(), label, text, ranks).await {
                return found;
            }
        }
        // Under a key of its own: what was found without the model must not stand when it is there again.
        let ranks = async { Some(self.index.matches(label, text)) };
        self.through_caches("", label, text, ranks).await.unwrap_or((Vec::new(), Source::Ranked))
    }

    /// What is kept for these words, else what the ranking says; `None` where it says nothing.
    async fn through_caches(
        &self,
        model: &str,
        label: &str,
        text: &str,
        ranks: impl Future<Output = Option<Vec<Rank>>>,
    ) -> Option<(Vec<Scored>, Source)> {
        let key = self.secret.passages_key(self.corpus.hash(), model, label, text);
        if let Some(kept) = self.memory.get(&key) {
            return Some((kept, Source::Memory));
        }
        let told = self.ask_shared(label, &key).await;
        if let Told::Found(found) = told {
            self.memory.insert(key, found.clone());
            return Some((found, Source::Shared));
        }
        let found = self.best(label, &ranks.await?);
        self.memory.insert(key, found.clone());
        if matches!(told, Told::Nothing) {
            self.tell_shared(label, &key, &found).await;
        }
        Some((found, Source::Ranked))
    }

    /// The first of a ranking; where it has not enough of them, others of the label in the corpus' order.
    fn best(&self, label: &str, ranks: &[Rank]) -> Vec<Scored> {
        let numbers = self.index.numbers(label).unwrap_or_default();
        let is_ranked = |number: usize| ranks.iter().any(|(ranked, _)| *ranked == number);
        let others = numbers.iter().filter(|number| !is_ranked(**number)).map(|number| (*number, 0.0));
        let scored = |(number, score): Rank| {
            let passage = Arc::clone(self.corpus.passages().get(number)?);
            Some(Scored { passage, score })
        };
        ranks.iter().copied().chain(others).filter_map(scored).take(FOUND_MAX).collect()
    }

    async fn ask_shared(&self, label: &str, key: &[u8; 16]) -> Told {
        let Some(shared) = &self.shared else { return Told::Silent };
        let read = timeout(self.shared_wait, shared.read(label, key)).await;
        let Ok(Ok(value)) = read else {
            self.tally.shared_failures.fetch_add(1, Ordering::Relaxed);
            return Told::Silent;
        };
        value.and_then(|value| self.recognised(label, &value)).map_or(Told::Nothing, Told::Found)
    }

    /// Awaited, not left to a task: one short round trip beside the seconds that a model writes, and no queue to bound.
    async fn tell_shared(&self, label: &str, key: &[u8; 16], found: &[Scored]) {
        let Some(shared) = &self.shared else { return };
        let value = shared::encode(found);
        let written = timeout(self.shared_wait, shared.write(label, key, &value, self.ttl)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.tally.shared_failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Our own examples under the ids of a kept answer; `None` where it is not one that we would have given.
    fn recognised(&self, label: &str, value: &[u8]) -> Option<Vec<Scored>> {
        let rows = shared::decode(value)?;
        let wanted = self.index.numbers(label)?.len().min(FOUND_MAX);
        let mut found: Vec<Scored> = Vec::with_capacity(wanted);
        for row in rows {
            let passage = self.by_id.get(&row.id).filter(|passage| passage.label == label)?;
            if found.iter().any(|other| Arc::ptr_eq(&other.passage, passage)) {
                return None;
            }
            found.push(Scored { passage: Arc::clone(passage), score: row.score });
        }
        (found.len() == wanted).then_some(found)
    }
}

impl Tally {
    fn note(&self, from: Source) {
        let counter = match from {
            Source::Memory => &self.memory,
            Source::Shared => &self.shared,
            Source::Ranked => &self.ranked,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The text in the form in which it is looked up: case, spaces and what comes after the bound make no difference.
fn plain(text: &str) -> String {
    let spelled = |word: &'_ str| word.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let letters = text.split_whitespace().flat_map(|word| std::iter::once(' ').chain(spelled(word)));
    // Every word has a space before it, the first one too.
    letters.skip(1).take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests;
