//! The little language in which the rules describe phrases, and its matcher. Bounded: a pattern has no loops, so a
//! match looks at a fixed number of words however long the text is.
//!
//! `word` is itself · `(a|b c)` one of these · `x?` perhaps · `@name` a class of phrases · `_3` up to three words of
//! any kind · `~3` up to three words other than `i`, with which writers begin to speak of themselves · `#` a number ·
//! `$` the end of a sentence or clause. A match never runs over the end of a sentence.

mod parser;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::lexicon::{Boundary, Lexicon, Token, Word};
use parser::Parser;

/// The longest compiled pattern, in operations.
const OPS_MAX: usize = 4_000;

enum Node {
    Word(Word),
    /// Up to so many words, none of them the given one.
    Gap(u8, Option<Word>),
    End,
    Maybe(Vec<Self>),
    OneOf(Vec<Vec<Self>>),
}

enum Op {
    Word(Word),
    /// Sorted.
    OneOf(Box<[Word]>),
    Any,
    AnyBut(Word),
    /// Looks whether the next word is one of these, sorted, and stays before it.
    Peek(Box<[Word]>),
    /// Tries the first way, then the second.
    Split(usize, usize),
    Jump(usize),
    /// The end of a sentence or clause.
    End,
    Done,
}

/// Named lists of phrases, themselves patterns.
pub(super) type Classes = BTreeMap<String, Vec<String>>;

/// A compiled pattern.
pub(super) struct Pattern {
    ops: Vec<Op>,
    needs: Vec<Vec<Word>>,
}

impl Pattern {
    /// Compiles a pattern. The error says what is wrong with it.
    pub(super) fn parse(source: &str, classes: &Classes, lexicon: &mut Lexicon) -> Result<Self, String> {
        let nodes = Parser::new(classes, lexicon).whole(source)?;
        let mut pattern = Self { ops: Vec::new(), needs: needs(&nodes) };
        pattern.emit_all(&nodes);
        pattern.ops.push(Op::Done);
        if pattern.ops.len() > OPS_MAX {
            return Err("is too long".to_owned());
        }
        Ok(pattern)
    }

    /// The words with which a match can begin.
    pub(super) fn first_words(&self) -> Result<Vec<Word>, String> {
        let (mut first, mut open) = (Vec::new(), vec![0]);
        while let Some(at) = open.pop() {
            match &self.ops[at] {
                Op::Word(word) => first.push(*word),
                Op::OneOf(words) => first.extend_from_slice(words),
                Op::Split(one, other) => open.extend([*one, *other]),
                Op::Jump(to) => open.push(*to),
                Op::Peek(_) => open.push(at + 1),
                Op::Any | Op::AnyBut(_) | Op::End => return Err("begins with a gap or an end".to_owned()),
                Op::Done => return Err("matches nothing at all".to_owned()),
            }
        }
        first.sort_unstable();
        first.dedup();
        Ok(first)
    }

    /// Which words can stand second in a match, as a sieve of 64 holes; a word that does not fall through cannot.
    pub(super) fn second_words(&self) -> u64 {
        let (mut sieve, mut open, mut consumed) = (0, vec![(0, false)], Vec::new());
        while let Some((at, is_second)) = open.pop() {
            match &self.ops[at] {
                Op::Split(one, other) => open.extend([(*one, is_second), (*other, is_second)]),
                Op::Jump(to) => open.push((*to, is_second)),
                Op::Peek(_) => open.push((at + 1, is_second)),
                Op::Any | Op::AnyBut(_) | Op::End | Op::Done => sieve = u64::MAX,
                Op::Word(word) if is_second => sieve |= hole(*word),
                Op::OneOf(words) if is_second => {
                    sieve |= words.iter().fold(0, |holes, &word| holes | hole(word));
                }
                Op::Word(_) | Op::OneOf(_) => {
                    if !consumed.contains(&at) {
                        consumed.push(at);
                        open.push((at + 1, true));
                    }
                }
            }
        }
        sieve
    }

    /// Of each of these, a text must hold a word for the pattern to match in it.
    pub(super) fn needs(&self) -> &[Vec<Word>] {
        &self.needs
    }

    /// Where a match that begins at `start` ends. `work` counts the operations done.
    pub(super) fn end_of_match(&self, tokens: &[Token], start: usize, work: &mut u64) -> Option<usize> {
        self.run(tokens, (start, start), 0, work)
    }

    fn run(
        &self,
        tokens: &[Token],
        (start, mut at): (usize, usize),
        mut pc: usize,
        work: &mut u64,
    ) -> Option<usize> {
        loop {
            *work += 1;
            match &self.ops[pc] {
                Op::Done => return Some(at),
                Op::Jump(to) => pc = *to,
                Op::Peek(words) => {
                    tokens.get(at).filter(|next| words.binary_search(&next.word).is_ok())?;
                    pc += 1;
                }
                Op::End if tokens.get(at).is_some_and(|next| next.before == Boundary::None) => return None,
                Op::End => pc += 1,
                Op::Split(one, other) => {
                    if let Some(end) = self.run(tokens, (start, at), *one, work) {
                        return Some(end);
                    }
                    pc = *other;
                }
                consuming @ (Op::Word(_) | Op::OneOf(_) | Op::Any | Op::AnyBut(_)) => {
                    let token = tokens.get(at)?;
                    let goes_on = at == start || token.before < Boundary::Sentence;
                    if !goes_on || !consuming.takes(token.word) {
                        return None;
                    }
                    (at, pc) = (at + 1, pc + 1);
                }
            }
        }
    }

