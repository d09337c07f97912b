//! The floor: the commands that turns made Redis run, taken down by `MONITOR`, then sent as plain commands.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use attune::redis::Link;
use redis::Pipeline;

use super::instance::Redis;

type Words = Vec<Vec<u8>>;

/// A commit names more keys than this, a begin no more.
const BEGINS_KEYS_MAX: u32 = 12;

/// What one turn made Redis run: first what its begin did, then what its commit did.
pub struct Turn {
    begin: Vec<Words>,
    commit: Vec<Words>,
}

/// Takes down what Redis runs, from now on.
pub struct Notes {
    lines: BufReader<TcpStream>,
}

impl Notes {
    pub fn begin(redis: &Redis) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).expect("it listens");
        stream.write_all(b"MONITOR\r\n").expect("it takes the request");
        let mut notes = Self { lines: BufReader::new(stream) };
        assert_eq!(notes.line(), "+OK");
        notes
    }

    /// The turns of the session `id` until now, of one client that sends one call after the other.
    pub fn turns(mut self, redis: &Redis, id: &str) -> Vec<Turn> {
        redis.echo("enough");
        let lock = format!("lock:{id}").into_bytes();
        let mut turns: Vec<Turn> = Vec::new();
        let mut is_commit = false;
        loop {
            let line = self.line();
            let Some((head, words)) = line.split_once("] ") else { continue };
            let (words, is_inner) = (words_of(words), head.ends_with("lua"));
            let name = words[0].to_ascii_lowercase();
            if name == b"echo" {
                return turns;
            }
            let is_call = name == b"evalsha";
            if is_call && words[3].ends_with(&lock) {
                is_commit = number(&words[2]) > BEGINS_KEYS_MAX;
                if !is_commit {
                    turns.push(Turn { begin: Vec::new(), commit: Vec::new() });
                }
            } else if let Some(turn) = turns.last_mut()
                && !is_call
                && (is_inner || matches!(&name[..], b"hgetall" | b"lrange"))
            {
                if is_commit { turn.commit.push(words) } else { turn.begin.push(words) }
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it goes on");
        line.trim_end().to_owned()
    }
}

impl Turn {
    /// The same for another session, whose id is as long.
    pub async fn send(&self, link: &Link, id: &str, other: &str) {
        for commands in [&self.begin, &self.commit] {
            let mut calls = Pipeline::with_capacity(commands.len());
            for words in commands {
                let mut call = redis::Cmd::new();
                for word in words {
                    call.arg(replaced(word, id.as_bytes(), other.as_bytes()));
                }
                calls.add_command(call);
            }
            link.ask(&calls, &[]).await.expect("it answers");
        }
    }

    pub fn commands(&self) -> usize {
        self.begin.len() + self.commit.len()
    }
}

fn number(word: &[u8]) -> u32 {
    std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()).expect("a number")
}

fn replaced(word: &[u8], id: &[u8], other: &[u8]) -> Vec<u8> {
    let mut word = word.to_vec();
    let mut at = 0;
    while let Some(found) = word[at..].windows(id.len()).position(|part| part == id) {
        at += found;
        word[at..at + id.len()].copy_from_slice(other);
        at += id.len();
    }
    word
}

/// `"word" "word"`, with what is not plain behind backslashes.
fn words_of(line: &str) -> Words {
    let (mut words, mut word, mut is_inside) = (Vec::new(), Vec::new(), false);
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        match (is_inside, byte) {
            (true, b'"') => words.push(std::mem::take(&mut word)),
            (true, b'\\') => word.push(unescaped(&mut bytes)),
            (true, _) => word.push(byte),
            (false, _) => {}
        }
        is_inside ^= byte == b'"';
    }
    words
}

fn unescaped(bytes: &mut impl Iterator<Item = u8>) -> u8 {
    match bytes.next().expect("a byte behind the backslash") {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 7,
        b'b' => 8,
        b'x' => {
            let digits: Vec<u8> = bytes.take(2).collect();
            let digits = std::str::from_utf8(&digits).expect("digits");
            u8::from_str_radix(digits, 16).expect("two digits")
        }
        other => other,
    }
}
