//! How long it takes to find examples, worked out and kept, and whether both are the same.
//!
//! `cargo bench --bench retrieval`. The stream is made up: of 5,000 different texts, long and short, the n-th most frequent
//! comes a n-th as often as the first. What people really repeat decides about the hit rate, not this program.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::disallowed_methods, reason = "a measurement")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attune::access::Secret;
use attune::domain::labels;
use attune::retrieval::{Corpus, Options, Retrieval, Source};
use secrecy::SecretBox;

const TEXTS: usize = 5_000;
const STREAM: usize = 10_000;
/// The longest that may be sent, and far more than people write.
const LONGEST: usize = 8_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let (fresh, kept) = (retrieval(0), retrieval(10_000));
    println!("two indices over {} examples: {:?}", fresh.corpus().passages().len(), begun.elapsed());
    let mut dice = Dice(1);
    let texts = texts(&mut dice);
    let stream: Vec<usize> = (0..STREAM).map(|_| zipf(&mut dice)).collect();
    runtime.block_on(async {
        warm(&fresh, &texts).await;
        let (mut ranked, mut hits) = (Vec::new(), Vec::new());
        for place in stream {
            let (label, text) = &texts[place];
            let (right, took) = timed(&fresh, label, text).await;
            ranked.push(took);
            let (found, took) = timed(&kept, label, text).await;
            assert_eq!(found.passages, right.passages, "what is kept is what would be worked out");
            if found.from == Source::Memory {
                hits.push(took);
            }
        }
        println!("of {STREAM} texts {} were kept; all {STREAM} answers equal the uncached ones", hits.len());
        show("ranked", ranked);
        show("from memory", hits);
        show("ranked, 8,000 characters", longest(&fresh).await);
    });
}

fn retrieval(memory_max: u64) -> Retrieval {
    let secret = Secret::new(Arc::new(SecretBox::new(Box::new([1; 32]))));
    let options = Options { memory_max, ..Options::default() };
    Retrieval::new(Corpus::shipped().expect("sound"), secret, options)
}

async fn warm(retrieval: &Retrieval, texts: &[(&'static str, String)]) {
    for (label, text) in &texts[..500] {
        black_box(retrieval.passages(label, text).await);
    }
}

async fn timed(retrieval: &Retrieval, label: &str, text: &str) -> (attune::retrieval::Found, Duration) {
    let begun = Instant::now();
    let found = black_box(retrieval.passages(label, text).await);
    (found, begun.elapsed())
}

async fn longest(retrieval: &Retrieval) -> Vec<Duration> {
    let mut dice = Dice(2);
    let mut took = Vec::new();
    for _ in 0..1_000 {
        let mut text = String::new();
        while text.len() < LONGEST {
            text.push_str(word(&mut dice));
            text.push(' ');
        }
        took.push(timed(retrieval, "dr_q_ready", &text).await.1);
    }
    took
}

fn show(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 1_000).copied().unwrap_or_default();
    println!("{what}: p50 {:?}, p99 {:?}, p99.9 {:?} of {}", at(500), at(990), at(999), took.len());
}

/// Texts of 1 to 60 words out of the examples, each under a label; short ones are more frequent.
fn texts(dice: &mut Dice) -> Vec<(&'static str, String)> {
    let labels: Vec<&'static str> = labels::all().map(|(label, _)| label).collect();
    (0..TEXTS)
        .map(|place| {
            let count = 1 + dice.below(3 + place * 57 / TEXTS);
            let words: Vec<&str> = (0..count).map(|_| word(dice)).collect();
            (labels[dice.below(labels.len())], words.join(" "))
        })
        .collect()
}

fn word(dice: &mut Dice) -> &'static str {
    const SOURCE: &str = include_str!("../prompts/corpus/en.jsonl");
    loop {
        let from = dice.below(SOURCE.len());
        let rest = SOURCE.get(from..).unwrap_or_default();
        let word = rest.split(|c: char| !c.is_ascii_alphabetic()).nth(1).unwrap_or_default();
        if word.len() > 1 {
            return word;
        }
    }
}

/// A place in the texts; the n-th comes a n-th as often as the first.
fn zipf(dice: &mut Dice) -> usize {
    let most = u32::try_from(TEXTS).map(f64::from).expect("few");
    let drawn = f64::from(u32::try_from(dice.below(1 << 30)).expect("30 bits")) / f64::from(1_u32 << 30);
    let place = most.powf(drawn) - 1.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to TEXTS")]
    let place = place as usize;
    place.min(TEXTS - 1)
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}
