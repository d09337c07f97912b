//! The output rail: what a model wrote goes out sentence by sentence, each only after it was checked.
//!
//! Pure, in process and linear in the reply's length. What it forbids by meaning is data (`prompts/safety/rail/`);
//! what must not leak, and what is a machine's text, is looked for here. It never changes a word: a sentence goes out as
//! it was written, or not at all. No text that it reads is kept, printed or named in a verdict.

mod class;
mod machine;
mod reading;
mod rules;
mod secrets;
mod sentence;

/// What all classes share, then a file for each.
const RAIL: [&str; 11] = [
    include_str!("../../../../prompts/safety/rail/common.en.toml"),
    include_str!("../../../../prompts/safety/rail/method.en.toml"),
    include_str!("../../../../prompts/safety/rail/medicine.en.toml"),
    include_str!("../../../../prompts/safety/rail/diagnosis.en.toml"),
    include_str!("../../../../prompts/safety/rail/human.en.toml"),
    include_str!("../../../../prompts/safety/rail/dependence.en.toml"),
    include_str!("../../../../prompts/safety/rail/confidentiality.en.toml"),
    include_str!("../../../../prompts/safety/rail/outcome.en.toml"),
    include_str!("../../../../prompts/safety/rail/minimising.en.toml"),
    include_str!("../../../../prompts/safety/rail/abandoning.en.toml"),
    include_str!("../../../../prompts/safety/rail/leak.en.toml"),
];

#[cfg(test)]
mod tests;

pub use class::Class;
pub use reading::{Reading, Release};
pub use rules::Rail;
pub use secrets::Secrets;
