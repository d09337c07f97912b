//! What goes out, over a queue with a bound. Whoever does not read is waited for a while, and then no more.

use std::time::Duration;

use actix_ws::{CloseCode, CloseReason, Closed, Session};

use super::End;
use crate::http::problem::Code;

pub struct Outgoing {
    session: Session,
    patience: Duration,
}

impl Outgoing {
    pub fn new(session: Session, patience: Duration) -> Self {
        Self { session, patience }
    }

    /// From now on it is not waited for as long.
    pub fn hurry(&mut self, patience: Duration) {
        self.patience = self.patience.min(patience);
    }

    pub async fn text(&mut self, text: String) -> Result<(), End> {
        in_time(self.patience, self.session.text(text)).await
    }

    pub async fn ping(&mut self) -> Result<(), End> {
        in_time(self.patience, self.session.ping(b"")).await
    }

    pub async fn pong(&mut self, echo: &[u8]) -> Result<(), End> {
        in_time(self.patience, self.session.pong(echo)).await
    }

    /// The last frame. Nobody waits for what becomes of it.
    pub async fn close(self, code: u16, why: &str) {
        let reason = CloseReason { code: CloseCode::from(code), description: Some(why.to_owned()) };
        let _late = tokio::time::timeout(self.patience, self.session.close(Some(reason))).await;
    }
}

async fn in_time(patience: Duration, sent: impl Future<Output = Result<(), Closed>>) -> Result<(), End> {
    match tokio::time::timeout(patience, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Closed)) => Err(End::Gone),
        Err(_late) => Err(End::Fault(Code::SlowReader)),
    }
}
