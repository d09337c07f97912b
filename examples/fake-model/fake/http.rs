//! As much of HTTP/1.1 as clients of models use: requests with a length, answers with a length or in chunks, and
//! connections that stay. It knows bytes, and nothing of what they say.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A larger request is dropped with its connection.
const REQUEST_MAX_BYTES: usize = 16 << 20;
const READ_BYTES: usize = 16 << 10;
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[derive(Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub bearer: Option<String>,
    pub closes: bool,
    pub body: Vec<u8>,
}

/// Bytes that are no request, or one that is too large.
#[derive(Debug)]
pub struct Unreadable;

/// The request that the bytes begin with and how many of them it takes, once all of it is there.
pub fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Unreadable> {
    let Some(head_end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| Unreadable)?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1")) = (words.next(), words.next(), words.next()) else {
        return Err(Unreadable);
    };
    let path = target.split('?').next().unwrap_or_default();
    let mut request = Request { method: method.to_owned(), path: path.to_owned(), ..Request::default() };
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(|_| Unreadable)?,
            "transfer-encoding" => return Err(Unreadable),
            "authorization" => request.bearer = value.strip_prefix("Bearer ").map(str::to_owned),
            "connection" => request.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let body = head_end + 4;
    let end = body.checked_add(length).filter(|end| *end <= REQUEST_MAX_BYTES).ok_or(Unreadable)?;
    Ok(bytes.get(body..end).map(|bytes| (Request { body: bytes.to_vec(), ..request }, end)))
}

/// Status line and headers. Without a length the body comes in chunks.
pub fn head(status: u16, content_type: &str, length: Option<usize>) -> Vec<u8> {
    let body = match length {
        Some(length) => format!("Content-Length: {length}"),
        None => "Transfer-Encoding: chunked".to_owned(),
    };
    let reason = reason(status);
    format!("HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n{body}\r\n\r\n").into_bytes()
}

pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

/// The client went away, or says what nobody understands.
#[derive(Debug)]
pub struct Gone;

/// One client's connection. Whatever is done on it ends at once when the client closes it; a client that closes only
/// the half that it writes to counts as gone.
pub struct Socket {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    /// Read, and not yet a whole request.
    pending: Vec<u8>,
}

impl Socket {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self { reader, writer, pending: Vec::new() })
    }

    pub async fn request(&mut self) -> Result<Request, Gone> {
        loop {
            if let Some((request, end)) = parse(&self.pending).map_err(|Unreadable| Gone)? {
                self.pending.drain(..end);
                return Ok(request);
            }
            read(&mut self.reader, &mut self.pending).await?;
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        tokio::select! {
            gone = until_gone(&mut self.reader, &mut self.pending) => Err(gone),
            sent = self.writer.write_all(bytes) => sent.map_err(|_| Gone),
        }
    }

    /// Waits, unless the client goes before.
    pub async fn wait(&mut self, time: impl Future<Output = ()>) -> Result<(), Gone> {
        tokio::select! {
            gone = until_gone(&mut self.reader, &mut self.pending) => Err(gone),
            () = time => Ok(()),
        }
    }
}

async fn read(reader: &mut OwnedReadHalf, pending: &mut Vec<u8>) -> Result<(), Gone> {
    if pending.len() > REQUEST_MAX_BYTES {
        return Err(Gone);
    }
    pending.reserve(READ_BYTES);
    match reader.read_buf(pending).await {
        Ok(0) | Err(_) => Err(Gone),
        Ok(_) => Ok(()),
    }
}

async fn until_gone(reader: &mut OwnedReadHalf, pending: &mut Vec<u8>) -> Gone {
    loop {
        if let Err(gone) = read(reader, pending).await {
            return gone;
        }
    }
}
