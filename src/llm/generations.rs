//! Replies on their way: how many at once, who waits, which server is asked, and how long it may take.
//!
//! A generation holds a place from [`Generations::begin`] until it ends or is dropped, however that comes about.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::config::ModelConfig;

use super::breaker::{Breaker, Outcome, Pass, State};
use super::{Chunk, Chunks, End, Model, ModelError, Request, Servers, Waiting};

/// How much at once, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Generations at once, over all servers.
    pub parallel: usize,
    /// Callers that may wait for one of them to end.
    pub queue: usize,
    pub first_chunk: Duration,
    pub between: Duration,
    /// From `begin` to the reply's end.
    pub total: Duration,
}

impl Bounds {
    #[must_use]
    pub fn of(config: &ModelConfig) -> Self {
        Self {
            parallel: config.parallel,
            queue: config.queue,
            first_chunk: config.first_chunk,
            between: config.between,
            total: config.total,
        }
    }
}

/// All servers of one model.
pub struct Generations {
    pub(super) models: Vec<Arc<dyn Model>>,
    pub(super) floor: Arc<Mutex<Floor>>,
    /// First come, first served.
    places: Arc<Semaphore>,
    bounds: Bounds,
}

impl Generations {
    #[must_use]
    pub fn new(servers: Servers, bounds: Bounds) -> Self {
        let (urls, models): (Vec<String>, Vec<Arc<dyn Model>>) = servers.into_iter().unzip();
        let servers = urls.into_iter().map(Server::at).collect();
        Self {
            models,
            floor: Arc::new(Mutex::new(Floor { servers, queued: 0, latest: 0 })),
            places: Arc::new(Semaphore::new(bounds.parallel)),
            bounds,
        }
    }

    /// Waits for a place until `deadline`, and asks the least busy healthy server. The reply has to be whole by then
    /// too.
    pub async fn begin(&self, request: Request, deadline: Instant) -> Result<Generation, ModelError> {
        let began = Instant::now();
        let deadline = deadline.min(began + self.bounds.total);
        if !self.floor.lock().servers.iter().any(|server| server.breaker.allows(began)) {
            return Err(ModelError::Resting);
        }
        let permit = self.place(deadline).await?;
        let asked = Instant::now();
        let (server, pass) = self.floor.lock().sit(asked).ok_or(ModelError::Resting)?;
        let seat =
            Seat { floor: Arc::clone(&self.floor), server, pass, word: Word::Unknown, _permit: permit };
        let chunks = self.models[server].generate(request);
        let measured = Measured { server, queued: asked - began, ..Measured::default() };
        Ok(Generation {
            running: Some(Running { chunks, seat }),
            bounds: self.bounds,
            deadline,
            asked,
            latest: None,
            measured,
        })
    }

    async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, ModelError> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(permit);
        }
        let _queued = Queued::enter(&self.floor, self.bounds.queue)?;
        let acquired = timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await;
        // They are never closed.
        acquired.map_err(|_| ModelError::Slow(Waiting::Queue))?.map_err(|_| ModelError::Resting)
    }

    /// How it stands now, for those who look after the server.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (now, floor) = (Instant::now(), self.floor.lock());
        let servers: Vec<ServerStanding> = floor.servers.iter().map(|server| server.standing(now)).collect();
        Standing {
            running: servers.iter().map(|server| server.running).sum(),
            queued: floor.queued,
            connected: floor.servers.iter().any(|server| server.is_connected(now)),
            servers,
        }
    }
}

/// How the generations stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub running: usize,
    pub queued: usize,
    /// Some server answered when it was last asked, and does not rest.
    pub connected: bool,
    pub servers: Vec<ServerStanding>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStanding {
    /// Its base URL; the configuration keeps secrets out of it.
    pub url: String,
    pub state: State,
    pub running: usize,
    /// What went wrong with the latest request, if it did.
    pub last_error: Option<ModelError>,
}

/// What is known of the servers. Locked for a moment at a time, never over an await.
pub(super) struct Floor {
    pub(super) servers: Vec<Server>,
    queued: usize,
    /// The server that was asked last.
    latest: usize,
}

pub(super) struct Server {
    url: String,
    pub(super) breaker: Breaker,
    running: usize,
    pub(super) word: Word,
}

/// What was last heard of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Unknown,
    Well,
    Error(ModelError),
}

impl Word {
    pub(super) const fn outcome(self) -> Outcome {
        match self {
            Self::Unknown => Outcome::Unknown,
            Self::Well => Outcome::Worked,
            Self::Error(error) => Outcome::of(error),
        }
    }
}

impl Server {
    fn at(url: String) -> Self {
        Self { url, breaker: Breaker::default(), running: 0, word: Word::Unknown }
    }

    fn standing(&self, now: Instant) -> ServerStanding {
        let last_error = match self.word {
            Word::Error(error) => Some(error),
            Word::Unknown | Word::Well => None,
        };
        ServerStanding {
            url: self.url.clone(),
            state: self.breaker.state(now),
            running: self.running,
            last_error,
        }
    }

