//! In which language a text is written, where that is sure: by its script, or by its small words.
//!
//! It would rather say nothing than something wrong: slang, typos, names and two words of French in an English sentence
//! are no other language. Pure; it keeps nothing of a text.

mod script;
mod words;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How many words of a text are looked at.
const WORDS_MAX: usize = 200;
/// How many small words it takes to be sure, where there are as many.
const SURE: usize = 2;

/// A language that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Language {
    English,
    German,
    French,
    Spanish,
    Italian,
    Dutch,
    Portuguese,
    Polish,
    Turkish,
    Swedish,
    /// Also Norwegian, which is written nearly the same.
    Danish,
    Romanian,
    Indonesian,
    Czech,
    Hindi,
    Russian,
    Ukrainian,
    Greek,
    Arabic,
    Persian,
    Urdu,
    Hebrew,
    Bengali,
    Punjabi,
    Gujarati,
    Tamil,
    Telugu,
    Thai,
    Chinese,
    Japanese,
    Korean,
}

impl Language {
    /// The one of a code, as in ISO 639-1.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    const ALL: [Self; 31] = [
        Self::English,
        Self::German,
        Self::French,
        Self::Spanish,
        Self::Italian,
        Self::Dutch,
        Self::Portuguese,
        Self::Polish,
        Self::Turkish,
        Self::Swedish,
        Self::Danish,
        Self::Romanian,
        Self::Indonesian,
        Self::Czech,
        Self::Hindi,
        Self::Russian,
        Self::Ukrainian,
        Self::Greek,
        Self::Arabic,
        Self::Persian,
        Self::Urdu,
        Self::Hebrew,
        Self::Bengali,
        Self::Punjabi,
        Self::Gujarati,
        Self::Tamil,
        Self::Telugu,
        Self::Thai,
        Self::Chinese,
        Self::Japanese,
        Self::Korean,
    ];

    /// As in ISO 639-1.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Italian => "it",
            Self::Dutch => "nl",
            Self::Portuguese => "pt",
            Self::Polish => "pl",
            Self::Turkish => "tr",
            Self::Swedish => "sv",
            Self::Danish => "da",
            Self::Romanian => "ro",
            Self::Indonesian => "id",
            Self::Czech => "cs",
            Self::Hindi => "hi",
            Self::Russian => "ru",
            Self::Ukrainian => "uk",
            Self::Greek => "el",
            Self::Arabic => "ar",
            Self::Persian => "fa",
            Self::Urdu => "ur",
            Self::Hebrew => "he",
            Self::Bengali => "bn",
            Self::Punjabi => "pa",
            Self::Gujarati => "gu",
            Self::Tamil => "ta",
            Self::Telugu => "te",
            Self::Thai => "th",
            Self::Chinese => "zh",
            Self::Japanese => "ja",
            Self::Korean => "ko",
        }
    }
}

impl TryFrom<String> for Language {
    type Error = String;

    fn try_from(code: String) -> Result<Self, String> {
        Self::of_code(&code).ok_or_else(|| format!("'{code}' is no language that can be told"))
    }
}

/// The language of a text; `None` where it is not sure.
#[must_use]
pub fn written_in(text: &str) -> Option<Language> {
    script::language(text).or_else(|| by_words(text))
}

/// For each word, the languages that it speaks for, by their places in [`COUNTED`].
static SMALL_WORDS: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut small: HashMap<&str, Vec<usize>> = HashMap::new();
    let lists = std::iter::once(words::ENGLISH).chain(words::OTHERS.iter().map(|(_, list)| *list));
    for (place, list) in lists.enumerate() {
        for word in list.split_whitespace() {
            let places = small.entry(word).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }
    small
});

/// English, then the others in their order.
fn counted(place: usize) -> Language {
    place.checked_sub(1).and_then(|other| words::OTHERS.get(other)).map_or(Language::English, |(it, _)| *it)
}

fn by_words(text: &str) -> Option<Language> {
    let mut counts = vec![0; words::OTHERS.len() + 1];
    let (mut all, mut known) = (0, 0);
    for word in plain_words(text) {
        all += 1;
        let places = SMALL_WORDS.get(word.as_str()).map_or(&[][..], Vec::as_slice);
        known += usize::from(!places.is_empty());
        for &place in places {
            counts[place] += 1;
        }
    }
    let best = (0..counts.len()).max_by_key(|&place| (counts[place], place == 0))?;
    let next = (0..counts.len()).filter(|&place| place != best).map(|place| counts[place]).max()?;
    is_sure(&Counts { best: counts[best], next, english: counts[0], all, known }, best == 0)
        .then(|| counted(best))
}

struct Counts {
    best: usize,
    next: usize,
    english: usize,
    all: usize,
    known: usize,
}

/// English is sure when it leads. Another language has to hold half of the words and leave English far behind, since
/// people mix; two close relatives may come near each other.
fn is_sure(counts: &Counts, is_english: bool) -> bool {
    let needed = SURE.min(counts.all);
    if is_english {
        return counts.best >= needed && counts.best > counts.next && counts.best * 4 >= counts.known;
    }
    counts.all >= SURE
        && counts.best >= needed
        && counts.best * 5 >= counts.all * 2
        && counts.best > counts.next
        && counts.best > counts.english * 2
}

/// Words in small letters without accents.
fn plain_words(text: &str) -> impl Iterator<Item = String> {
    let is_apart = |c: char| !(c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '\'' | '\u{2019}'));
    text.split(is_apart).filter(|word| !word.is_empty()).take(WORDS_MAX).map(plain)
}

fn plain(word: &str) -> String {
    let kept = |c: char| match c {
        '\u{2019}' => Some('\''),
        'ß' => Some('s'),
        'ı' => Some('i'),
        'ł' => Some('l'),
        'ø' => Some('o'),
        c if is_combining_mark(c) => None,
        c => Some(c),
    };
    let small: String = word.to_lowercase().nfkd().filter_map(kept).collect();
    small.trim_matches('\'').to_owned()
}
