//! A server that answers requests with raw bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What is done with one request.
#[derive(Clone)]
pub enum Act {
    /// Writes, and takes the next request on the same connection.
    Say(Vec<u8>),
    /// Writes, and closes the connection.
    SayAndClose(Vec<u8>),
    /// Writes, and waits until the other side closes the connection.
    SayAndHold(Vec<u8>),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Request { connection: usize, text: String },
    Closed,
}

pub struct Raw {
    pub url: String,
    pub heard: UnboundedReceiver<Heard>,
}

impl Raw {
    /// Answers one request after the other with `acts`; after the last of them it listens no more.
    pub async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, heard) = unbounded_channel();
        tokio::spawn(accept(listener, Arc::new(Mutex::new(acts.into())), tell));
        Self { url, heard }
    }

    pub async fn request(&mut self) -> (usize, String) {
        match self.heard.recv().await {
            Some(Heard::Request { connection, text }) => (connection, text),
            other => panic!("{other:?} is no request"),
        }
    }
}

async fn accept(listener: TcpListener, acts: Arc<Mutex<VecDeque<Act>>>, tell: UnboundedSender<Heard>) {
    for connection in 0.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        tokio::spawn(serve(stream, connection, Arc::clone(&acts), tell.clone()));
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    acts: Arc<Mutex<VecDeque<Act>>>,
    tell: UnboundedSender<Heard>,
) {
    while let Some(text) = read_request(&mut stream).await {
        let _gone = tell.send(Heard::Request { connection, text });
        let act = acts.lock().pop_front();
        match act {
            Some(Act::Say(bytes)) => stream.write_all(&bytes).await.expect("written"),
            Some(Act::SayAndClose(bytes)) => {
                stream.write_all(&bytes).await.expect("written");
                return;
            }
            Some(Act::SayAndHold(bytes)) => {
                stream.write_all(&bytes).await.expect("written");
                while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
                let _gone = tell.send(Heard::Closed);
                return;
            }
            None => return,
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
            return Some(text.into_owned());
        }
    }
}

/// A status with an empty body.
pub fn status(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} Of Course\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

/// A whole body, a piece at a time.
pub fn streamed(pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = begun(pieces);
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// The same without its end.
pub fn begun(pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
