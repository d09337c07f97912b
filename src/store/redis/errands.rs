//! Leads in Redis, a key each that runs out; and marks, fields of one hash.

use std::time::Duration;

use async_trait::async_trait;
use redis::{Pipeline, Value};

use super::value::{self, Parts, millis};
use super::{Inner, RedisStore};
use crate::store::{Errands, StoreError};

impl Inner {
    /// Zero gives it up.
    async fn lead(&self, role: &str, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        let mut call = self.scripts.lead.call(&[self.keys.lead(role)]);
        call.arg(holder).arg(millis(lasts));
        Ok(value::number(&self.run(&self.scripts.lead, call).await?)? == 1)
    }
}

#[async_trait]
impl Errands for RedisStore {
    async fn lead(&self, role: &str, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        self.0.lead(role, holder, lasts.max(Duration::from_millis(1))).await
    }

    async fn yield_lead(&self, role: &str, holder: &str) -> Result<(), StoreError> {
        self.0.lead(role, holder, Duration::ZERO).await.map(drop)
    }

    async fn mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HGET").arg(self.0.keys.marks()).arg(name);
        Parts::of(Value::Array(self.0.ask(&calls, &[]).await?))?.maybe()
    }

    async fn set_mark(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HSET").arg(self.0.keys.marks()).arg(name).arg(value);
        self.0.ask(&calls, &[]).await.map(drop)
    }
}