    fn emit_all(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.emit(node);
        }
    }

    fn emit(&mut self, node: &Node) {
        match node {
            Node::Word(word) => self.ops.push(Op::Word(*word)),
            Node::End => self.ops.push(Op::End),
            Node::Gap(most, but) => (0..*most).for_each(|_| self.emit_skip(*but)),
            Node::Maybe(nodes) => self.emit_maybe(nodes),
            Node::OneOf(ways) if ways.len() == 1 => ways.iter().for_each(|way| self.emit_all(way)),
            Node::OneOf(ways) => self.emit_choice(ways),
        }
    }

    /// One word of any kind, or rather none.
    fn emit_skip(&mut self, but: Option<Word>) {
        let here = self.ops.len();
        self.ops.push(Op::Split(here + 2, here + 1));
        self.ops.push(but.map_or(Op::Any, Op::AnyBut));
    }

    fn emit_maybe(&mut self, nodes: &[Node]) {
        let split = self.ops.len();
        self.ops.push(Op::Jump(0));
        self.emit_all(nodes);
        self.ops[split] = Op::Split(split + 1, self.ops.len());
    }

    fn emit_choice(&mut self, ways: &[Vec<Node>]) {
        let first: Option<Vec<_>> = ways.iter().map(|way| first_of(way)).collect();
        if let Some(words) = first.filter(|_| ways.iter().any(|way| single_word(way).is_none())) {
            self.ops.push(Op::Peek(sorted(words.concat())));
        }
        let mut longer: Vec<&[Node]> = Vec::new();
        let mut single = Vec::new();
        for way in ways {
            match single_word(way) {
                Some(word) => single.push(word),
                None => longer.push(way),
            }
        }
        let mut exits = Vec::with_capacity(longer.len());
        for (nth, way) in longer.iter().enumerate() {
            let split = self.ops.len();
            let is_last = single.is_empty() && nth + 1 == longer.len();
            if !is_last {
                self.ops.push(Op::Jump(0));
            }
            self.emit_all(way);
            exits.push(self.ops.len());
            self.ops.push(Op::Jump(0));
            if !is_last {
                self.ops[split] = Op::Split(split + 1, self.ops.len());
            }
        }
        if !single.is_empty() {
            self.ops.push(Op::OneOf(sorted(single)));
        }
        let after = self.ops.len();
        for exit in exits {
            self.ops[exit] = Op::Jump(after);
        }
    }
}

fn single_word(way: &[Node]) -> Option<Word> {
    match way {
        [Node::Word(word)] => Some(*word),
        [Node::OneOf(ways)] if ways.len() == 1 => single_word(&ways[0]),
        _ => None,
    }
}

fn sorted(mut words: Vec<Word>) -> Box<[Word]> {
    words.sort_unstable();
    words.dedup();
    words.into()
}

/// The words to begin with; `None` where that can be any word, or none.
fn first_of(nodes: &[Node]) -> Option<Vec<Word>> {
    let (first, rest) = nodes.split_first()?;
    match first {
        Node::Word(word) => Some(vec![*word]),
        Node::Gap(..) | Node::End => None,
        Node::Maybe(inner) => Some([first_of(inner)?, first_of(rest)?].concat()),
        Node::OneOf(ways) => {
            ways.iter().map(|way| first_of(way)).collect::<Option<Vec<_>>>().map(|words| words.concat())
        }
    }
}

fn needs(nodes: &[Node]) -> Vec<Vec<Word>> {
    nodes.iter().flat_map(needs_of).collect()
}

fn needs_of(node: &Node) -> Vec<Vec<Word>> {
    match node {
        Node::Word(word) => vec![vec![*word]],
        Node::Gap(..) | Node::End | Node::Maybe(_) => Vec::new(),
        Node::OneOf(ways) if ways.len() == 1 => ways.iter().flat_map(|way| needs(way)).collect(),
        // Of each way the fewest words, of those the rarest (common ones were known first); none where a way needs none.
        Node::OneOf(ways) => {
            let rank = |words: &Vec<Word>| (words.len(), Reverse(words.iter().min().copied()));
            let fewest = |way: &Vec<Node>| needs(way).into_iter().min_by_key(rank);
            let each: Option<Vec<_>> = ways.iter().map(fewest).collect();
            each.map(|words| words.concat()).into_iter().collect()
        }
    }
}

/// The hole of a word in a sieve.
pub(super) const fn hole(word: Word) -> u64 {
    1 << (word % 64)
}

impl Op {
    fn takes(&self, word: Word) -> bool {
        match self {
            Self::Word(own) => *own == word,
            Self::OneOf(words) => words.binary_search(&word).is_ok(),
            Self::Any => true,
            Self::AnyBut(but) => word != *but,
            Self::Peek(_) | Self::Split(..) | Self::Jump(_) | Self::End | Self::Done => false,
        }
    }
}
