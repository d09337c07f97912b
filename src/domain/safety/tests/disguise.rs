//! What people do to the letters of a sentence, so that it is not found.

use super::*;

const PLAIN: [&str; 8] = [
    "i want to kill myself",
    "i am thinking about suicide",
    "i am going to hang myself tonight",
    "i keep cutting myself",
    "i want to die",
    "i took an overdose",
    "i feel suicidal",
    "i want to end my life",
];

/// Words that tell what a sentence is about; a mask is put on these.
const TELLING: [&str; 9] =
    ["kill", "suicide", "hang", "cutting", "die", "overdose", "suicidal", "myself", "life"];

fn each_letter(text: &str, change: impl Fn(usize, char) -> String) -> String {
    text.chars().enumerate().map(|(at, letter)| change(at, letter)).collect()
}

fn each_word(text: &str, change: impl Fn(&str) -> String) -> String {
    text.split(' ').map(change).collect::<Vec<_>>().join(" ")
}

fn spread(word: &str, between: &str) -> String {
    word.chars().map(String::from).collect::<Vec<_>>().join(between)
}

fn in_figures(letter: char) -> char {
    match letter {
        'i' => '1',
        'e' => '3',
        'o' => '0',
        's' => '5',
        'a' => '4',
        't' => '7',
        other => other,
    }
}

fn look_alike(letter: char) -> char {
    match letter {
        'i' => 'і',
        'e' => 'е',
        'o' => 'о',
        's' => 'ѕ',
        'a' => 'а',
        'c' => 'с',
        other => other,
    }
}

/// The second letter stands for itself no more.
fn masked(word: &str) -> String {
    if TELLING.contains(&word) { word.replacen(&word[1..2], "*", 1) } else { word.to_owned() }
}

fn disguises(text: &str) -> [(&'static str, String); 10] {
    [
        (
            "in capitals by turns",
            each_letter(text, |at, c| if at % 2 == 0 { c.to_uppercase().to_string() } else { c.to_string() }),
        ),
        ("with invisible letters", each_letter(text, |_, c| format!("{c}\u{200b}"))),
        ("with figures", each_letter(text, |_, c| in_figures(c).to_string())),
        ("with letters of another script", each_letter(text, |_, c| look_alike(c).to_string())),
        (
            "with dots",
            each_word(text, |word| if TELLING.contains(&word) { spread(word, ".") } else { word.to_owned() }),
        ),
        (
            "spaced out",
            each_word(text, |word| if TELLING.contains(&word) { spread(word, " ") } else { word.to_owned() }),
        ),
        (
            "drawn out",
            each_word(text, |word| {
                if TELLING.contains(&word) {
                    word.replacen(&word[1..2], &word[1..2].repeat(4), 1)
                } else {
                    word.to_owned()
                }
            }),
        ),
        ("masked", each_word(text, masked)),
        (
            "in full width",
            each_letter(text, |_, c| {
                char::from_u32(u32::from(c) + 0xfee0)
                    .filter(|_| c.is_ascii_lowercase())
                    .unwrap_or(c)
                    .to_string()
            }),
        ),
        ("with accents", each_letter(text, |_, c| if c == 'i' { "ï".to_owned() } else { c.to_string() })),
    ]
}

#[test]
fn no_disguise_hides_a_plain_statement() {
    let safety = safety();
    for plain in PLAIN {
        let level = safety.screen(plain).level;
        assert!(level.pauses(), "{plain}");
        for (how, disguised) in disguises(plain) {
            assert!(safety.screen(&disguised).level.pauses(), "{how}: {disguised}");
        }
    }
}

#[test]
fn a_slip_of_the_fingers_does_not_hide_a_plain_statement() {
    let safety = safety();
    for slipped in
        ["i wnat to kil mysefl", "im sucidal", "thinkng abuot suicde", "i tried to overdsoe last nihgt"]
    {
        assert!(safety.screen(slipped).level.pauses(), "{slipped}");
    }
    for word in ["The filling was billed.", "Willing and skilled.", "He hung the hag's coat.", "God is good."]
    {
        assert_eq!(safety.screen(word).level, Level::None, "{word}");
    }
}

#[test]
fn what_is_hidden_whole_is_no_word() {
    for text in ["I want to **** her in the garden", "my boss is ****ing me off", "****", "*** *** ***"] {
        assert_eq!(safety().screen(text).level, Level::None, "{text}");
    }
}
