//! What Redis speaks, as far as tests need it: one reply read from bytes, and a client that waits for its answers.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer of Redis. Texts that are no UTF-8 are read with replacement characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Int(i64),
    Text(String),
    List(Vec<Self>),
    Error(String),
}

impl Reply {
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            Self::Nil | Self::Text(_) | Self::List(_) | Self::Error(_) => panic!("no number"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Nil | Self::Int(_) | Self::List(_) | Self::Error(_) => panic!("no text"),
        }
    }

    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Nil | Self::Int(_) | Self::Text(_) | Self::Error(_) => panic!("no list"),
        }
    }

    /// The texts of a list, as of KEYS or ZRANGE.
    pub fn texts(&self) -> Vec<String> {
        self.list().iter().map(|item| item.text().to_owned()).collect()
    }

    /// The fields of a hash, as of HGETALL.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let pairs = self.list().chunks_exact(2);
        pairs.map(|pair| (pair[0].text().to_owned(), pair[1].text().to_owned())).collect()
    }

    /// The first reply or command in `bytes` and how many of them it takes; `None` while some are missing.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, rest) = (String::from_utf8_lossy(&bytes[..end]), end + 2);
        let number = || line[1..].parse::<i64>().unwrap_or_else(|_| panic!("no count after {:?}", bytes[0]));
        match bytes[0] {
            b':' => Some((Self::Int(number()), rest)),
            b'-' => Some((Self::Error(line[1..].to_owned()), rest)),
            b'+' | b',' | b'#' | b'(' => Some((Self::Text(line[1..].to_owned()), rest)),
            b'_' => Some((Self::Nil, rest)),
            b'$' | b'=' | b'!' => bulk(bytes, rest, number()),
            b'*' | b'~' | b'>' => list(bytes, rest, number()),
            b'%' => list(bytes, rest, number() * 2),
            // A command typed by hand.
            _ => Some((Self::Text(line.into_owned()), rest)),
        }
    }
}

fn bulk(bytes: &[u8], start: usize, length: i64) -> Option<(Reply, usize)> {
    let Ok(length) = usize::try_from(length) else {
        return Some((Reply::Nil, start));
    };
    let end = start + length;
    let text = (bytes.len() >= end + 2).then(|| String::from_utf8_lossy(&bytes[start..end]).into_owned())?;
    let reply = if bytes[0] == b'!' { Reply::Error(text) } else { Reply::Text(text) };
    Some((reply, end + 2))
}

fn list(bytes: &[u8], start: usize, count: i64) -> Option<(Reply, usize)> {
    if count < 0 {
        return Some((Reply::Nil, start));
    }
    let (mut items, mut at) = (Vec::new(), start);
    for _ in 0..count {
        let (item, length) = Reply::parse(&bytes[at..])?;
        items.push(item);
        at += length;
    }
    Some((Reply::List(items), at))
}

/// A command as it goes over the wire.
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

/// One connection whose caller waits for each answer.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    /// `patience` is for the connection and for each read.
    pub fn open(port: u16, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), patience)?;
        stream.set_nodelay(true)?;
        let client = Self { stream, unread: Vec::new() };
        client.be_patient(patience)?;
        Ok(client)
    }

    /// For each read from now on.
    pub fn be_patient(&self, patience: Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    pub fn ask(&mut self, words: &[&str]) -> Result<Reply> {
        self.send(&command(words))?;
        self.answer()
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn answer(&mut self) -> Result<Reply> {
        loop {
            if let Some((reply, length)) = Reply::parse(&self.unread) {
                self.unread.drain(..length);
                return Ok(reply);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk)? {
                0 => return Err(Error::from(ErrorKind::UnexpectedEof)),
                count => self.unread.extend(&chunk[..count]),
            }
        }
    }
}
