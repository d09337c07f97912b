//! The words that the rules know, and how a folded text is read as a row of them.
//!
//! Spaced-out, numbered, masked and drawn-out spellings are undone here, and only where a known word comes out of it:
//! a text that holds none of them is read as it stands.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::domain::fnv::Fnv;

/// A word's number. [`UNKNOWN`] is every word that no rule speaks of.
pub(super) type Word = u16;

pub(super) const UNKNOWN: Word = 0;
/// Every number written in digits.
pub(super) const NUMBER: Word = 1;

/// The longest run of single letters that is tried as words, in letters.
const RUN_MAX: usize = 40;
/// The longest word that is looked for in such a run, in letters.
const RUN_WORD_MAX: usize = 12;
/// The longest word that the rules may know, in bytes.
pub(super) const WORD_MAX: usize = 24;

/// The shortest word of which a letter may be left out.
const SLIPPED_MIN: usize = 5;

/// Letters of a masked word that have to be seen.
const MASKED_SEEN_MIN: usize = 2;

/// What stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Boundary {
    None,
    /// A comma, a bracket, the end of a line.
    Clause,
    Sentence,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub word: Word,
    pub before: Boundary,
    /// Where it lies in the folded text.
    pub start: usize,
    pub end: usize,
}

type Spellings = HashMap<Box<str>, Box<[Word]>, BuildHasherDefault<Fnv>>;

/// The known words and the spellings that mean them.
#[derive(Default)]
pub(super) struct Lexicon {
    names: Vec<Box<str>>,
    entries: Spellings,
    /// Known words with each run of a letter squeezed to one.
    squeezed: Spellings,
    /// Words that are looked for behind asterisks, and in two pieces.
    masked: Vec<(Box<str>, Word)>,
}

impl Lexicon {
    pub(super) fn new() -> Self {
        Self { names: vec!["".into(), "#".into()], ..Self::default() }
    }

    /// The words that a spelling in a pattern stands for; new ones become known.
    pub(super) fn learn(&mut self, spelling: &str) -> Box<[Word]> {
        if let Some(known) = self.entries.get(spelling) {
            return known.clone();
        }
        let word = Word::try_from(self.names.len()).unwrap_or(UNKNOWN);
        self.names.push(spelling.into());
        self.enter(spelling, [word].into());
        [word].into()
    }

    /// From now on `spelling` is read as the words of `meaning`.
    pub(super) fn spell(&mut self, spelling: &str, meaning: &str) {
        let words: Vec<Word> = meaning.split_whitespace().flat_map(|word| self.learn(word)).collect();
        self.enter(spelling, words.into());
    }

    pub(super) fn mask(&mut self, spelling: &str) {
        if let [word] = *self.learn(spelling) {
            self.masked.push((spelling.into(), word));
        }
    }

    /// Typing slips of a known word are read as it, unless they are known themselves: two letters swapped, one of the inner
    /// ones left out, one struck twice. The first letter stands. To be called when everything else is known.
    pub(super) fn forgive(&mut self, spelling: &str) {
        let words = self.learn(spelling);
        for slip in slips(spelling) {
            self.entries.entry(slip.into()).or_insert_with(|| words.clone());
        }
    }

    fn enter(&mut self, spelling: &str, words: Box<[Word]>) {
        self.squeezed.entry(squeeze(spelling).into()).or_insert_with(|| words.clone());
        self.entries.insert(spelling.into(), words);
    }

    pub(super) fn name(&self, word: Word) -> &str {
        self.names.get(usize::from(word)).map_or("", |name| name)
    }

    /// Reads a folded text. Linear in its length.
    pub(super) fn read(&self, folded: &str) -> Vec<Token> {
        let pieces = pieces(folded);
        let mut tokens: Vec<Token> = Vec::with_capacity(pieces.len() + 8);
        let mut at = 0;
        while let Some(piece) = pieces.get(at) {
            let run = letters_in_a_row(&pieces[at..]);
            if run < 3 {
                self.push_word(folded, piece, &mut tokens);
                at += 1;
                continue;
            }
            let run = &pieces[at..at + run];
            if !self.push_spelled_out(folded, run, &mut tokens) {
                for piece in run {
                    self.push_word(folded, piece, &mut tokens);
                }
            }
            at += run.len();
        }
        tokens
    }

    fn push_word(&self, folded: &str, piece: &Piece, tokens: &mut Vec<Token>) {
        let spelling = &folded[piece.start..piece.end];
        let words = self.find(spelling);
        if words.is_empty() {
            if !self.joined_with_last(folded, piece, tokens) {
                let word = if is_number(spelling) { NUMBER } else { UNKNOWN };
                tokens.push(piece.token(word));
            }
            return;
        }
        push_all(words, piece, tokens);
    }

