//! Ranks the examples of a label by the words that they share with a text. Pure and deterministic: the same text finds
//! the same examples in the same order.

use std::collections::HashMap;
use std::sync::Arc;

use bm25::{
    DefaultTokenizer, Embedder, EmbedderBuilder, Embedding, Language, ScoredDocument, Scorer, Tokenizer,
};

use super::corpus::{Corpus, Passage};

/// How an example stands among the others of its label: its number in the corpus, and its score.
pub(super) type Rank = (usize, f32);

pub(super) struct Index {
    /// Makes words of a text. Its weights are not used: a query has none.
    words: Embedder<u32, Stems>,
    shelves: HashMap<String, Shelf>,
}

/// The examples of a label.
struct Shelf {
    /// In the corpus' order.
    numbers: Vec<usize>,
    scorer: Scorer<usize>,
}

/// English words without their endings and without those that everybody uses. Shared, because making one is slow.
#[derive(Clone)]
struct Stems(Arc<DefaultTokenizer>);

impl Tokenizer for Stems {
    fn tokenize(&self, text: &str) -> Vec<String> {
        self.0.tokenize(text)
    }
}

impl Index {
    pub fn of(corpus: &Corpus) -> Self {
        let stems = Stems(Arc::new(DefaultTokenizer::new(Language::English)));
        let mut numbers: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, passage) in corpus.passages().iter().enumerate() {
            numbers.entry(passage.label.clone()).or_default().push(number);
        }
        let shelf = |(label, numbers)| (label, Shelf::of(corpus, numbers, &stems));
        let shelves = numbers.into_iter().map(shelf).collect();
        let words = EmbedderBuilder::with_tokenizer_and_fit_to_corpus(stems.clone(), &[]).build();
        Self { words, shelves }
    }

    /// The examples of a label by their numbers; `None` where there is no such label.
    pub fn numbers(&self, label: &str) -> Option<&[usize]> {
        self.shelves.get(label).map(|shelf| shelf.numbers.as_slice())
    }

    /// Those of a label that share a word with the text, the best first.
    pub fn matches(&self, label: &str, text: &str) -> Vec<Rank> {
        let Some(shelf) = self.shelves.get(label) else { return Vec::new() };
        let query: Embedding = self.words.embed(text);
        let matches = shelf.scorer.matches(&query);
        let mut ranks: Vec<Rank> =
            matches.into_iter().map(|ScoredDocument { id, score }| (id, score)).collect();
        sort(&mut ranks);
        ranks
    }
}

impl Shelf {
    fn of(corpus: &Corpus, numbers: Vec<usize>, stems: &Stems) -> Self {
        let texts: Vec<String> = numbers.iter().map(|number| words_of(&corpus.passages()[*number])).collect();
        let fitted: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embedder: Embedder<u32, Stems> =
            EmbedderBuilder::with_tokenizer_and_fit_to_corpus(stems.clone(), &fitted).build();
        let mut scorer = Scorer::new();
        for (number, text) in numbers.iter().zip(&texts) {
            scorer.upsert(number, embedder.embed(text));
        }
        Self { numbers, scorer }
    }
}

/// The words by which an example is found.
pub(super) fn words_of(passage: &Passage) -> String {
    format!("{} {} {}", passage.situation, passage.client, passage.therapist)
}

/// The best first; equals in the corpus' order.
pub(super) fn sort(ranks: &mut [Rank]) {
    ranks.sort_by(|(one, a), (other, b)| b.total_cmp(a).then(one.cmp(other)));
}
