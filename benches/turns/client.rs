//! A keep-alive HTTP/1.1 client that costs next to nothing: it shares the machine with what it measures.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub struct Client {
    stream: TcpStream,
    host: SocketAddr,
    buffer: Vec<u8>,
}

pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

impl Client {
    pub async fn connect(host: SocketAddr) -> Self {
        let stream = TcpStream::connect(host).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, host, buffer: Vec::with_capacity(16 << 10) }
    }

    pub async fn get(&mut self, path: &str) -> Response {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.ask(request.as_bytes()).await
    }

    pub async fn post(&mut self, path: &str, body: &str) -> Response {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.ask(request.as_bytes()).await
    }

    async fn ask(&mut self, request: &[u8]) -> Response {
        self.stream.write_all(request).await.expect("it takes the request");
        self.buffer.clear();
        let (head, length) = loop {
            if let Some(head) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break (head + 4, length_in(&self.buffer[..head]));
            }
            self.read_more().await;
        };
        while self.buffer.len() < head + length {
            self.read_more().await;
        }
        let status = std::str::from_utf8(&self.buffer[9..12]).ok().and_then(|status| status.parse().ok());
        Response { status: status.expect("a status line"), body: self.buffer[head..head + length].to_vec() }
    }

    async fn read_more(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.expect("it answers");
        assert!(read > 0, "the server closed the connection");
    }
}

fn length_in(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).expect("a plain head");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    length.expect("a content length")
}
