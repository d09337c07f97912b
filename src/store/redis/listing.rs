//! A page of an organisation's sessions: one script, and a second round trip only for the memories of sessions that
//! another program made.

use redis::{Cmd, Pipeline, Value};

use super::Inner;
use super::commit::seconds;
use super::record::Record;
use super::value::{Fields, Parts};
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::safety::{Level, SafetyMemory};
use crate::domain::session::{Session, Status};
use crate::domain::time::Timestamp;
use crate::store::{Cursor, ListPage, ListQuery, StoreError};

/// Index entries that one page looks at: Redis does nothing else meanwhile.
const CANDIDATES_MAX: usize = 2_000;
const NOT_ASKED: &str = "-";

/// A session that may be in the page. Its memory is missing where only this side can tell its client.
struct Candidate {
    record: Record,
    memory: Option<SafetyMemory>,
}

struct Found {
    total: u64,
    total_is_estimate: bool,
    next: Option<Cursor>,
    candidates: Vec<Candidate>,
}

impl Inner {
    pub(super) async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let answer = self.run(&self.scripts.list, self.list_call(query)).await?;
        let mut found = self.found(query, answer)?;
        self.remember(query, &mut found.candidates).await?;
        let rows = found.candidates.iter().map(Candidate::counts).filter(|session| fits(query, session));
        let is_filtered = query.substate.is_some() || query.part.is_some();
        Ok(ListPage {
            rows: rows.map(Into::into).collect(),
            next: found.next,
            total: found.total,
            total_is_estimate: is_filtered || found.total_is_estimate,
        })
    }

    fn list_call(&self, query: &ListQuery) -> Cmd {
        let (status, level) = (query.status.map(Status::as_str), query.level.map(Level::as_str));
        let mut keys = vec![self.keys.active(&query.org)];
        keys.extend([status, level].into_iter().flatten().map(|name| self.keys.index(&query.org, name)));
        let cursor = query.cursor.as_ref();
        let since = query.active_since.map(seconds);
        let after = cursor.map(|cursor| seconds(cursor.last_interaction));
        let mut call = self.scripts.list.call(&keys);
        call.arg(self.keys.sessions_prefix(&query.org))
            .arg(self.keys.index_prefix(&query.org))
            .arg(self.keys.safety_prefix(&query.org))
            .arg(status.unwrap_or(NOT_ASKED))
            .arg(level.unwrap_or(NOT_ASKED))
            .arg(query.substate.as_deref().unwrap_or_default())
            .arg(query.part.as_deref().unwrap_or_default())
            .arg(since.as_deref().unwrap_or(NOT_ASKED))
            .arg(after.as_deref().unwrap_or(NOT_ASKED))
            .arg(cursor.map_or(NOT_ASKED, |cursor| cursor.id.as_str()))
            .arg(query.limit)
            .arg(CANDIDATES_MAX)
            .arg(self.limits.count_max)
            .arg(self.keys.clients_prefix(&query.org));
        call
    }

    fn found(&self, query: &ListQuery, answer: Value) -> Result<Found, StoreError> {
        let mut parts = Parts::of(answer)?;
        let total = parts.number()?;
        let total_is_estimate = parts.number::<u8>()? == 1;
        let next = cursor(parts.maybe()?, parts.maybe()?);
        let mut candidates = Vec::new();
        while let Ok(id) = parts.text() {
            let (state, memory, meta) = (parts.fields()?, parts.value()?, parts.fields()?);
            let Ok(id) = SessionId::parse(id) else { continue };
            let key = SessionKey::new(query.org.clone(), id);
            candidates.extend(self.candidate(&key, &state, memory, &meta)?);
        }
        Ok(Found { total, total_is_estimate, next, candidates })
    }

    /// A session that cannot be read must not hide the others; whoever asks for it is told.
    fn candidate(
        &self,
        key: &SessionKey,
        state: &Fields,
        memory: Value,
        meta: &Fields,
    ) -> Result<Option<Candidate>, StoreError> {
        let memory = match memory {
            Value::Nil => None,
            known => Some(Parts::of(Value::Array(vec![known]))?.memory()?),
        };
        let meta = memory.is_none().then_some(meta);
        let record = match Record::read(key, state, meta, &self.reader()) {
            Err(StoreError::Corrupt(what)) => {
                tracing::warn!(what, "a session is left out of a list");
                None
            }
            record => record?,
        };
        Ok(record.map(|record| Candidate { record, memory }))
    }

    /// Reads the memories that the script could not.
    async fn remember(&self, query: &ListQuery, candidates: &mut [Candidate]) -> Result<(), StoreError> {
        let mut without: Vec<&mut Candidate> =
            candidates.iter_mut().filter(|candidate| candidate.memory.is_none()).collect();
        if without.is_empty() {
            return Ok(());
        }
        let mut calls = Pipeline::with_capacity(without.len());
        for candidate in &without {
            calls.add_command(self.memory_call(&query.org, &candidate.record.session.client));
        }
        let mut answers = Parts::of(Value::Array(self.ask(&calls, &[]).await?))?;
        for candidate in &mut without {
            candidate.memory = Some(answers.memory()?);
        }
        Ok(())
    }
}

impl Candidate {
    fn counts(&self) -> Session {
        match &self.memory {
            Some(memory) => self.record.counts(memory),
            None => self.record.counts(&SafetyMemory::default()),
        }
    }
}

/// The script has filtered already, but by the hash's own fields.
fn fits(query: &ListQuery, session: &Session) -> bool {
    query.status.is_none_or(|status| session.status == status)
        && query.level.is_none_or(|level| session.level == level)
        && query.active_since.is_none_or(|since| session.last_interaction >= since)
        && query.part.as_ref().is_none_or(|part| has_part(session, part))
}

fn has_part(session: &Session, part: &str) -> bool {
    session.id.as_str().contains(part) || session.client_id.as_ref().is_some_and(|id| id.contains(part))
}

fn cursor(score: Option<String>, id: Option<String>) -> Option<Cursor> {
    Some(Cursor { last_interaction: moment(&score?)?, id: SessionId::parse(id?).ok()? })
}

/// A score of the indices as a time.
fn moment(score: &str) -> Option<Timestamp> {
    let (whole, part) = score.split_once('.')?;
    format!("{whole}{part}").parse().ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_the_same_moment_again() {
        for micros in [0, 1, 1_760_518_523_000_001] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(moment(&seconds(at)), Some(at));
        }
        assert_eq!(moment("-0.000001"), Some(Timestamp::from_micros(-1)));
        assert_eq!(moment("inf"), None);
    }

    #[test]
    fn a_page_without_an_end_has_no_cursor() {
        assert_eq!(cursor(None, None), None);
        assert_eq!(cursor(Some("1.000000".to_owned()), Some("no id".to_owned())), None);
        let at = cursor(Some("1.500000".to_owned()), Some("a".to_owned())).expect("a cursor");
        assert_eq!((at.last_interaction, at.id.as_str()), (Timestamp::from_millis(1_500), "a"));
    }

    #[test]
    fn a_session_that_is_taken_out_leaves_every_index() {
        let script = include_str!("../../redis/scripts/unlist.lua");
        let statuses = Status::ALL.into_iter().map(Status::as_str);
        for name in statuses.chain(Level::ALL.into_iter().map(Level::as_str)).chain(["expires", "idle"]) {
            assert!(script.contains(&format!("'{name}'")), "{name} is not left");
        }
    }
}
