//! The audit in Redis: an outbox, a chain and its head for each organisation.

use async_trait::async_trait;
use redis::{Pipeline, Value};

use super::record::json;
use super::value::{self, Fields, Parts};
use super::{Inner, RedisStore};
use crate::domain::audit::{Entry, Head, Sealed};
use crate::domain::id::OrgId;
use crate::store::{Ledger, StoreError};

/// No list of Redis is as long.
const PLACE_MAX: u64 = 1 << 48;

impl Inner {
    async fn lines(&self, key: &str, from: u64, most: usize) -> Result<Vec<String>, StoreError> {
        let from = from.min(PLACE_MAX);
        let last = from + most as u64 - 1;
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("LRANGE").arg(key).arg(from).arg(last);
        let mut answers = Parts::of(Value::Array(self.ask(&calls, &[]).await?))?;
        value::texts(answers.value()?)
    }

    async fn head(&self, org: &OrgId) -> Result<Head, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HGETALL").arg(self.keys.chain_head(org));
        let mut answers = Parts::of(Value::Array(self.ask(&calls, &[]).await?))?;
        let fields = Fields::of(answers.value()?)?;
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        let seq = fields.text("seq").map_or(Ok(0), str::parse);
        let seq = seq.map_err(|_| StoreError::Corrupt("the audit's head has no number".to_owned()))?;
        Ok(Head { seq, mac: text("mac"), seal: text("seal") })
    }
}

#[async_trait]
impl Ledger for RedisStore {
    async fn enter(&self, org: &OrgId, entry: Entry) -> Result<(), StoreError> {
        let mut call = self.0.scripts.enter.call(&[self.0.keys.outbox(org), self.0.keys.orgs()]);
        call.arg(json(&entry)?).arg(org.as_str());
        self.0.run(&self.0.scripts.enter, call).await.map(drop)
    }

    async fn audited(&self) -> Result<Vec<OrgId>, StoreError> {
        self.0.orgs().await
    }

    async fn outbox(&self, org: &OrgId, most: usize) -> Result<Vec<String>, StoreError> {
        self.0.lines(&self.0.keys.outbox(org), 0, most).await
    }

    async fn head(&self, org: &OrgId) -> Result<Head, StoreError> {
        self.0.head(org).await
    }

    async fn seal(
        &self,
        org: &OrgId,
        before: &Head,
        sealed: Vec<Sealed>,
        head: Head,
    ) -> Result<bool, StoreError> {
        let keys = &self.0.keys;
        let names = [keys.outbox(org), keys.chain(org), keys.chain_head(org)];
        let mut call = self.0.scripts.seal.call(&names);
        call.arg(before.seq).arg(&before.mac).arg(head.seq).arg(&head.mac).arg(&head.seal).arg(sealed.len());
        for sealed in &sealed {
            call.arg(&sealed.entry);
        }
        for sealed in &sealed {
            call.arg(json(sealed)?);
        }
        Ok(value::number(&self.0.run(&self.0.scripts.seal, call).await?)? == 1)
    }

    async fn chain(&self, org: &OrgId, from: u64, most: usize) -> Result<Vec<Sealed>, StoreError> {
        let from = from.clamp(1, PLACE_MAX);
        let stored = self.0.lines(&self.0.keys.chain(org), from - 1, most).await?;
        stored.iter().enumerate().map(|(at, text)| Ok(read(text, from + at as u64))).collect()
    }
}

/// What cannot be read is a record that is not as it was sealed.
fn read(text: &str, seq: u64) -> Sealed {
    let spoilt = || Sealed { seq, entry: text.to_owned(), mac: String::new() };
    serde_json::from_str(text).unwrap_or_else(|_| spoilt())
}
