//! Whoever is told of alerts: a receiver of webhooks and a mail server, that answer as a test wants.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longer than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until something is so.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to be so");
}

#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    /// Takes the request and says nothing.
    Hang,
    /// To there, as a 307 that has the body sent again.
    Redirect(String),
    /// 200, and a body without an end.
    Endless,
}

/// A webhook that came.
#[derive(Debug, Clone)]
pub struct Got {
    pub head: String,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> String {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    }

    pub fn id(&self) -> String {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("it is JSON")
    }
}

#[derive(Default)]
struct Heard {
    got: Vec<Got>,
    /// For the next ones; 204 for the rest.
    answers: VecDeque<Answer>,
    always: Option<Answer>,
}

/// Takes webhooks.
pub struct Receiver {
    port: u16,
    heard: Arc<Mutex<Heard>>,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::<Mutex<Heard>>::default();
        let hearing = Arc::clone(&heard);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                // Who hangs up is none of ours.
                drop(tokio::spawn(receive(stream, Arc::clone(&hearing))));
            }
        });
        Self { port, heard, serving }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?token=hidden-token", self.port)
    }

    /// The answers to the next ones.
    pub fn answer(&self, answers: &[Answer]) {
        self.heard.lock().answers.extend(answers.iter().cloned());
    }

    /// The answer to all that have none of their own.
    pub fn always(&self, answer: Answer) {
        self.heard.lock().always = Some(answer);
    }

    pub fn got(&self) -> Vec<Got> {
        self.heard.lock().got.clone()
    }

    pub fn ids(&self) -> Vec<String> {
        self.got().iter().map(Got::id).collect()
    }

    /// All of them, once there are so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Got> {
        until(async || self.heard.lock().got.len() >= count).await;
        self.got()
    }
}

async fn receive(stream: TcpStream, heard: Arc<Mutex<Heard>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let mut got = Got { head, body: Vec::new() };
        got.body = vec![0; got.header("content-length").parse().expect("a length")];
        stream.read_exact(&mut got.body).await?;
        let answer = {
            let mut heard = heard.lock();
            heard.got.push(got);
            let always = heard.always.clone();
            heard.answers.pop_front().or(always).unwrap_or(Answer::Status(204))
        };
        match answer {
            Answer::Status(status) => {
                let told = format!("HTTP/1.1 {status} told\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(told.as_bytes()).await?;
            }
            Answer::Redirect(to) => {
                let told = format!("HTTP/1.1 307 there\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(told.as_bytes()).await?;
            }
            Answer::Hang => {
                // Until the other end has had enough.
                while stream.read(&mut [0; 64]).await? > 0 {}
                return Ok(());
            }
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
                loop {
                    stream.write_all(b"4\r\nmore\r\n").await?;
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailAnswer {
    Taken,
    /// The code to the whole mail.
    Refused(u16),
    Hang,
}

/// A mail that came.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    pub to: Vec<String>,
    pub data: String,
}

#[derive(Default)]
struct Inbox {
    mails: Vec<Mail>,
    said: Vec<String>,
    answers: VecDeque<MailAnswer>,
}

/// Speaks as much SMTP as a mail needs, and no TLS.
pub struct MailServer {
    port: u16,
    heard: Arc<Mutex<Inbox>>,
    serving: JoinHandle<()>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::<Mutex<Inbox>>::default();
        let hearing = Arc::clone(&heard);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                drop(tokio::spawn(take_mail(stream, Arc::clone(&hearing))));
            }
        });
        Self { port, heard, serving }
    }

    pub fn url(&self) -> String {
        format!("smtp://someone:hidden%40password@127.0.0.1:{}", self.port)
    }

    pub fn answer(&self, answers: &[MailAnswer]) {
        self.heard.lock().answers.extend(answers.iter().cloned());
    }

    /// Every command that was said to it.
    pub fn said(&self) -> Vec<String> {
        self.heard.lock().said.clone()
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.heard.lock().mails.clone()
    }

    pub async fn wait_for(&self, count: usize) -> Vec<Mail> {
        until(async || self.heard.lock().mails.len() >= count).await;
        self.mails()
    }
}

async fn take_mail(stream: TcpStream, heard: Arc<Mutex<Inbox>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await?;
    let mut mail = Mail::default();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        heard.lock().said.push(line.trim_end().to_owned());
        let word = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        let told: String = match word.as_str() {
            "EHLO" => "250-here\r\n250 AUTH PLAIN".to_owned(),
            "AUTH" => "235 welcome".to_owned(),
            "RCPT" => {
                mail.to.extend(line.split(['<', '>']).nth(1).map(str::to_owned));
                "250 ok".to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                while !mail.data.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail.data).await? == 0 {
                        return Ok(());
                    }
                }
                let answer = heard.lock().answers.pop_front().unwrap_or(MailAnswer::Taken);
                heard.lock().mails.push(std::mem::take(&mut mail));
                match answer {
                    MailAnswer::Taken => "250 taken".to_owned(),
                    MailAnswer::Refused(code) => format!("{code} not this"),
                    MailAnswer::Hang => {
                        while stream.read(&mut [0; 64]).await? > 0 {}
                        return Ok(());
                    }
                }
            }
            "QUIT" => "221 bye".to_owned(),
            "STARTTLS" => "502 no".to_owned(),
            _ => "250 ok".to_owned(),
        };
        stream.write_all(format!("{told}\r\n").as_bytes()).await?;
    }
}
