//! A model that does what a test wrote down, in the test's own time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::llm::{Chunk, Chunks, End, Loaded, Model, ModelError, Request};

#[derive(Debug, Clone, Copy)]
pub enum Step {
    Wait(Duration),
    Say(&'static str),
    End,
    Fail(ModelError),
    /// Ends without an end.
    Cut,
    Hang,
    Panic,
}

use Step::{End as Ends, Say};

#[derive(Default)]
pub struct Double {
    /// One for each request; without any, it says hello.
    scripts: Mutex<VecDeque<Vec<Step>>>,
    /// What probes and loads come to, until it is set anew.
    pub probe: Mutex<Option<ModelError>>,
    pub load: Mutex<Option<ModelError>>,
    pub asked: AtomicUsize,
    pub probes: AtomicUsize,
    pub loads: AtomicUsize,
    open: Arc<AtomicUsize>,
}

impl Double {
    pub fn new(scripts: Vec<Vec<Step>>) -> Arc<Self> {
        Arc::new(Self { scripts: Mutex::new(scripts.into()), ..Self::default() })
    }

    pub fn failing(error: ModelError, times: usize) -> Arc<Self> {
        Self::new(vec![vec![Step::Fail(error)]; times])
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.probes.load(Ordering::SeqCst), self.loads.load(Ordering::SeqCst))
    }

    /// Streams that nobody has dropped.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Model for Double {
    fn generate(&self, _request: Request) -> Chunks {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        let script = self.scripts.lock().pop_front().unwrap_or_else(|| vec![Say("hello"), Ends]);
        let state = (VecDeque::from(script), Open(Arc::clone(&self.open)));
        stream::unfold(state, async |mut state| {
            loop {
                let item = match state.0.pop_front()? {
                    Step::Wait(time) => {
                        sleep(time).await;
                        continue;
                    }
                    Say(text) => Ok(Chunk::Delta(text.to_owned())),
                    Ends => Ok(Chunk::End(End::default())),
                    Step::Fail(error) => Err(error),
                    Step::Cut => return None,
                    Step::Hang => std::future::pending().await,
                    Step::Panic => panic!("as the test wants"),
                };
                return Some((item, state));
            }
        })
        .boxed()
    }

    fn load(&self, _wanted: Loaded) -> BoxFuture<'static, Result<(), ModelError>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let loaded = self.load.lock().map_or(Ok(()), Err);
        async move { loaded }.boxed()
    }

    fn probe(&self) -> BoxFuture<'static, Result<(), ModelError>> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        let probed = self.probe.lock().map_or(Ok(()), Err);
        async move { probed }.boxed()
    }
}
