//! Lines of sessions: which successor answers in the place of one that is gone.

use super::draft::Draft;
use super::record::Record;
use super::tables::{self, value_of};
use super::writer::Writer;
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::safety::SafetyMemory;
use crate::domain::session::Session;
use crate::store::StoreError;

/// The number that the first successor carries.
const FIRST: u32 = 2;
/// Six digits are all that an id has room for.
const LAST: u32 = 999_999;
/// Of a line so many of the newest are looked at, beside the first.
const LINE_MAX: u32 = 100;

impl Writer {
    /// Where input to this session goes instead, if it does.
    pub fn successor(
        &mut self,
        key: &SessionKey,
        record: Option<&Record>,
    ) -> Result<Option<SessionKey>, StoreError> {
        match record {
            Some(record) if !record.session.status.is_gone() => Ok(None),
            Some(record) => {
                let root = key.with_id(root_of(key, &record.session));
                let newest = self.newest(&root)?;
                self.next_in(&root, newest).map(Some)
            }
            None => match self.newest(key)? {
                Some(newest) => self.next_in(key, Some(newest)).map(Some),
                None => Ok(None),
            },
        }
    }

    /// The session, or where it has vanished the newest of its line, which answers in its place.
    pub fn answering(&mut self, key: &SessionKey) -> Result<Option<(Record, SafetyMemory)>, StoreError> {
        if let Some(live) = self.live(key)? {
            return Ok(Some(live));
        }
        match self.newest(key)? {
            Some(newest) => self.live(&key.with_id(key.id.successor(newest))),
            None => Ok(None),
        }
    }

    /// What stands of a session's line, the oldest first.
    pub fn line(&mut self, key: &SessionKey) -> Result<Vec<(SessionKey, Record)>, StoreError> {
        let named = self.live(key)?;
        let root = named.as_ref().map(|(record, _)| key.with_id(root_of(key, &record.session)));
        let root = root.unwrap_or_else(|| key.clone());
        let newest = self.newest(&root)?.unwrap_or_default();
        let numbers = newest.saturating_sub(LINE_MAX).max(FIRST)..=newest;
        let mut keys = vec![root.clone()];
        keys.extend(numbers.map(|number| root.with_id(root.id.successor(number))));
        if !keys.contains(key) {
            keys.insert(1, key.clone());
        }
        let mut line = Vec::new();
        for key in keys {
            line.extend(self.live(&key)?.map(|(record, _)| (key, record)));
        }
        Ok(line)
    }

    /// The number of the line's newest session, where it stands.
    pub fn newest(&mut self, root: &SessionKey) -> Result<Option<u32>, StoreError> {
        let Some(newest) = generation_at(&self.tables, root)? else { return Ok(None) };
        Ok(self.live(&root.with_id(root.id.successor(newest)))?.map(|_| newest))
    }

    /// The newest, or when it is gone too, the next number that nobody has.
    fn next_in(&mut self, root: &SessionKey, newest: Option<u32>) -> Result<SessionKey, StoreError> {
        for generation in newest.unwrap_or(FIRST)..=LAST {
            let key = root.with_id(root.id.successor(generation));
            match self.live(&key)? {
                None => return Ok(key),
                Some((record, _)) => {
                    if newest == Some(generation) && !record.session.status.is_gone() {
                        return Ok(key);
                    }
                }
            }
        }
        Err(StoreError::Corrupt("a line of sessions without end".to_owned()))
    }
}

impl Draft<'_> {
    /// Notes a successor as the newest of its line. It lives as long as that session.
    pub fn point(&mut self, key: &SessionKey, session: &Session) -> Result<(), StoreError> {
        if let Some((root, generation)) = place_in_line(key, session) {
            let table = &self.change.tables.pointers;
            let newest = generation_at(self.change.tables, &root)?.unwrap_or_default().max(generation);
            self.change.batch.insert(table, tables::session(&root), newest.to_be_bytes());
        }
        Ok(())
    }

    /// Takes the note back where it names this very session.
    pub fn unpoint(&mut self, key: &SessionKey, session: &Session) -> Result<(), StoreError> {
        if let Some((root, generation)) = place_in_line(key, session)
            && generation_at(self.change.tables, &root)? == Some(generation)
        {
            let table = &self.change.tables.pointers;
            self.change.batch.remove(table, tables::session(&root));
        }
        Ok(())
    }
}

fn root_of(key: &SessionKey, session: &Session) -> SessionId {
    session.successor_of.clone().unwrap_or_else(|| key.id.clone())
}

fn place_in_line(key: &SessionKey, session: &Session) -> Option<(SessionKey, u32)> {
    let root = session.successor_of.clone()?;
    let digits = key.id.as_str().strip_prefix(root.as_str())?.strip_prefix('.')?;
    let generation = digits.parse().ok()?;
    Some((key.with_id(root), generation))
}

fn generation_at(tables: &super::tables::Tables, root: &SessionKey) -> Result<Option<u32>, StoreError> {
    let Some(bytes) = value_of(&tables.pointers, &tables::session(root))? else { return Ok(None) };
    let bytes = bytes.as_ref().try_into();
    let bytes = bytes.map_err(|_| StoreError::Corrupt("a pointer to a successor".to_owned()))?;
    Ok(Some(u32::from_be_bytes(bytes)))
}
