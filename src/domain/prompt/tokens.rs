//! How many tokens a text may have, on the high side: what is measured with it must fit every model's own count.
//!
//! A token of English is a little over four letters in the vocabularies of today; three are reckoned here. A character
//! beyond ASCII counts as one token and two thirds.

/// What a message costs beside its text: its role and the marks around it.
const MESSAGE: u32 = 8;
/// Thirds of a token.
const ASCII_THIRDS: u32 = 1;
const OTHER_THIRDS: u32 = 5;

pub fn of_text(text: &str) -> u32 {
    thirds(text).div_ceil(3)
}

pub fn of_message(text: &str) -> u32 {
    of_text(text).saturating_add(MESSAGE)
}

/// The longest beginning of so many tokens.
pub fn head(text: &str, tokens: u32) -> &str {
    let mut left = tokens.saturating_mul(3);
    let end = text.char_indices().find(|&(_, c)| !take(&mut left, c));
    end.map_or(text, |(end, _)| &text[..end])
}

/// The longest end of so many tokens.
pub fn tail(text: &str, tokens: u32) -> &str {
    let mut left = tokens.saturating_mul(3);
    let before = text.char_indices().rev().find(|&(_, c)| !take(&mut left, c));
    before.map_or(text, |(at, c)| &text[at + c.len_utf8()..])
}

fn take(left: &mut u32, c: char) -> bool {
    left.checked_sub(cost(c)).map(|rest| *left = rest).is_some()
}

fn cost(c: char) -> u32 {
    if c.is_ascii() { ASCII_THIRDS } else { OTHER_THIRDS }
}

fn thirds(text: &str) -> u32 {
    text.chars().map(cost).fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_reckoned_at_three_letters_a_token_and_the_rest_dearer() {
        assert_eq!((of_text(""), of_text("abc"), of_text("abcd")), (0, 1, 2));
        assert_eq!(of_text("日本語"), 5);
        assert_eq!(of_message("abc"), 1 + MESSAGE);
    }

    #[test]
    fn both_ends_are_cut_between_characters() {
        assert_eq!((head("abcdef", 1), tail("abcdef", 1)), ("abc", "def"));
        assert_eq!((head("日本語", 2), tail("日本語", 2)), ("日", "語"));
        assert_eq!((head("ab", 9), tail("ab", 0)), ("ab", ""));
    }
}
