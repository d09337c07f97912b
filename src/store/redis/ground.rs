//! The ground of a turn: what the gate tells of a session, and what is read with it. A session that is kept here is used
//! where nobody wrote since.

use std::sync::Arc;

use redis::{Cmd, Pipeline, Value};

use super::Inner;
use super::exchanges;
use super::held::{Ground, Warm};
use super::record::{Mark, Record};
use super::value::{self, Fields, Parts};
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::quota::Quota;
use crate::domain::safety::SafetyMemory;
use crate::redis::{Script, keys};
use crate::store::{Begin, Begun, Lease, StoreError};

/// What the gate tells of a session.
pub(super) struct Facts {
    pub is_there: bool,
    pub mark: Mark,
    pub memory: SafetyMemory,
}

impl Facts {
    pub fn of(parts: &mut Parts) -> Result<Self, StoreError> {
        Ok(Self {
            is_there: parts.number::<u8>()? == 1,
            mark: Mark {
                revision: parts.text()?,
                turn_count: parts.text()?,
                last_interaction: parts.text()?,
            },
            memory: parts.memory()?,
        })
    }
}

/// The plain reads that come with a script: state, meta, the latest exchanges.
pub(super) struct Reads {
    pub state: Fields,
    pub meta: Fields,
    pub recent: Vec<String>,
}

impl Reads {
    /// `None` where nothing was read.
    pub fn of(answers: &mut impl Iterator<Item = Value>) -> Result<Option<Self>, StoreError> {
        let (Some(state), Some(meta), Some(recent)) = (answers.next(), answers.next(), answers.next()) else {
            return Ok(None);
        };
        Ok(Some(Self { state: Fields::of(state)?, meta: Fields::of(meta)?, recent: value::texts(recent)? }))
    }
}

impl Inner {
    /// A script, and the plain reads in the same round trip.
    pub(super) async fn with_reads(
        &self,
        script: &Script,
        call: Cmd,
        key: &SessionKey,
        reads: bool,
    ) -> Result<(Value, Option<Reads>), StoreError> {
        let mut calls = Pipeline::with_capacity(4);
        calls.add_command(call);
        if reads {
            self.add_reads(&mut calls, key);
        }
        let mut answers = self.ask(&calls, &[script]).await?.into_iter();
        let answer = answers.next().unwrap_or(Value::Nil);
        Ok((answer, Reads::of(&mut answers)?))
    }

    fn add_reads(&self, calls: &mut Pipeline, key: &SessionKey) {
        calls.cmd("HGETALL").arg(self.keys.session(key, keys::STATE));
        calls.cmd("HGETALL").arg(self.keys.session(key, keys::META));
        calls.cmd("LRANGE").arg(self.keys.session(key, keys::HISTORY)).arg(0).arg(self.last_place());
    }

    /// The place in the history of the last exchange that a turn begins with.
    pub(super) fn last_place(&self) -> i64 {
        i64::from(self.limits.recent_max) - 1
    }

    /// What the holder needs to know. A session that is kept here is used where nobody wrote since.
    pub(super) async fn begun(
        &self,
        request: &Begin,
        quota: Quota,
        facts: Facts,
        warm: Option<Arc<Warm>>,
        reads: Option<Reads>,
    ) -> Result<Box<Begun>, StoreError> {
        let lease = Lease(request.id.0);
        let warm = warm.filter(|warm| facts.is_there && warm.record.mark == facts.mark);
        let ground = match (warm, facts.is_there, reads) {
            (Some(warm), _, _) => warm_ground(&warm, facts),
            (None, false, _) => Ground { memory: facts.memory, is_first: true, ..Ground::default() },
            (None, true, Some(reads)) => self.ground_of(&request.session, facts.memory, &reads).await?,
            (None, true, None) => self.reload(&request.session, &request.client).await?,
        };
        let predecessor = match ground.session {
            None => self.predecessor(request).await?,
            Some(_) => None,
        };
        self.held.stand(lease, ground.clone());
        Ok(Box::new(Begun {
            lease,
            lease_ttl: self.limits.lease_ttl,
            client: ground.session.as_ref().map_or(&request.client, |session| &session.client).clone(),
            predecessor,
            session: ground.session,
            memory: ground.memory,
            recent: ground.recent,
            quota,
        }))
    }

    /// Reads a session anew, with its client's memory.
    pub(super) async fn reload(&self, key: &SessionKey, client: &ClientKey) -> Result<Ground, StoreError> {
        let call = self.read_call(key, client);
        let (answer, reads) = self.with_reads(&self.scripts.read, call, key, true).await?;
        let mut parts = Parts::of(answer)?;
        let _remaining: i64 = parts.number()?;
        let memory = parts.memory()?;
        match reads {
            Some(reads) => self.ground_of(key, memory, &reads).await,
            None => Err(StoreError::Away("Redis gave no answer".to_owned())),
        }
    }

    async fn ground_of(
        &self,
        key: &SessionKey,
        memory: SafetyMemory,
        reads: &Reads,
    ) -> Result<Ground, StoreError> {
        let Some(record) = Record::read(key, &reads.state, Some(&reads.meta), &self.reader())? else {
            return Ok(Ground { memory, is_first: true, ..Ground::default() });
        };
        // A session that another program made tells its client with its metadata alone.
        let is_told = reads.state.text("client").is_some() || record.session.client_id.is_none();
        let memory = if is_told { memory } else { self.memory_of(&key.org, &record.session.client).await? };
        let mut session = record.counts(&memory);
        let newest_first = exchanges::decode(&reads.recent, session.turn_count);
        session.turn_count = exchanges::counted(&newest_first, session.turn_count);
        let recent = newest_first.into_iter().rev().collect();
        Ok(Ground {
            is_shown: record.shows(&session),
            mark: record.mark,
            session: Some(Arc::new(session)),
            memory,
            recent: Arc::new(recent),
            is_first: reads.state.text("client").is_none(),
        })
    }

    /// A session as it stands at one moment. `client` stands in where the session names none.
    pub(super) fn read_call(&self, key: &SessionKey, client: &ClientKey) -> Cmd {
        let names = [
            self.keys.session(key, keys::STATE),
            self.keys.session(key, keys::META),
            self.keys.safety(&key.org, client),
        ];
        let mut call = self.scripts.read.call(&names);
        call.arg(self.keys.safety_prefix(&key.org)).arg(client.as_str());
        call
    }
}

/// What is kept of a session, as the scripts compare it.
pub(super) fn kept(warm: Option<&Warm>) -> String {
    let spelled = |mark: &Mark| format!("{} {} {}", mark.revision, mark.turn_count, mark.last_interaction);
    warm.map_or_else(|| "-".to_owned(), |warm| spelled(&warm.record.mark))
}

/// The ground of a session that is kept here, and that nobody wrote since.
fn warm_ground(warm: &Warm, facts: Facts) -> Ground {
    let session = warm.record.counts(&facts.memory);
    Ground {
        is_shown: warm.record.shows(&session),
        mark: facts.mark,
        session: Some(Arc::new(session)),
        memory: facts.memory,
        recent: Arc::clone(&warm.recent),
        is_first: false,
    }
}
