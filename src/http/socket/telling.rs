//! A turn on its way to the connection that began it. It goes on, and is told to the others of its session, when that one is gone.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, select_all};
use tokio::sync::oneshot;

use crate::domain::id::SessionKey;
use crate::http::sse;
use crate::store::Heard;
use crate::turn::{self, Admitted, Answer, Delta, Following, Line, Refused, Started, Turns};

pub struct Telling {
    line: Line,
    answer: BoxFuture<'static, Result<Answer, Refused>>,
    /// What it says, once it is known which feed that is.
    following: Option<Following>,
    pub is_in_danger: bool,
    /// The client's own name for it.
    pub id: Option<String>,
    /// What was heard of it, and whether it was told on.
    pub heard: String,
    pub is_told: bool,
    /// Turn and number of the part that was heard last.
    pub last: (u32, u32),
}

/// What comes of a turn next.
pub enum Said {
    Deltas(Vec<Delta>),
    Answer(Result<Answer, Refused>),
}

impl Telling {
    /// Begins a turn; what it answers reaches all who hear the session.
    pub fn begin(
        turns: &Arc<Turns>,
        admitted: Admitted,
        (key, connection): (&SessionKey, u128),
        (id, is_in_danger): (Option<String>, bool),
    ) -> Self {
        let Started { line, answer } = turns.start(admitted);
        let (tell, told) = oneshot::channel();
        let (for_others, key) = (Arc::clone(turns), key.clone());
        drop(turns.tasks.spawn(async move {
            let answer = answer.await;
            let reply =
                answer.as_ref().ok().filter(|answer| is_news(answer)).map(|answer| Arc::clone(&answer.body));
            // Whoever asked may be gone.
            let _gone = tell.send(answer);
            if let Some(reply) = reply {
                let heard = Heard::Turn { reply, connection: Some(connection) };
                // Best effort: the turn is in the history.
                let _unheard = for_others.store.tell(&key, heard).await;
            }
        }));
        let answer = told.map(|told| told.unwrap_or(Err(Refused::Failed))).boxed();
        Self::of(Started { line, answer }, id, is_in_danger)
    }

    pub fn of(started: Started, id: Option<String>, is_in_danger: bool) -> Self {
        let Started { line, answer } = started;
        Self {
            line,
            answer,
            following: None,
            is_in_danger,
            id,
            heard: String::new(),
            is_told: false,
            last: (0, 0),
        }
    }

    /// Asks it to end now, with what it has said.
    pub fn stop(&self) {
        self.line.stop.cancel();
    }

    async fn next(&mut self) -> Said {
        tokio::select! {
            // What was let out goes before the turn that it belongs to.
            biased;
            Some(deltas) = sse::deltas(&self.line, &mut self.following) => Said::Deltas(deltas),
            answer = &mut self.answer => Said::Answer(answer),
        }
    }

    /// What was said and is not told yet, now that it has ended.
    pub fn ready(&mut self) -> Vec<Delta> {
        if self.following.is_none() {
            self.following = self.line.following_now();
        }
        self.following.as_mut().map(Following::ready).unwrap_or_default()
    }
}

/// A turn that the others do not know: stored, and now.
fn is_news(answer: &Answer) -> bool {
    !answer.replayed && turn::told_in(&answer.body).turn.is_some()
}

/// What comes next of any of them. Nothing is lost where the future is dropped.
pub async fn any(tellings: &mut [Telling]) -> (usize, Said) {
    let (said, at, _) = select_all(tellings.iter_mut().map(|telling| telling.next().boxed_local())).await;
    (at, said)
}