    fn find(&self, spelling: &str) -> &[Word] {
        if let Some(words) = self.entries.get(spelling) {
            return words;
        }
        if spelling.len() > 4 * WORD_MAX {
            return &[];
        }
        if let Some(words) = spelling.strip_suffix("'s").and_then(|stem| self.entries.get(stem)) {
            return words;
        }
        if spelling.contains('*') {
            let unmasked = self.unmask(spelling);
            // Not masked but made to stand out: `*really*`.
            let plain = spelling.trim_matches('*');
            return if unmasked.is_empty() && plain.len() < spelling.len() {
                self.find(plain)
            } else {
                unmasked
            };
        }
        if has_other_than_letters(spelling) && !is_number(spelling) {
            return self.find_numbered(spelling);
        }
        if is_drawn_out(spelling) {
            return self.entry_of(&self.squeezed, &squeeze(spelling));
        }
        &[]
    }

    /// `su1c1de`: digits and signs read as the letters that they resemble.
    fn find_numbered(&self, spelling: &str) -> &[Word] {
        for one in ['i', 'l'] {
            let letters: String = spelling.chars().map(|sign| letter_for(sign, one)).collect();
            let words = self.entry_of(&self.entries, &letters);
            if !words.is_empty() {
                return words;
            }
            let words = self.entry_of(&self.squeezed, &squeeze(&letters));
            if is_drawn_out(&letters) && !words.is_empty() {
                return words;
            }
        }
        &[]
    }

    #[expect(clippy::unused_self, reason = "ties the answer's lifetime to the lexicon")]
    fn entry_of<'a>(&'a self, map: &'a Spellings, spelling: &str) -> &'a [Word] {
        map.get(spelling).map_or(&[], |words| words)
    }

    fn unmask(&self, spelling: &str) -> &[Word] {
        self.masked
            .iter()
            .find(|(word, _)| fits_mask(word, spelling))
            .map_or(&[], |(_, word)| std::slice::from_ref(word))
    }

    /// `sui cide`: two unknown pieces that together are one of the masked words.
    fn joined_with_last(&self, folded: &str, piece: &Piece, tokens: &mut [Token]) -> bool {
        let Some(last) = tokens.last_mut() else { return false };
        let length = last.end - last.start + piece.end - piece.start;
        if last.word != UNKNOWN || piece.before != Boundary::None || !(4..=WORD_MAX).contains(&length) {
            return false;
        }
        let (head, tail) = (&folded[last.start..last.end], &folded[piece.start..piece.end]);
        let is_joined = |word: &str| word.len() == length && word.starts_with(head) && word.ends_with(tail);
        let Some(&(_, word)) = self.masked.iter().find(|(word, _)| is_joined(word)) else { return false };
        last.word = word;
        last.end = piece.end;
        true
    }

    /// `k i l l m y s e l f`: single letters in a row, where they make up known words.
    fn push_spelled_out(&self, folded: &str, run: &[Piece], tokens: &mut Vec<Token>) -> bool {
        let letters: String = run
            .iter()
            .flat_map(|piece| folded[piece.start..piece.end].chars())
            .map(|c| letter_for(c, 'i'))
            .collect();
        let words = if letters.is_ascii() { self.segment(&letters) } else { Vec::new() };
        let Some((first, last)) = run.first().zip(run.last()).filter(|_| !words.is_empty()) else {
            return false;
        };
        push_all(&words, &Piece { before: first.before, start: first.start, end: last.end }, tokens);
        true
    }

    /// Splits letters into known words at the least cost, where a letter that belongs to none costs two words. Empty
    /// where no word of three letters comes out: single letters alone are no disguise.
    fn segment(&self, letters: &str) -> Vec<Word> {
        let mut best = vec![(0, 0)];
        for end in 1..=letters.len() {
            let single = (best[end - 1].0 + 2, end - 1);
            let longer = (end.saturating_sub(RUN_WORD_MAX)..end.saturating_sub(1))
                .filter(|&start| self.entries.contains_key(&letters[start..end]))
                .map(|start| (best[start].0 + 1, start));
            best.push(longer.chain([single]).min().unwrap_or(single));
        }
        let mut cuts = vec![letters.len()];
        while let Some(&end) = cuts.last().filter(|&&end| end > 0) {
            cuts.push(best[end].1);
        }
        cuts.reverse();
        let is_word = |cut: &[usize]| cut[1] - cut[0] >= 3;
        if !cuts.windows(2).any(is_word) {
            return Vec::new();
        }
        cuts.windows(2).flat_map(|cut| self.words_of(&letters[cut[0]..cut[1]])).collect()
    }

