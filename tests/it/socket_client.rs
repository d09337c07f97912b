//! The other end of a WebSocket: one that speaks soundly, and one that sends whatever bytes a test likes.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

type Stream = WebSocketStream<TcpStream>;

/// The code with which it ends.
pub async fn end_of(mut heard: SplitStream<Stream>) -> Option<u16> {
    loop {
        match tokio::time::timeout(PATIENCE, heard.next()).await.expect("nothing comes") {
            Some(Ok(Message::Close(reason))) => return reason.map(|reason| reason.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

/// A connection of a sound client.
pub struct Socket {
    stream: Stream,
    /// Of the answer to the upgrade.
    pub headers: HeaderMap,
    /// Heartbeats that came by the way.
    pub beats: usize,
}

impl Socket {
    pub async fn open(addr: &str, path: &str) -> Self {
        Self::with(addr, path, &[]).await.unwrap_or_else(|status| panic!("refused with {status}"))
    }

    /// In the typed dialect, behind its greeting.
    pub async fn typed(addr: &str, path: &str) -> (Self, Value) {
        let offer = [("sec-websocket-protocol", "attune.v1")];
        let mut socket = Self::with(addr, path, &offer).await.unwrap_or_else(|status| panic!("{status}"));
        let hello = socket.hear().await;
        assert_eq!(hello["type"], "hello");
        (socket, hello)
    }

    /// With headers of its own. The status of a refusal where it is refused.
    pub async fn with(addr: &str, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{addr}{path}").into_client_request().expect("a sound address");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("plain"));
        }
        let stream = TcpStream::connect(addr).await.expect("it listens");
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((stream, answer)) => Ok(Self { stream, headers: answer.headers().clone(), beats: 0 }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("sent");
    }

    pub async fn send(&mut self, frame: &Value) {
        self.say(&frame.to_string()).await;
    }

    pub async fn input(&mut self, id: &str, text: &str) {
        self.send(&json!({ "type": "input", "id": id, "text": text })).await;
    }

    /// Says something, and gets its number.
    pub async fn count(&mut self, text: &str) -> u64 {
        self.say(text).await;
        let echo = self.hear().await;
        assert_eq!(echo["echo"], text, "{echo}");
        echo["count"].as_u64().expect("a number")
    }

    /// The next frame but for heartbeats.
    pub async fn hear(&mut self) -> Value {
        match self.next().await {
            Ok(frame) => frame,
            Err(code) => panic!("closed with {code:?}"),
        }
    }

    /// The next one of a type, whatever comes before it.
    pub async fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Waits for a heartbeat.
    pub async fn beat(&mut self) {
        let before = self.beats;
        while self.beats == before {
            self.message().await.expect("it stands");
        }
    }

    /// Everything up to the end, and the code of it. 0: none was told.
    pub async fn end(&mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Ok(frame) => frames.push(frame),
                Err(code) => return (frames, code.unwrap_or(0)),
            }
        }
    }

    pub async fn close(mut self) {
        self.stream.close(None).await.expect("closed");
        // Until the other end has answered.
        while let Ok(Some(Ok(_))) = tokio::time::timeout(PATIENCE, self.stream.next()).await {}
    }

    /// For one who speaks and listens at once.
    pub fn split(self) -> (SplitSink<Stream, Message>, SplitStream<Stream>) {
        self.stream.split()
    }

    async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            if let Some(frame) = self.message().await? {
                return Ok(frame);
            }
        }
    }

    async fn message(&mut self) -> Result<Option<Value>, Option<u16>> {
        match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("nothing comes") {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                let is_beat = frame["ts"].is_string();
                self.beats += usize::from(is_beat);
                Ok((!is_beat).then_some(frame))
            }
            Some(Ok(Message::Close(reason))) => Err(reason.map(|reason| reason.code.into())),
            Some(Ok(_)) => Ok(None),
            Some(Err(_)) | None => Err(None),
        }
    }
}

/// A connection in the hands of somebody who keeps no rule.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn open(addr: &str, path: &str, protocol: &str) -> Self {
        let mut stream = TcpStream::connect(addr).await.expect("it listens");
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\nsec-websocket-protocol: {protocol}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // The other end may have heard enough.
        let _enough = self.0.write_all(bytes).await;
    }

    /// Reads frames up to the one that closes, answers none, and tells its code.
    pub async fn end(&mut self) -> u16 {
        let reading = async {
            loop {
                let head = [self.0.read_u8().await.ok()?, self.0.read_u8().await.ok()?];
                let length = match head[1] {
                    126 => usize::from(self.0.read_u16().await.ok()?),
                    127 => usize::try_from(self.0.read_u64().await.ok()?).ok()?,
                    short => usize::from(short),
                };
                let mut data = vec![0; length];
                self.0.read_exact(&mut data).await.ok()?;
                if head[0] & 0x0f == 8 {
                    return data.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("nothing comes").unwrap_or(0)
    }
}

/// A client's frame, under a mask that changes nothing.
pub fn frame(first: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0xff];
    bytes.extend((data.len() as u64).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(data);
    bytes
}
