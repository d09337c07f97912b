//! A folded copy of a text, for the rules alone: one case, plain letters, nothing invisible.
//!
//! It never changes what is stored or answered, and nothing corrects spelling before it.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Folds a text. Compatibility forms, accents, look-alike letters and curly quotes become plain ones; zero-width and
/// control characters go; the ends of lines and sentences stay, since context depends on them.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        text.bytes().for_each(|byte| push(char::from(byte), &mut folded));
    } else {
        // Decomposed rather than composed, so that an accent is a mark of its own and can be dropped.
        text.nfkd().for_each(|letter| push(letter, &mut folded));
    }
    folded
}

fn push(letter: char, folded: &mut String) {
    match letter {
        'a'..='z' | '0'..='9' | ' ' | '\n' => folded.push(letter),
        'A'..='Z' => folded.push(letter.to_ascii_lowercase()),
        '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' | '\r' => folded.push(' '),
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2bc}' | '\u{2032}' | '\u{b4}' | '`' => folded.push('\''),
        '\u{2026}' | '\u{3002}' => folded.push('.'),
        _ if is_invisible(letter) || is_combining_mark(letter) => {}
        _ => letter.to_lowercase().for_each(|lower| folded.push(latin(lower))),
    }
}

fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The Latin letter that a letter of another script is taken for by the eye.
fn latin(letter: char) -> char {
    match letter {
        'а' | 'α' | 'ɑ' => 'a',
        'в' | 'β' | 'ь' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' | 'đ' => 'd',
        'е' | 'ε' | 'є' | 'ə' => 'e',
        'ɡ' | 'ց' => 'g',
        'һ' | 'н' | 'ħ' => 'h',
        'і' | 'ι' | 'ı' | 'ӏ' | 'ɩ' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'ł' | 'ⅼ' | 'ʟ' => 'l',
        'м' | 'μ' => 'm',
        'п' | 'η' | 'ո' => 'n',
        'о' | 'ο' | 'σ' | 'ø' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' | 'ʀ' => 'r',
        'ѕ' | 'ꜱ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' | 'ц' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' | 'ш' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn disguised_letters_become_plain_ones() {
        for disguised in [
            "ｓｕｉｃｉｄｅ",
            "SUICIDE",
            "su\u{200b}ici\u{ad}de",
            "ѕuісіdе",
            "süïcïdé",
            "sui\0cide",
            "𝓼𝓾𝓲𝓬𝓲𝓭𝓮",
        ] {
            assert_eq!(fold(disguised), "suicide");
        }
    }

    #[test]
    fn curly_quotes_become_straight_and_sentence_ends_stay() {
        assert_eq!(fold("I don’t know… yes"), "i don't know... yes");
        assert_eq!(fold("One.\nTwo"), "one.\ntwo");
    }
}