    fn words_of(&self, spelling: &str) -> Vec<Word> {
        self.entries.get(spelling).map_or_else(|| vec![UNKNOWN], |words| words.to_vec())
    }
}

fn slips(spelling: &str) -> Vec<String> {
    let letters: Vec<char> = spelling.chars().collect();
    let end = letters.len();
    let text = |letters: Vec<char>| letters.into_iter().collect::<String>();
    let swapped = (0..end.saturating_sub(1)).filter(|&at| letters[at] != letters[at + 1]).map(|at| {
        let mut slip = letters.clone();
        slip.swap(at, at + 1);
        text(slip)
    });
    let is_long = end >= SLIPPED_MIN;
    let without = (1..end).filter(|_| is_long).map(|at| text([&letters[..at], &letters[at + 1..]].concat()));
    let twice = (1..end).map(|at| text([&letters[..=at], &letters[at..]].concat()));
    swapped.chain(without).chain(twice).collect()
}

fn push_all(words: &[Word], piece: &Piece, tokens: &mut Vec<Token>) {
    for (nth, &word) in words.iter().enumerate() {
        let mut token = piece.token(word);
        if nth > 0 {
            token.before = Boundary::None;
        }
        tokens.push(token);
    }
}

/// A word as it is written.
struct Piece {
    before: Boundary,
    start: usize,
    end: usize,
}

impl Piece {
    fn token(&self, word: Word) -> Token {
        Token { word, before: self.before, start: self.start, end: self.end }
    }
}

fn pieces(folded: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(folded.len() / 5 + 1);
    let (mut before, mut start, mut line_is_empty) = (Boundary::Sentence, None, true);
    let mut letters = folded.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|&(_, next)| next);
        let inside = letter.is_alphanumeric() || is_sign_in_word(letter, start.is_some(), next);
        if inside {
            start.get_or_insert(at);
            line_is_empty = false;
            continue;
        }
        if let Some(start) = start.take() {
            pieces.push(Piece { before, start, end: at });
            before = Boundary::None;
        }
        before = before.max(boundary(letter, next, line_is_empty));
        line_is_empty = letter == '\n' || (line_is_empty && letter == ' ');
    }
    if let Some(start) = start {
        pieces.push(Piece { before, start, end: folded.len() });
    }
    pieces
}

/// Signs that stand for letters, where letters go on behind them.
fn is_sign_in_word(sign: char, started: bool, next: Option<char>) -> bool {
    let goes_on = next.is_some_and(|next| next.is_alphanumeric() || "*@$!|".contains(next));
    match sign {
        '\'' | '!' | '|' => started && goes_on,
        '@' | '$' | '*' => goes_on,
        _ => false,
    }
}

fn boundary(sign: char, next: Option<char>, line_is_empty: bool) -> Boundary {
    let ends = next.is_none_or(|next| !next.is_alphanumeric());
    match sign {
        '.' | '!' | '?' | ';' if ends => Boundary::Sentence,
        '\n' if line_is_empty => Boundary::Sentence,
        ',' | '\n' | ':' | '(' | ')' => Boundary::Clause,
        _ => Boundary::None,
    }
}

fn letters_in_a_row(pieces: &[Piece]) -> usize {
    pieces.iter().take(RUN_MAX).take_while(|piece| piece.end - piece.start == 1).count()
}

fn is_number(spelling: &str) -> bool {
    spelling.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_other_than_letters(spelling: &str) -> bool {
    spelling.bytes().any(|byte| !byte.is_ascii_lowercase())
}

/// Whether a letter stands three times in a row.
fn is_drawn_out(spelling: &str) -> bool {
    spelling.as_bytes().windows(3).any(|three| three[0] == three[1] && three[1] == three[2])
}

fn squeeze(spelling: &str) -> String {
    let mut squeezed = String::with_capacity(spelling.len());
    for letter in spelling.chars() {
        if !squeezed.ends_with(letter) {
            squeezed.push(letter);
        }
    }
    squeezed
}

fn letter_for(sign: char, one: char) -> char {
    match sign {
        '0' => 'o',
        '1' | '!' | '|' => one,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        '9' => 'g',
        other => other,
    }
}

/// Whether `spelling`, each asterisk standing for one letter, is `word`. Two letters have to be seen: `****` is any word.
fn fits_mask(word: &str, spelling: &str) -> bool {
    let seen = spelling.bytes().filter(|shown| *shown != b'*').count();
    seen >= MASKED_SEEN_MIN
        && word.len() == spelling.len()
        && word.bytes().zip(spelling.bytes()).all(|(letter, shown)| shown == b'*' || shown == letter)
}
