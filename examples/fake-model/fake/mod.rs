//! A fake model's server that speaks Ollama's API and the OpenAI-compatible one: it says what its script tells it to, has
//! any fault of [`Fault::ALL`], and writes down what it was asked. Nothing in it thinks, and it talks to nobody.
//!
//! A request goes through `http` (bytes), `routes` (what is asked, what is refused), `told` (the words), `ollama` or
//! `openai` (their form) and `score` (the steps on the wire, with the fault in them) to `connection`, which plays the
//! steps and sees at once when the client goes.

mod asked;
mod connection;
mod embed;
mod fault;
mod http;
mod ollama;
mod openai;
mod routes;
mod score;
mod script;
mod seen;
mod told;
mod vectors;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use asked::{Asked, Said};
pub use embed::vector;
pub use fault::{FLOOD_BYTES, Fault};
pub use script::{Pieces, Reply, Script, Writes};
pub use seen::{Ended, Seen};

use seen::Record;

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);
/// After the system had no room for a connection.
const PAUSE: Duration = Duration::from_millis(10);

/// A running fake. Dropping it stops it.
pub struct FakeModel {
    pub addr: SocketAddr,
    record: Arc<Record>,
    running: JoinSet<()>,
    stop: CancellationToken,
    /// Bound and not listening: the port stays this fake's while it is stopped.
    _port: TcpSocket,
}

impl FakeModel {
    /// Listens at a free port of loopback.
    pub async fn start() -> Self {
        Self::with(Script::default()).await
    }

    pub async fn with(script: Script) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), script).await.expect("loopback has a free port")
    }

    pub async fn at(addr: SocketAddr, script: Script) -> io::Result<Self> {
        let port = bound(addr)?;
        let addr = port.local_addr()?;
        let record = Record::new(script);
        let stop = CancellationToken::new();
        let mut fake = Self { addr, record, running: JoinSet::new(), stop, _port: port };
        fake.listen().await?;
        Ok(fake)
    }

    /// Where Ollama's API begins.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where the OpenAI-compatible API begins.
    pub fn openai_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Changes the script for requests from now on; listed replies start over.
    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        self.record.change(change);
    }

    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        let fault = fault.into();
        self.change(|script| script.fault = fault);
    }

    /// Closes all connections and takes no new ones: whoever asks is refused by the system.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
    }

    /// Takes connections again, at the same port and with what it remembers.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.listen().await.expect("the port is this fake's own");
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.record.requests()
    }

    /// Waits until the requests are so, and gives them. Panics where that does not happen.
    pub async fn wait_for(&self, is_so: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let seen = tokio::time::timeout(PATIENCE, self.record.wait_for(is_so)).await;
        seen.unwrap_or_else(|_| panic!("{} requests came, and not so", self.requests().len()))
    }

    pub async fn wait_for_connections(&self, count: usize) {
        let waited = tokio::time::timeout(PATIENCE, self.record.wait_for_connections(count)).await;
        waited.unwrap_or_else(|_| panic!("{} connections are open", self.connections()));
    }

    /// Open now.
    pub fn connections(&self) -> usize {
        self.record.connections()
    }

    /// At work now.
    pub fn generations(&self) -> usize {
        self.record.generations()
    }

    /// The most that were at work at once.
    pub fn generations_peak(&self) -> usize {
        self.record.generations_peak()
    }

    /// The models that are loaded.
    pub fn loaded(&self) -> Vec<String> {
        self.record.loaded()
    }

    async fn listen(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind(self.addr).await?;
        self.stop = CancellationToken::new();
        self.running.spawn(accept(listener, Arc::clone(&self.record), self.stop.clone()));
        Ok(())
    }
}

fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, record: Arc<Record>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, Arc::clone(&record)));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}
