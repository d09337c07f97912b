//! Vectors that lie near each other where texts share words. They are the same on every machine.

use super::told::hash;

const DIMENSIONS: usize = 64;
const ENDINGS: [&str; 8] = ["ness", "ing", "ed", "es", "ly", "er", "s", "e"];

/// Of length one, also when it is cut to fewer dimensions.
pub fn vector(text: &str, dimensions: Option<usize>) -> Vec<f32> {
    let mut sums = [0.0_f32; DIMENSIONS];
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        let hash = hash(stem(&word.to_lowercase()));
        let sign = if hash >> 32 & 1 == 0 { 1.0 } else { -1.0 };
        // Short words are in every text.
        let weight = if word.chars().count() > 3 { 1.0 } else { 0.25 };
        sums[usize::try_from(hash % 64).unwrap_or_default()] += sign * weight;
    }
    normalised(&sums[..dimensions.unwrap_or(DIMENSIONS).clamp(1, DIMENSIONS)])
}

fn stem(word: &str) -> &str {
    let bare = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending));
    bare.filter(|bare| bare.len() > 2).unwrap_or(word)
}

fn normalised(sums: &[f32]) -> Vec<f32> {
    let length = sums.iter().map(|part| part * part).sum::<f32>().sqrt();
    if length > 0.0 {
        return sums.iter().map(|part| part / length).collect();
    }
    // No words: some direction, and always the same.
    (0..sums.len()).map(|at| if at == 0 { 1.0 } else { 0.0 }).collect()
}