    /// An error in one reply is no lost connection, as long as the breaker bears with it; and who is busy is there.
    fn is_connected(&self, now: Instant) -> bool {
        match self.word {
            Word::Unknown | Word::Error(ModelError::Away | ModelError::Slow(_)) => false,
            Word::Error(ModelError::Overloaded) => true,
            Word::Well | Word::Error(_) => self.breaker.state(now) == State::Closed,
        }
    }

    /// Only who waited for an answer has something to say.
    pub(super) fn hear(&mut self, pass: Pass, word: Word, now: Instant) {
        self.breaker.tell(pass, word.outcome(), now);
        if word != Word::Unknown {
            self.word = word;
        }
    }
}

impl Floor {
    /// Takes a seat at the least busy server that may be asked; of several, the one that failed least, then the next in
    /// turn.
    fn sit(&mut self, now: Instant) -> Option<(usize, Pass)> {
        let count = self.servers.len();
        let next_first = (1..=count).map(|step| (self.latest + step) % count);
        let may = next_first.filter(|index| self.servers[*index].breaker.allows(now));
        let index = may.min_by_key(|index| {
            let server = &self.servers[*index];
            (server.running, server.breaker.failures())
        })?;
        let server = &mut self.servers[index];
        let pass = server.breaker.enter(now)?;
        server.running += 1;
        self.latest = index;
        Some((index, pass))
    }
}

/// A place in the queue, until it is dropped.
struct Queued<'a>(&'a Mutex<Floor>);

impl<'a> Queued<'a> {
    fn enter(floor: &'a Mutex<Floor>, queue: usize) -> Result<Self, ModelError> {
        let mut locked = floor.lock();
        if locked.queued >= queue {
            return Err(ModelError::QueueFull);
        }
        locked.queued += 1;
        Ok(Self(floor))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.lock().queued -= 1;
    }
}

/// A place among those that run, until it is dropped; then the breaker hears the latest word.
struct Seat {
    floor: Arc<Mutex<Floor>>,
    server: usize,
    pass: Pass,
    word: Word,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let server = &mut self.floor.lock().servers[self.server];
        server.running -= 1;
        server.hear(self.pass, self.word, Instant::now());
    }
}

/// A reply on its way, under its deadlines. Dropping it stops the model.
pub struct Generation {
    running: Option<Running>,
    bounds: Bounds,
    deadline: Instant,
    asked: Instant,
    /// When the latest chunk came.
    latest: Option<Instant>,
    measured: Measured,
}

struct Running {
    // Stopped before the place is free.
    chunks: Chunks,
    seat: Seat,
}

/// What a generation took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// The index of the server that was asked, as in [`Standing::servers`].
    pub server: usize,
    pub queued: Duration,
    /// From asking to the first word.
    pub first_chunk: Option<Duration>,
    /// From asking to the latest chunk.
    pub latest_chunk: Option<Duration>,
    /// Deltas so far; about as many as tokens.
    pub deltas: u32,
    /// There when the reply is whole.
    pub end: Option<End>,
}

impl Generation {
    /// `None` after a [`Chunk::End`] or an error.
    pub async fn next(&mut self) -> Option<Result<Chunk, ModelError>> {
        let (limit, waiting) = self.limit();
        let running = self.running.as_mut()?;
        let item = if self.deadline <= Instant::now() {
            // A stream that is always ready would never meet its deadline.
            Err(ModelError::Slow(Waiting::Whole))
        } else {
            match timeout_at(limit, running.chunks.next()).await {
                Ok(item) => item.unwrap_or(Err(ModelError::Cut)),
                Err(_) => Err(ModelError::Slow(waiting)),
            }
        };
        self.note(&item);
        Some(item)
    }

    #[must_use]
    pub const fn measured(&self) -> Measured {
        self.measured
    }

    fn limit(&self) -> (Instant, Waiting) {
        let (limit, waiting) = match self.latest {
            None => (self.asked + self.bounds.first_chunk, Waiting::FirstChunk),
            Some(latest) => (latest + self.bounds.between, Waiting::NextChunk),
        };
        if self.deadline < limit { (self.deadline, Waiting::Whole) } else { (limit, waiting) }
    }

    /// Whether its deadline left the server less than a first chunk alone may take: its caller came late, or gave it less.
    fn was_short_of_time(&self) -> bool {
        self.deadline < self.asked + self.bounds.first_chunk.min(self.bounds.total)
    }

    fn note(&mut self, item: &Result<Chunk, ModelError>) {
        let word = match item {
            Ok(_) => Word::Well,
            Err(ModelError::Slow(Waiting::Whole)) if self.was_short_of_time() => Word::Unknown,
            Err(error) => Word::Error(*error),
        };
        if let Some(running) = &mut self.running {
            running.seat.word = word;
        }
        match item {
            Ok(Chunk::Delta(_)) => {
                self.measured.deltas += 1;
                self.measure();
            }
            Ok(Chunk::End(end)) => {
                self.measured.end = Some(*end);
                self.measure();
                self.running = None;
            }
            Err(_) => self.running = None,
        }
    }

    fn measure(&mut self) {
        let now = Instant::now();
        self.latest = Some(now);
        self.measured.latest_chunk = Some(now - self.asked);
        self.measured.first_chunk = self.measured.first_chunk.or(self.measured.latest_chunk);
    }
}
