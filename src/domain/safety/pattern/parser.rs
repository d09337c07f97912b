//! Reads the little language of the rules into nodes. Compiles nothing.

use super::super::lexicon::{Lexicon, NUMBER};
use super::{Classes, Node};

/// How deep classes and groups may nest.
const DEPTH_MAX: usize = 8;
/// The word by which writers speak of themselves.
const SELF: &str = "i";

pub(super) struct Parser<'a> {
    classes: &'a Classes,
    lexicon: &'a mut Lexicon,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) const fn new(classes: &'a Classes, lexicon: &'a mut Lexicon) -> Self {
        Self { classes, lexicon, depth: 0 }
    }

    pub(super) fn whole(&mut self, source: &str) -> Result<Vec<Node>, String> {
        let lexemes = lexemes(source);
        let mut rest = lexemes.as_slice();
        let mut ways = self.ways(&mut rest)?;
        if !rest.is_empty() {
            return Err("has a bracket that closes nothing".to_owned());
        }
        match (ways.len(), ways.pop()) {
            (1, Some(only)) => Ok(only),
            _ => Err("has a bar outside of brackets".to_owned()),
        }
    }

    fn ways(&mut self, rest: &mut &[&str]) -> Result<Vec<Vec<Node>>, String> {
        let mut ways = vec![Vec::new()];
        while let Some((&lexeme, after)) = rest.split_first() {
            if lexeme == ")" {
                break;
            }
            *rest = after;
            match lexeme {
                "|" => ways.push(Vec::new()),
                "?" => make_optional(&mut ways)?,
                _ => {
                    let nodes = self.nodes(lexeme, rest)?;
                    if let Some(way) = ways.last_mut() {
                        way.extend(nodes);
                    }
                }
            }
        }
        Ok(ways)
    }

    fn nodes(&mut self, lexeme: &str, rest: &mut &[&str]) -> Result<Vec<Node>, String> {
        if lexeme == "(" {
            return self.group(rest).map(|node| vec![node]);
        }
        if let Some(name) = lexeme.strip_prefix('@') {
            return self.class(name).map(|node| vec![node]);
        }
        if let Some(most) = lexeme.strip_prefix('_') {
            return most_words(most).map(|most| vec![Node::Gap(most, None)]);
        }
        if let Some(most) = lexeme.strip_prefix('~') {
            let writer = self.lexicon.learn(SELF).first().copied();
            return most_words(most).map(|most| vec![Node::Gap(most, writer)]);
        }
        match lexeme {
            "#" => return Ok(vec![Node::Word(NUMBER)]),
            "$" => return Ok(vec![Node::End]),
            _ => {}
        }
        if !lexeme.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'\'') {
            return Err(format!("has a word that is not lower-case letters: {lexeme}"));
        }
        Ok(vec![Node::OneOf(vec![self.lexicon.learn(lexeme).iter().map(|&word| Node::Word(word)).collect()])])
    }

    fn group(&mut self, rest: &mut &[&str]) -> Result<Node, String> {
        let ways = self.deeper(|parser| parser.ways(rest))?;
        match rest.split_first() {
            Some((&")", after)) => {
                *rest = after;
                Ok(Node::OneOf(ways))
            }
            Some(_) | None => Err("has a bracket that is not closed".to_owned()),
        }
    }

    fn class(&mut self, name: &str) -> Result<Node, String> {
        let classes = self.classes;
        let phrases = classes.get(name).ok_or_else(|| format!("names an unknown class: @{name}"))?;
        let ways = self.deeper(|parser| {
            phrases.iter().map(|phrase| parser.whole(phrase)).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(Node::OneOf(ways))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth == DEPTH_MAX {
            return Err("nests too deep".to_owned());
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }
}

fn most_words(most: &str) -> Result<u8, String> {
    let most = most.parse::<u8>().ok().filter(|most| (1..=8).contains(most));
    most.ok_or_else(|| "has a gap that is not _1 to _8, or ~1 to ~8".to_owned())
}

fn make_optional(ways: &mut [Vec<Node>]) -> Result<(), String> {
    let way = ways.last_mut().ok_or("has a question mark behind nothing")?;
    let node = way.pop().ok_or("has a question mark behind nothing")?;
    way.push(Node::Maybe(vec![node]));
    Ok(())
}

fn lexemes(source: &str) -> Vec<&str> {
    let mut lexemes = Vec::new();
    for word in source.split_whitespace() {
        let mut start = 0;
        for (at, sign) in word.match_indices(['(', ')', '|', '?']) {
            if at > start {
                lexemes.push(&word[start..at]);
            }
            lexemes.push(sign);
            start = at + sign.len();
        }
        if start < word.len() {
            lexemes.push(&word[start..]);
        }
    }
    lexemes
}
