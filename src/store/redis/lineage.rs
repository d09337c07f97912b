//! Lines of sessions: which successor answers in the place of one that is gone. Seldom asked, so it is read step by
//! step; the begin that follows decides.

use redis::{Pipeline, Value};

use super::Inner;
use super::value::{self, Fields};
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::session::Status;
use crate::redis::keys;
use crate::store::StoreError;

/// The number that the first successor carries.
const FIRST: u32 = 2;
/// Six digits are all that an id has room for.
const LAST: u32 = 999_999;
/// Of a line so many of the newest are looked at, beside the first.
const LINE_MAX: u32 = 100;

/// How a session of a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InLine {
    Absent,
    Gone,
    Answers,
}

impl Inner {
    /// Where input to this gone session goes instead. `None` where nothing is left of its line.
    pub(super) async fn successor(&self, key: &SessionKey) -> Result<Option<SessionKey>, StoreError> {
        let (at, root) = self.in_line(key).await?;
        let root = root.map_or_else(|| key.clone(), |root| key.with_id(root));
        let newest = self.newest(&root).await?;
        if at == InLine::Absent && newest.is_none() {
            return Ok(None);
        }
        self.next_in(&root, newest).await.map(Some)
    }

    /// The session itself, or where it has vanished the newest of its line, which answers in its place.
    pub(super) async fn answering(&self, key: &SessionKey) -> Result<SessionKey, StoreError> {
        let newest = self.newest(key).await?;
        Ok(newest.map_or_else(|| key.clone(), |number| key.with_id(key.id.successor(number))))
    }

    /// The keys of a session's line, the oldest first. What has vanished may be among them.
    pub(super) async fn line(&self, key: &SessionKey) -> Result<Vec<SessionKey>, StoreError> {
        let (_, root) = self.in_line(key).await?;
        let root = root.map_or_else(|| key.clone(), |root| key.with_id(root));
        let newest = self.newest(&root).await?.unwrap_or_default();
        let numbers = newest.saturating_sub(LINE_MAX).max(FIRST)..=newest;
        let mut keys = vec![root.clone()];
        keys.extend(numbers.map(|number| root.with_id(root.id.successor(number))));
        if !keys.contains(key) {
            keys.insert(1, key.clone());
        }
        Ok(keys)
    }

    /// The same without what has vanished.
    pub(super) async fn standing_line(&self, key: &SessionKey) -> Result<Vec<SessionKey>, StoreError> {
        let mut standing = Vec::new();
        for key in self.line(key).await? {
            if self.in_line(&key).await?.0 != InLine::Absent {
                standing.push(key);
            }
        }
        Ok(standing)
    }

    /// The number of the line's newest session, where it stands. One that points nowhere is taken away.
    async fn newest(&self, root: &SessionKey) -> Result<Option<u32>, StoreError> {
        let pointer = self.keys.session(root, keys::NEWEST);
        let answers = self.ask(redis::pipe().cmd("GET").arg(&pointer), &[]).await?;
        let Some(number) = answers.first().and_then(|value| value::number(value).ok()) else {
            return Ok(None);
        };
        let number = u32::try_from(number).unwrap_or(FIRST);
        if self.in_line(&root.with_id(root.id.successor(number))).await?.0 != InLine::Absent {
            return Ok(Some(number));
        }
        let named = root.with_id(root.id.successor(number));
        let mut call = self.scripts.unpoint.call(&[pointer, self.keys.session(&named, keys::STATE)]);
        call.arg(number);
        self.run(&self.scripts.unpoint, call).await?;
        Ok(None)
    }

    /// The newest, or when it is gone too, the next number that nobody has.
    async fn next_in(&self, root: &SessionKey, newest: Option<u32>) -> Result<SessionKey, StoreError> {
        for number in newest.unwrap_or(FIRST)..=LAST {
            let key = root.with_id(root.id.successor(number));
            match self.in_line(&key).await?.0 {
                InLine::Absent => return Ok(key),
                InLine::Answers if newest == Some(number) => return Ok(key),
                InLine::Answers | InLine::Gone => {}
            }
        }
        Err(StoreError::Corrupt("a line of sessions without end".to_owned()))
    }

    async fn in_line(&self, key: &SessionKey) -> Result<(InLine, Option<SessionId>), StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HGETALL").arg(self.keys.session(key, keys::STATE));
        let answers = self.ask(&calls, &[]).await?;
        let fields = Fields::of(answers.into_iter().next().unwrap_or(Value::Nil))?;
        if fields.is_empty() {
            return Ok((InLine::Absent, None));
        }
        let is_gone = fields.text("status").and_then(Status::parse).is_some_and(Status::is_gone);
        let root = fields.text("successor_of").and_then(|root| SessionId::parse(root).ok());
        Ok((if is_gone { InLine::Gone } else { InLine::Answers }, root))
    }
}

/// The root and the number of a successor.
pub(super) fn place_in_line(id: &SessionId, successor_of: Option<&SessionId>) -> Option<(SessionId, u32)> {
    let root = successor_of?;
    let number = id.as_str().strip_prefix(root.as_str())?.strip_prefix('.')?.parse().ok()?;
    Some((root.clone(), number))
}
