//! What Redis answers, read piece by piece. An answer of another shape than the script's own is a fault of the data.

use redis::Value;

use crate::domain::id::ClientKey;
use crate::domain::safety::{Level, Noted, SafetyMemory};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// The fields of a hash. A list, for a session has some twenty and each is looked up once.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn of(value: Value) -> Result<Self, StoreError> {
        let mut parts = texts(value)?.into_iter();
        let pairs = std::iter::from_fn(|| Some((parts.next()?, parts.next()?)));
        Ok(Self(pairs.collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A number, where it is one.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    pub fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(self.text(name)?).ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn unexpected() -> StoreError {
    StoreError::Corrupt("an answer of Redis has another shape than its script's".to_owned())
}

/// The parts of a list, taken from the front.
pub(super) struct Parts(std::vec::IntoIter<Value>);

impl Iterator for Parts {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        self.0.next()
    }
}

impl Parts {
    pub fn of(value: Value) -> Result<Self, StoreError> {
        Ok(Self(list(value)?.into_iter()))
    }

    pub fn value(&mut self) -> Result<Value, StoreError> {
        self.0.next().ok_or_else(unexpected)
    }

    pub fn client(&mut self) -> Result<ClientKey, StoreError> {
        let unreadable = || StoreError::Corrupt("a session's client cannot be read".to_owned());
        client_key(&self.text()?).ok_or_else(unreadable)
    }

    /// A text; nil is none.
    pub fn maybe(&mut self) -> Result<Option<String>, StoreError> {
        match self.value()? {
            Value::Nil => Ok(None),
            value => text(value).map(Some),
        }
    }

    pub fn text(&mut self) -> Result<String, StoreError> {
        text(self.value()?)
    }

    pub fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.value()? {
            Value::BulkString(bytes) => Ok(bytes),
            _ => Err(unexpected()),
        }
    }

    pub fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let number = number(&self.value()?)?;
        T::try_from(number).map_err(|_| unexpected())
    }

    pub fn fields(&mut self) -> Result<Fields, StoreError> {
        Fields::of(self.value()?)
    }

    pub fn texts(&mut self) -> Result<Vec<String>, StoreError> {
        texts(self.value()?)
    }

    fn counter(&mut self) -> Result<u64, StoreError> {
        Ok(self.maybe()?.and_then(|number| number.parse().ok()).unwrap_or(0))
    }

    /// A client's memory, in the order of [`MEMORY`], as the scripts give it, or nil for none.
    pub fn memory(&mut self) -> Result<SafetyMemory, StoreError> {
        let memory = self.value()?;
        if memory == Value::Nil {
            return Ok(SafetyMemory::default());
        }
        let mut parts = Self::of(memory)?;
        let level = parts.maybe()?.and_then(|level| Level::parse(&level)).unwrap_or_default();
        let since = parts.maybe()?.and_then(|at| micros(&at));
        let why = parts.maybe()?.map(|why| rules(&why)).unwrap_or_default();
        let (epoch, cleared_epoch) = (parts.counter()?, parts.counter()?);
        let cleared_at = parts.maybe()?.and_then(|at| micros(&at));
        let cleared_why = parts.maybe()?;
        let signs = parts.counter()?;
        let id = parts.maybe()?.and_then(|id| u64::from_str_radix(&id, 16).ok());
        let at = parts.maybe()?.and_then(|at| micros(&at));
        let noted = id.zip(at).map(|(id, at)| Noted { id, at });
        Ok(SafetyMemory { level, since, why, epoch, cleared_epoch, cleared_at, cleared_why, signs, noted })
    }
}

/// The fields of a client's memory, in the order of `levels.lua`.
pub(super) const MEMORY: [&str; 10] = [
    "level",
    "since",
    "why",
    "epoch",
    "cleared_epoch",
    "cleared_at",
    "cleared_why",
    "signs",
    "noted_id",
    "noted_at",
];

/// The ids of rules, which hold no spaces; each once, as [`SafetyMemory::raise`] keeps them.
fn rules(why: &str) -> Vec<String> {
    let mut memory = SafetyMemory::default();
    let rules: Vec<String> = why.split_whitespace().map(str::to_owned).collect();
    memory.raise(Level::Crisis, &rules, Timestamp::default());
    memory.why
}

/// A duration as Redis counts it.
pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn micros(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(Timestamp::from_micros)
}

pub(super) fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(unexpected()),
    }
}

pub(super) fn text(value: Value) -> Result<String, StoreError> {
    match value {
        // What another program wrote may be no text: what can be read of it is.
        Value::BulkString(bytes) => Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
        Value::SimpleString(text) => Ok(text),
        Value::Okay => Ok("OK".to_owned()),
        Value::Int(number) => Ok(number.to_string()),
        _ => Err(unexpected()),
    }
}

pub(super) fn texts(value: Value) -> Result<Vec<String>, StoreError> {
    list(value)?.into_iter().map(text).collect()
}

pub(super) fn number(value: &Value) -> Result<i64, StoreError> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::BulkString(bytes) => {
            std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or_else(unexpected)
        }
        _ => Err(unexpected()),
    }
}

/// A client's key as a stored field holds it.
pub(super) fn client_key(text: &str) -> Option<ClientKey> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}
