//! Languages that are known by their letters alone.

use super::Language;

/// A text whose letters are of one script other than Latin by at least half. Latin words in disguise, with a few
/// look-alike letters among their own, are none: whole words count, and each has to hold a letter that no Latin one
/// looks like. A single letter is a face rather than a word.
pub(super) fn language(text: &str) -> Option<Language> {
    let mut counts: Vec<(Language, usize)> = Vec::new();
    let (mut all, mut letters) = (0, 0);
    for word in
        text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).take(super::WORDS_MAX)
    {
        // In scripts without spaces a whole sentence is a word.
        let weight = word.chars().count().div_ceil(6);
        all += weight;
        let Some(language) = of_word(word) else { continue };
        letters += word.chars().count();
        match counts.iter_mut().find(|(counted, _)| *counted == language) {
            Some((_, count)) => *count += weight,
            None => counts.push((language, weight)),
        }
    }
    let of_script: usize = counts.iter().map(|(_, count)| count).sum();
    // Kana beside Chinese signs is Japanese; letters that only one language of a script has decide for it.
    let decided = counts.iter().map(|(language, _)| *language).max_by_key(|language| weight(*language));
    decided.filter(|_| letters >= 2 && of_script * 2 >= all)
}

/// Which of the languages of one script a word decides for.
const fn weight(language: Language) -> u8 {
    if matches!(language, Language::Japanese | Language::Ukrainian | Language::Urdu) {
        3
    } else if matches!(language, Language::Persian) {
        2
    } else {
        1
    }
}

fn of_word(word: &str) -> Option<Language> {
    let mut language = None;
    for letter in word.chars() {
        let (of_letter, is_telling) = of_letter(letter)?;
        if is_telling && language.is_none_or(|found| weight(of_letter) > weight(found)) {
            language = Some(of_letter);
        }
    }
    language
}

/// The language that a letter belongs to, and whether no Latin letter looks like it.
fn of_letter(letter: char) -> Option<(Language, bool)> {
    let language = match letter {
        'і' | 'ї' | 'є' | 'ґ' | 'І' | 'Ї' | 'Є' | 'Ґ' => {
            return Some((Language::Ukrainian, "їґЇҐ".contains(letter)));
        }
        '\u{400}'..='\u{52f}' => return Some((Language::Russian, is_telling_cyrillic(letter))),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => {
            return Some((Language::Greek, "γδζθλξπςφψωΓΔΘΛΞΠΣΦΨΩ".contains(letter)));
        }
        'ٹ' | 'ڈ' | 'ڑ' | 'ے' | 'ں' => Language::Urdu,
        'پ' | 'چ' | 'ژ' | 'گ' | 'ی' | 'ک' => Language::Persian,
        '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' => Language::Arabic,
        '\u{590}'..='\u{5ff}' => Language::Hebrew,
        '\u{900}'..='\u{97f}' => Language::Hindi,
        '\u{980}'..='\u{9ff}' => Language::Bengali,
        '\u{a00}'..='\u{a7f}' => Language::Punjabi,
        '\u{a80}'..='\u{aff}' => Language::Gujarati,
        '\u{b80}'..='\u{bff}' => Language::Tamil,
        '\u{c00}'..='\u{c7f}' => Language::Telugu,
        '\u{e00}'..='\u{e7f}' => Language::Thai,
        '\u{3040}'..='\u{30ff}' => Language::Japanese,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{2ffff}' => Language::Chinese,
        '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => Language::Korean,
        _ => return None,
    };
    Some((language, true))
}

fn is_telling_cyrillic(letter: char) -> bool {
    "бджзийлфцчщъыэюяБДЖЗИЙЛФЦЧЩЪЫЭЮЯ".contains(letter)
}
