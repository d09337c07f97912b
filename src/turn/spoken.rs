//! What a crisis reply said, when it had to go out before its commit: the exchange that is stored behind it must hold
//! the same words.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::safety::CrisisReply;

/// Shared by the turn's task and the one who waits for it. A plain mutex: it is held for an assignment, never across
/// an await.
#[derive(Clone, Default)]
pub struct Spoken(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    #[default]
    Silent,
    /// Chosen by the task, about to be committed.
    Chosen(CrisisReply),
    /// Gone out: nothing else may be stored.
    Sent(CrisisReply),
}

impl Spoken {
    /// The task has words: what went out already wins over them.
    pub fn choose(&self, words: CrisisReply) -> CrisisReply {
        let mut state = self.0.lock();
        if let State::Sent(sent) = &*state {
            return sent.clone();
        }
        *state = State::Chosen(words.clone());
        words
    }

    /// The waiting is over: what the task chose goes out, else `words`.
    pub fn send(&self, words: impl FnOnce() -> CrisisReply) -> CrisisReply {
        let mut state = self.0.lock();
        let sent = match std::mem::take(&mut *state) {
            State::Silent => words(),
            State::Chosen(chosen) | State::Sent(chosen) => chosen,
        };
        *state = State::Sent(sent.clone());
        sent
    }
}
