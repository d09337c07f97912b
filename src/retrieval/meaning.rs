//! Ranks examples by meaning, where a model for embeddings is there, and joins that with the ranking by words.
//!
//! The corpus' vectors are worked out once, behind the server's back. Until they stand, and while the model does not answer,
//! words alone decide.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::corpus::Corpus;
use super::index::{Rank, sort, words_of};
use crate::llm::ModelError;
use crate::llm::embed::Embed;

/// Examples whose vectors are asked for together.
const BATCH: usize = 16;
/// What a rank is worth: of two rankings neither can push the other aside.
const FUSION_K: f32 = 60.0;

/// How long is waited for a model.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the vector of a client's words: somebody waits.
    pub query: Duration,
    /// For the vectors of some examples: nobody does, and the model may have to be loaded.
    pub batch: Duration,
    /// The first pause before the corpus is tried again; it doubles up to the longest.
    pub pause_first: Duration,
    pub pause_longest: Duration,
    /// After a failed query nobody asks for so long.
    pub rest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            query: Duration::from_millis(300),
            batch: Duration::from_mins(2),
            pause_first: Duration::from_secs(5),
            pause_longest: Duration::from_mins(5),
            rest: Duration::from_secs(5),
        }
    }
}

pub(super) struct Meaning {
    embed: Arc<dyn Embed>,
    patience: Patience,
    /// By the examples' numbers, each of length one.
    vectors: OnceLock<Vec<Vec<f32>>>,
    /// A short lock around an instant.
    rests_until: Mutex<Option<Instant>>,
    failures: AtomicU64,
}

impl Meaning {
    pub fn new(embed: Arc<dyn Embed>, patience: Patience) -> Self {
        Self {
            embed,
            patience,
            vectors: OnceLock::new(),
            rests_until: Mutex::new(None),
            failures: AtomicU64::new(0),
        }
    }

    pub fn model(&self) -> &str {
        self.embed.model()
    }

    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub fn is_learned(&self) -> bool {
        self.vectors.get().is_some()
    }

    /// Whether asking makes sense.
    pub fn is_ready(&self) -> bool {
        let is_resting = self.rests_until.lock().is_some_and(|until| Instant::now() < until);
        self.is_learned() && !is_resting
    }

    /// Works out the vectors of all examples. Ends when they stand; until then it tries again.
    pub async fn learn(&self, corpus: &Corpus) {
        let mut pause = self.patience.pause_first;
        while !self.is_learned() {
            match self.vectors_of(corpus).await {
                Ok(vectors) => {
                    // Nobody else sets them; and if, they are the same.
                    let _stands = self.vectors.set(vectors);
                    tracing::info!(model = self.model(), "examples are found by meaning too");
                }
                Err(error) => {
                    self.failed();
                    tracing::warn!(%error, "examples are found by words alone: their vectors are not there");
                    sleep(pause).await;
                    pause = (pause * 2).min(self.patience.pause_longest);
                }
            }
        }
    }

    async fn vectors_of(&self, corpus: &Corpus) -> Result<Vec<Vec<f32>>, ModelError> {
        let texts: Vec<String> = corpus.passages().iter().map(|passage| words_of(passage)).collect();
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            for vector in self.embed.embed(&batch, self.patience.batch).await? {
                let length = vectors.first().map_or(vector.len(), Vec::len);
                vectors.push(unit(vector, length).ok_or(ModelError::Garbled)?);
            }
        }
        if vectors.len() == texts.len() { Ok(vectors) } else { Err(ModelError::Garbled) }
    }

    /// The vector of a client's words; `None` where it is not to be had in time.
    pub async fn query(&self, text: &str) -> Option<Vec<f32>> {
        let length = self.vectors.get()?.first()?.len();
        let answer = self.embed.embed(&[text], self.patience.query).await;
        let vector = answer.ok().and_then(|mut vectors| unit(vectors.pop()?, length));
        if vector.is_none() {
            self.failed();
            *self.rests_until.lock() = Some(Instant::now() + self.patience.rest);
        }
        vector
    }

    fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Of these examples the nearest first.
    pub fn nearest(&self, numbers: &[usize], query: &[f32]) -> Vec<Rank> {
        let vectors = self.vectors.get().map(Vec::as_slice).unwrap_or_default();
        let near = |number: &usize| Some((*number, dot(vectors.get(*number)?, query)));
        let mut ranks: Vec<Rank> = numbers.iter().filter_map(near).collect();
        sort(&mut ranks);
        ranks
    }
}

/// Joins rankings by the places that they give (reciprocal rank fusion); their scores cannot be compared.
pub(super) fn fuse(rankings: &[Vec<Rank>]) -> Vec<Rank> {
    let mut fused: Vec<Rank> = Vec::new();
    for ranking in rankings {
        let mut worth = FUSION_K;
        for (number, _) in ranking {
            worth += 1.0;
            match fused.iter_mut().find(|(known, _)| known == number) {
                Some((_, score)) => *score += 1.0 / worth,
                None => fused.push((*number, 1.0 / worth)),
            }
        }
    }
    sort(&mut fused);
    fused
}

/// The vector with length one, if it is a vector of so many numbers at all.
fn unit(mut vector: Vec<f32>, length: usize) -> Option<Vec<f32>> {
    let norm = dot(&vector, &vector).sqrt();
    if vector.len() != length || !norm.is_normal() {
        return None;
    }
    for value in &mut vector {
        *value /= norm;
    }
    Some(vector)
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fusion_prefers_what_both_rankings_like_and_keeps_what_one_alone_knows() {
        let words = vec![(1, 9.0), (2, 8.0)];
        let meaning = vec![(2, 0.9), (3, 0.8), (1, 0.1)];
        let order: Vec<usize> = fuse(&[words, meaning]).into_iter().map(|(number, _)| number).collect();
        assert_eq!(order, [2, 1, 3]);
    }

    #[test]
    fn equals_keep_the_order_of_the_corpus() {
        let fused = fuse(&[vec![(7, 1.0), (4, 0.5)], vec![(4, 1.0), (7, 0.5)]]);
        assert_eq!(fused.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [4, 7]);
    }

    #[test]
    fn only_a_vector_of_the_right_length_with_a_direction_is_taken() {
        assert_eq!(unit(vec![3.0, 4.0], 2), Some(vec![0.6, 0.8]));
        assert_eq!(unit(vec![3.0, 4.0], 3), None);
        assert_eq!(unit(vec![0.0, 0.0], 2), None);
        assert_eq!(unit(vec![f32::NAN, 1.0], 2), None);
        assert_eq!(unit(vec![f32::INFINITY, 1.0], 2), None);
    }
}
