//! What the async side asks of the writer thread, and the bounded channel between them.
//!
//! An answer is held until its group is synced: [`Answer`] is run with the outcome of the sync, never before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::tables::stopped;
use super::waiting::{Call, Claimer};
use super::writer::Writer;
use crate::domain::id::SessionKey;
use crate::store::{Claim, Lease, StoreError};

/// How many commands may wait. More wait outside, without a thread.
pub(super) const COMMANDS_MAX: usize = 1_024;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Done on the writer thread.
pub(super) type Command = Box<dyn FnOnce(&mut Writer) + Send>;

pub(super) struct ClaimReply(pub Reply<Claim>);

impl Claimer for ClaimReply {
    fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// Sends what was decided, or why it does not stand. Names what has to be taken back when nobody is there any more.
pub(super) type Answer = Box<dyn FnOnce(Result<(), StoreError>) -> Option<Unclaimed> + Send>;

/// A lease or a place that was given to somebody who had left.
pub(super) enum Unclaimed {
    Lease(SessionKey, Lease),
    Ticket(SessionKey, u64),
}

pub(super) fn answer<T: Send + 'static>(reply: Reply<T>, value: Result<T, StoreError>) -> Answer {
    Box::new(move |synced| {
        let _ = reply.send(synced.and(value));
        None
    })
}

/// As [`answer`], for an answer that brings a lease or a ticket with it.
pub(super) fn answer_with<T: Send + 'static>(
    reply: Reply<T>,
    value: Result<T, StoreError>,
    brings: Option<Unclaimed>,
) -> Answer {
    Box::new(move |synced| {
        let is_lost = reply.send(synced.and(value)).is_err();
        brings.filter(|_| is_lost)
    })
}

/// A command and its place in the channel, which is free again when the writer has taken it.
pub(super) type Sent = (Command, OwnedSemaphorePermit);

/// The sending end. The semaphore bounds it: whoever has a permit finds room, so that sending never blocks a thread.
pub(super) struct Channel {
    sender: SyncSender<Sent>,
    room: Arc<Semaphore>,
    state: Arc<State>,
}

/// What the callers are told when the writer does not answer.
#[derive(Default)]
pub(super) struct State {
    pub closed: AtomicBool,
    /// Why nothing works any more.
    pub poison: parking_lot::Mutex<Option<StoreError>>,
    calls: AtomicU64,
    /// What was told lately; only what is synced gets here.
    pub recent_events: crate::store::events::Recent,
}

impl State {
    /// Keeps the first reason.
    pub fn poison(&self, reason: &StoreError) {
        self.poison.lock().get_or_insert_with(|| stopped(reason));
    }

    pub fn next_call(&self) -> Call {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Why there is no answer.
    pub fn silence(&self) -> StoreError {
        if let Some(reason) = self.poison.lock().clone() {
            return reason;
        }
        if self.closed.load(Ordering::Acquire) {
            return StoreError::Closed;
        }
        StoreError::Stopped("its writer has stopped".to_owned())
    }
}

impl Channel {
    pub fn open(state: Arc<State>) -> (Self, Receiver<Sent>) {
        // One more than there are permits: room for none but those who hold one.
        let (sender, receiver) = sync_channel(COMMANDS_MAX + 1);
        (Self { sender, room: Arc::new(Semaphore::new(COMMANDS_MAX)), state }, receiver)
    }

    /// Has work done on the writer thread and waits until what it decided stands.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask_for(|writer, reply| {
            let done = work(writer);
            writer.answer(answer(reply, done));
        })
        .await
    }

    /// As [`Channel::ask`], for work that sees to its answer itself.
    pub async fn ask_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer, Reply<T>) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Box::new(|writer| work(writer, reply))).await?;
        answer.await.unwrap_or_else(|_| Err(self.state.silence()))
    }

    pub async fn send(&self, command: Command) -> Result<(), StoreError> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| self.state.silence())?;
        self.sender.try_send((command, room)).map_err(|_| self.state.silence())
    }

    /// Sends without waiting, for those who are being dropped. False when there is no room.
    pub fn send_now(&self, command: Command) -> bool {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else { return false };
        self.sender.try_send((command, room)).is_ok()
    }
}
