//! The wire between a client and a redis-server, in the hands of a test: cut at an exact request, away, or hanging.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::ports::Port;
use crate::resp::Reply;

/// On which side of a request its connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Redis never sees it.
    BeforeRequest,
    /// Redis has done it; nobody is told.
    AfterRequest,
}

/// A proxy on the test's runtime, gone when it goes out of scope.
pub struct Wire {
    port: Port,
    line: Arc<Line>,
    listening: Mutex<Option<Listening>>,
}

struct Listening {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What all connections share.
struct Line {
    redis: SocketAddr,
    armed: Mutex<Vec<(Cut, Vec<u8>)>>,
    cuts: AtomicU64,
    stalled: watch::Sender<bool>,
}

impl Wire {
    /// To a redis-server on this machine. Must be called on a runtime.
    pub fn to(redis_port: u16) -> Self {
        let line = Line {
            redis: SocketAddr::from((Ipv4Addr::LOCALHOST, redis_port)),
            armed: Mutex::default(),
            cuts: AtomicU64::new(0),
            stalled: watch::Sender::new(false),
        };
        let wire = Self { port: Port::free(), line: Arc::new(line), listening: Mutex::default() };
        wire.back();
        wire
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Cuts the connection at the next command that holds `marker`, wherever in a pipeline it stands: what stands in
    /// front of it is forwarded, what stands behind it is not. Answers that Redis gives from then on are lost. Each
    /// call cuts once, and several may wait.
    ///
    /// A script that Redis does not know yet is refused, and that refusal is what an `AfterRequest` at its hash would
    /// cut: let it run once before.
    pub fn cut_next(&self, what: Cut, marker: impl Into<Vec<u8>>) {
        self.line.armed.lock().push((what, marker.into()));
    }

    /// Cuts made so far; a client that noticed one finds it counted.
    pub fn cuts(&self) -> u64 {
        self.line.cuts.load(Ordering::SeqCst)
    }

    /// Drops every connection and refuses new ones. In force when it returns.
    pub async fn away(&self) {
        let listening = self.listening.lock().take();
        if let Some(listening) = listening {
            drop(listening.stop);
            listening.task.await.expect("no panic on the wire");
        }
    }

    /// Accepts again, on the same port.
    pub fn back(&self) {
        let mut listening = self.listening.lock();
        if listening.is_none() {
            *listening = Some(listen(self.port(), Arc::clone(&self.line)));
        }
    }

    /// Accepts connections and bytes, and forwards nothing.
    pub fn stall(&self) {
        self.line.stalled.send_replace(true);
    }

    /// Forwards what was held back, requests of clients that gave up included, as a network would.
    pub fn resume(&self) {
        self.line.stalled.send_replace(false);
    }
}

fn listen(port: u16, line: Arc<Line>) -> Listening {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port of its own");
    listener.set_nonblocking(true).expect("a socket");
    let listener = TcpListener::from_std(listener).expect("a runtime");
    let (stop, stopped) = oneshot::channel();
    Listening { stop, task: tokio::spawn(accept(listener, line, stopped)) }
}

/// Until it is stopped, or the wire is gone.
async fn accept(listener: TcpListener, line: Arc<Line>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => {
                let (client, _) = accepted.expect("a connection");
                connections.spawn(connect(client, Arc::clone(&line)));
            }
            Some(ended) = connections.join_next() => ended.expect("no panic on the wire"),
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Both sides end together, whatever ended them.
async fn connect(client: TcpStream, line: Arc<Line>) {
    if let Ok(redis) = TcpStream::connect(line.redis).await {
        let connection =
            Connection { client, redis, line, requests: Vec::new(), answers: Vec::new(), open: 0 };
        // A side that is gone is what this wire is for.
        let _gone = connection.carry().await;
    }
}

struct Connection {
    client: TcpStream,
    redis: TcpStream,
    line: Arc<Line>,
    /// Read from the client and not yet a whole command.
    requests: Vec<u8>,
    /// Read from Redis and not yet a whole answer.
    answers: Vec<u8>,
    /// Commands that Redis has not answered.
    open: u64,
}

impl Connection {
    async fn carry(mut self) -> Result<()> {
        self.client.set_nodelay(true)?;
        self.redis.set_nodelay(true)?;
        let mut forwarded = 0;
        loop {
            tokio::select! {
                read = self.client.read_buf(&mut self.requests) => {
                    if read? == 0 || self.forward().await?.is_some() {
                        return Ok(());
                    }
                }
                read = self.redis.read_buf(&mut self.answers) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    self.line.flowing().await;
                    self.client.write_all(&self.answers[forwarded..]).await?;
                    self.count_answers();
                    forwarded = self.answers.len();
                }
            }
        }
    }

    /// Forwards every whole command; ends at a cut.
    async fn forward(&mut self) -> Result<Option<Cut>> {
        while let Some((_, length)) = Reply::parse(&self.requests) {
            let request: Vec<u8> = self.requests.drain(..length).collect();
            self.line.flowing().await;
            let cut = self.line.cut_at(&request);
            if cut != Some(Cut::BeforeRequest) {
                self.open += 1;
                self.redis.write_all(&request).await?;
            }
            if cut == Some(Cut::AfterRequest) && !self.is_done().await? {
                return Ok(cut);
            }
            if cut.is_some() {
                self.line.cuts.fetch_add(1, Ordering::SeqCst);
                return Ok(cut);
            }
        }
        Ok(None)
    }

    /// Waits for the answer to all that was asked, and keeps it. False when Redis ends before.
    async fn is_done(&mut self) -> Result<bool> {
        while self.open > 0 {
            if self.redis.read_buf(&mut self.answers).await? == 0 {
                return Ok(false);
            }
            self.count_answers();
        }
        Ok(true)
    }

    fn count_answers(&mut self) {
        while let Some((_, length)) = Reply::parse(&self.answers) {
            // What Redis says unasked answers nothing.
            let asked = self.answers[0] != b'>';
            self.open = self.open.saturating_sub(asked.into());
            self.answers.drain(..length);
        }
    }
}

impl Line {
    async fn flowing(&self) {
        let mut stalled = self.stalled.subscribe();
        // It can't be closed: this is its sender.
        let _open = stalled.wait_for(|stalled| !stalled).await;
    }

    fn cut_at(&self, request: &[u8]) -> Option<Cut> {
        let mut armed = self.armed.lock();
        let holds = |marker: &[u8]| request.windows(marker.len()).any(|part| part == marker);
        let at = armed.iter().position(|(_, marker)| holds(marker))?;
        Some(armed.remove(at).0)
    }
}
