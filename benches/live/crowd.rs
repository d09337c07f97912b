//! Many connections that say nothing: they answer pings, and write down when a heartbeat came.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::figures::millis;

/// How many connect at once.
const AT_ONCE: usize = 64;
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(120);

/// Which heartbeat of its connection came, and how long after the connection stood.
type Beat = (usize, Duration);

#[derive(Default)]
struct Counts {
    connected: AtomicUsize,
    byes: AtomicUsize,
    away: AtomicUsize,
    ended: AtomicUsize,
}

pub struct Crowd {
    counts: Arc<Counts>,
    beats: mpsc::Receiver<Beat>,
    count: usize,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// All of them, once they stand and the server has come to rest.
    pub fn gather(addr: SocketAddr, path: &'static str, count: usize) -> Self {
        let counts = Arc::new(Counts::default());
        let (beat, beats) = mpsc::channel(count * 8);
        let (stop, stopped) = watch::channel(false);
        let in_thread = Arc::clone(&counts);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(addr, path, count, &in_thread, beat, stopped));
        });
        let crowd = Self { counts, beats, count, stop, thread: Some(thread) };
        crowd.wait("all are connected", || crowd.counts.connected.load(Ordering::Relaxed) == count);
        std::thread::sleep(SETTLE);
        crowd
    }

    /// How late each heartbeat was, in milliseconds, up to the so-many-th of every connection.
    pub fn wait_for_beats(&mut self, beats: usize, every: Duration) -> Vec<f64> {
        self.wait("the heartbeats have come", || self.beats.len() >= self.count * beats);
        let heard = std::iter::from_fn(|| self.beats.try_recv().ok());
        let late = |(nth, at): Beat| millis(at.saturating_sub(every * u32::try_from(nth).expect("few")));
        heard.filter(|(nth, _)| *nth <= beats).map(late).collect()
    }

    /// How many heard bye, and how many the code of a server that stops.
    pub fn wait_for_ends(&self) -> (usize, usize) {
        self.wait("all have ended", || self.counts.ended.load(Ordering::Relaxed) == self.count);
        (self.counts.byes.load(Ordering::Relaxed), self.counts.away.load(Ordering::Relaxed))
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

async fn run(
    addr: SocketAddr,
    path: &'static str,
    count: usize,
    counts: &Arc<Counts>,
    beat: mpsc::Sender<Beat>,
    mut stopped: watch::Receiver<bool>,
) {
    let (mut connections, permits) = (JoinSet::new(), Arc::new(tokio::sync::Semaphore::new(AT_ONCE)));
    for number in 0..count {
        let (counts, beat, permits) = (Arc::clone(counts), beat.clone(), Arc::clone(&permits));
        connections.spawn(async move {
            let permit = permits.acquire().await.expect("open");
            let stream = connect(addr, &format!("{path}{number}")).await;
            drop(permit);
            counts.connected.fetch_add(1, Ordering::Relaxed);
            // Its end, however it comes, is counted.
            let _gone = listen(stream, &counts, &beat).await;
            counts.ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    let _stopped = stopped.wait_for(|stopped| *stopped).await;
    connections.shutdown().await;
}

async fn connect(addr: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.expect("it listens");
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::with_capacity(512);
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream
}

async fn listen(mut stream: TcpStream, counts: &Counts, beat: &mpsc::Sender<Beat>) -> std::io::Result<()> {
    let (begun, mut heard) = (Instant::now(), 0);
    loop {
        let (kind, length) = (stream.read_u8().await? & 0x0f, usize::from(stream.read_u8().await?));
        let length = if length == 126 { usize::from(stream.read_u16().await?) } else { length };
        let mut data = vec![0; length];
        stream.read_exact(&mut data).await?;
        match kind {
            1 if data.starts_with(b"{\"ts\"") => {
                heard += 1;
                // A bench that measures no more takes none.
                let _full = beat.try_send((heard, begun.elapsed()));
            }
            1 => drop(counts.byes.fetch_add(1, Ordering::Relaxed)),
            8 => {
                let is_away = data.starts_with(&1001_u16.to_be_bytes());
                counts.away.fetch_add(usize::from(is_away), Ordering::Relaxed);
            }
            9 => stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await?,
            _ => {}
        }
    }
}
