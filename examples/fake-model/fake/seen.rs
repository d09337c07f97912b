//! What the fake saw: every request and how it ended, for tests to look at, and the script that all connections share.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::fault::Fault;
use super::http::Request;
use super::script::Script;

/// Older requests are forgotten.
const REMEMBERED: usize = 10_000;

/// One request, from its last byte on.
#[derive(Clone, Debug)]
pub struct Seen {
    /// From 1, in the order of arrival.
    pub number: usize,
    pub at: Instant,
    pub method: String,
    pub path: String,
    pub bearer: Option<String>,
    /// Nothing where it is no JSON.
    pub body: Option<Value>,
    /// Of everything, headers too.
    pub sent_bytes: usize,
    /// When each chunk of the body was handed to the system.
    pub chunks_at: Vec<Instant>,
    pub ended: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    NotYet,
    /// All that was meant to be sent was sent.
    Whole(Instant),
    /// The client went away before.
    Gone(Instant),
    /// The fake closed the connection: a fault, or it was stopped.
    Closed(Instant),
}

impl Seen {
    pub fn gone_at(&self) -> Option<Instant> {
        match self.ended {
            Ended::Gone(at) => Some(at),
            Ended::NotYet | Ended::Whole(_) | Ended::Closed(_) => None,
        }
    }

    pub fn is_running(&self) -> bool {
        self.ended == Ended::NotYet
    }
}

#[derive(Default)]
struct State {
    script: Script,
    requests: VecDeque<Seen>,
    arrived: usize,
    replies: usize,
    connections: usize,
    generations: usize,
    generations_peak: usize,
    loaded: BTreeSet<String>,
}

/// Shared by the handle and all connections.
pub struct Record {
    /// Held for moments, never while something is awaited.
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Record {
    pub fn new(script: Script) -> Arc<Self> {
        let state = Mutex::new(State { script, ..State::default() });
        Arc::new(Self { state, changed: watch::Sender::new(()) })
    }

    pub fn script(&self) -> Script {
        self.state.lock().script.clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        let mut state = self.state.lock();
        change(&mut state.script);
        state.replies = 0;
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.state.lock().requests.iter().cloned().collect()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().connections
    }

    pub fn generations(&self) -> usize {
        self.state.lock().generations
    }

    pub fn generations_peak(&self) -> usize {
        self.state.lock().generations_peak
    }

    pub fn loaded(&self) -> Vec<String> {
        self.state.lock().loaded.iter().cloned().collect()
    }

    /// Waits until what was seen is so, and gives that.
    pub async fn wait_for(&self, is_so: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        self.until(|state| {
            is_so(state.requests.make_contiguous()).then(|| state.requests.iter().cloned().collect())
        })
        .await
    }

    pub async fn wait_for_connections(&self, count: usize) {
        self.until(|state| (state.connections == count).then_some(())).await;
    }

    async fn until<T>(&self, mut found: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(found) = found(&mut self.state.lock()) {
                return found;
            }
            // The sender is this record's own.
            let _still_there = changes.changed().await;
        }
    }

    /// Whether this request is one of the first, which fail.
    pub fn fails(&self) -> bool {
        let mut state = self.state.lock();
        let fails = state.script.fault == Some(Fault::FirstFail) && state.script.after > 0;
        state.script.after -= usize::from(fails);
        fails
    }

    /// How many replies there were before this one, since the script changed.
    pub fn next_reply(&self) -> usize {
        let mut state = self.state.lock();
        state.replies += 1;
        state.replies - 1
    }

    /// How long the model takes to be there.
    pub fn load(&self, model: &str) -> Duration {
        let mut state = self.state.lock();
        let was_missing = state.loaded.insert(model.to_owned());
        if was_missing { state.script.load } else { Duration::ZERO }
    }

    pub fn unload(&self, model: &str) {
        self.state.lock().loaded.remove(model);
    }

    fn update<T>(&self, update: impl FnOnce(&mut State) -> T) -> T {
        let done = update(&mut self.state.lock());
        self.changed.send_replace(());
        done
    }
}

/// A connection, counted while it lives.
pub struct Counted(Arc<Record>);

impl Counted {
    pub fn new(record: Arc<Record>) -> Self {
        record.update(|state| state.connections += 1);
        Self(record)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.update(|state| state.connections -= 1);
    }
}

/// A request that is being answered. Closed by the fake, if nothing else is said before it is dropped.
pub struct Entry {
    pub record: Arc<Record>,
    pub number: usize,
    is_generation: bool,
    is_ended: bool,
}

impl Entry {
    pub fn new(record: &Arc<Record>, request: &Request) -> Self {
        let number = record.update(|state| {
            state.arrived += 1;
            if state.requests.len() == REMEMBERED {
                state.requests.pop_front();
            }
            state.requests.push_back(Seen {
                number: state.arrived,
                at: Instant::now(),
                method: request.method.clone(),
                path: request.path.clone(),
                bearer: request.bearer.clone(),
                body: serde_json::from_slice(&request.body).ok(),
                sent_bytes: 0,
                chunks_at: Vec::new(),
                ended: Ended::NotYet,
            });
            state.arrived
        });
        Self { record: Arc::clone(record), number, is_generation: false, is_ended: false }
    }

    /// From here to the end the model is at work.
    pub fn generates(&mut self) {
        self.is_generation = true;
        self.record.update(|state| {
            state.generations += 1;
            state.generations_peak = state.generations_peak.max(state.generations);
        });
    }

    pub fn sent(&self, bytes: usize, is_chunk: bool) {
        self.update(|seen| {
            seen.sent_bytes += bytes;
            seen.chunks_at.extend(is_chunk.then(Instant::now));
        });
    }

    pub fn end(&mut self, ended: Ended) {
        if !std::mem::replace(&mut self.is_ended, true) {
            self.record.update(|state| state.generations -= usize::from(self.is_generation));
            self.update(|seen| seen.ended = ended);
        }
    }

    fn update(&self, update: impl FnOnce(&mut Seen)) {
        self.record.update(|state| {
            let forgotten = state.arrived - state.requests.len();
            let at = self.number.checked_sub(forgotten + 1);
            if let Some(seen) = at.and_then(|at| state.requests.get_mut(at)) {
                update(seen);
            }
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(Ended::Closed(Instant::now()));
    }
}
