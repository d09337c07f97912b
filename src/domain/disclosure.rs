//! What a person is told before the first word: that nobody here is human, and what to do in danger.

/// Counts up with every change of the text, so that it can be told which one somebody saw.
pub const VERSION: &str = "1";

const ENGLISH: &str = include_str!("../../prompts/disclosure.en.txt");

/// The text, without the line's end.
pub fn text() -> &'static str {
    ENGLISH.trim()
}
