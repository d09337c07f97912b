//! Looks after the servers while nobody asks them: loads the model before the first person waits for it, and finds out
//! whether a server that was away is back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::tasks::Tasks;

use super::breaker::{Pass, State};
use super::generations::{Generations, Server, Word};
use super::{Loaded, ModelError};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// A server that only has to say that it is there has no more than this.
const PROBE_MAX: Duration = Duration::from_secs(3);
/// Ollama itself gives a load up after five minutes.
const LOAD_MAX: Duration = Duration::from_mins(5);

impl Generations {
    /// Goes on until the tasks are told to give up.
    pub async fn tend(self: Arc<Self>, tasks: Tasks) {
        let servers = join_all((0..self.models.len()).map(|index| self.tend_server(index)));
        tokio::select! {
            () = tasks.closing() => {}
            _ = servers => {}
        }
    }

    async fn tend_server(&self, index: usize) {
        loop {
            let due = self.floor.lock().servers[index].due(Instant::now());
            if let Some(pass) = due {
                self.look_at(index, pass).await;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn look_at(&self, index: usize, pass: Pass) {
        let probe = timeout(PROBE_MAX, self.models[index].probe()).await;
        let probed = probe.unwrap_or(Err(ModelError::Away));
        let was_away = self.floor.lock().servers[index].hear_probe(pass, probed, Instant::now());
        if probed.is_ok() && was_away {
            self.warm(index).await;
        }
    }

    /// What a good load proves, the first reply proves better; a bad one is heard at once.
    async fn warm(&self, index: usize) {
        let load = timeout(LOAD_MAX, self.models[index].load(Loaded::Yes)).await;
        if let Err(error) = load.unwrap_or(Err(ModelError::Failed)) {
            let server = &mut self.floor.lock().servers[index];
            server.hear(Pass::Ordinary, Word::Error(error), Instant::now());
        }
    }
}

impl Server {
    /// Whether a probe can tell something new. One that rests because it was away is tried here rather than on a
    /// person; one that rests for another reason answers probes all the while, and only a reply can show that it is
    /// well.
    fn due(&mut self, now: Instant) -> Option<Pass> {
        let is_closed = self.breaker.state(now) == State::Closed;
        match self.word {
            Word::Well => None,
            Word::Unknown | Word::Error(ModelError::Away) => self.breaker.enter(now),
            Word::Error(_) => is_closed.then_some(Pass::Ordinary),
        }
    }

    /// True when the server was unknown or away until now.
    fn hear_probe(&mut self, pass: Pass, probed: Result<(), ModelError>, now: Instant) -> bool {
        let was_away = matches!(self.word, Word::Unknown | Word::Error(ModelError::Away));
        match probed {
            Ok(()) if was_away => self.hear(pass, Word::Well, now),
            Ok(()) => {
                // It answers, but has failed at replies: those go on counting.
                self.hear(pass, Word::Unknown, now);
                self.word = Word::Well;
            }
            Err(error) => self.hear(pass, Word::Error(error), now),
        }
        was_away
    }
}
