//! A keep-alive HTTP/1.1 client of answers that come in chunks: it notes when what it waits for was there, and reads on
//! to the end.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub struct Stream {
    socket: TcpStream,
    host: SocketAddr,
}

/// An answer as far as it was read.
#[derive(Default)]
pub struct Body {
    /// Read, and not yet a whole chunk.
    pending: Vec<u8>,
    pub chunks: usize,
    pub text: String,
    is_over: bool,
}

impl Stream {
    pub async fn connect(host: SocketAddr) -> Self {
        let socket = TcpStream::connect(host).await.expect("it listens");
        socket.set_nodelay(true).expect("a socket");
        Self { socket, host }
    }

    /// Asks, and reads the whole answer. The time is that of the read after which `is_there` held first.
    pub async fn post(
        &mut self,
        path: &str,
        body: &str,
        is_there: impl Fn(&Body) -> bool,
    ) -> (Instant, Body) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.socket.write_all(request.as_bytes()).await.expect("it takes the request");
        let (mut answer, mut there_at) = (self.head().await, None);
        let mut read_at = Instant::now();
        loop {
            answer.take_chunks();
            if there_at.is_none() && is_there(&answer) {
                there_at = Some(read_at);
            }
            if answer.is_over {
                return (there_at.expect("what was waited for"), answer);
            }
            read_at = self.read_more(&mut answer.pending).await;
        }
    }

    /// Reads to the end of the head, and what came with it of the body.
    async fn head(&mut self) -> Body {
        let mut body = Body::default();
        let end = loop {
            if let Some(at) = find(&body.pending, b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more(&mut body.pending).await;
        };
        let head = String::from_utf8_lossy(&body.pending[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 ") && head.contains("transfer-encoding: chunked"), "{head}");
        body.pending.drain(..end);
        body
    }

    async fn read_more(&mut self, buffer: &mut Vec<u8>) -> Instant {
        let read = self.socket.read_buf(buffer).await.expect("it answers");
        assert!(read > 0, "the server closed the connection");
        Instant::now()
    }
}

impl Body {
    fn take_chunks(&mut self) {
        while let Some(at) = find(&self.pending, b"\r\n") {
            let size = std::str::from_utf8(&self.pending[..at]).ok();
            let size =
                size.and_then(|size| usize::from_str_radix(size, 16).ok()).expect("the size of a chunk");
            let (from, end) = (at + 2, at + 2 + size);
            if self.pending.len() < end + 2 {
                return;
            }
            self.text.push_str(std::str::from_utf8(&self.pending[from..end]).expect("whole characters"));
            self.pending.drain(..end + 2);
            self.chunks += usize::from(size > 0);
            self.is_over = size == 0;
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
