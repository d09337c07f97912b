//! Clinicians in Redis: each a hash of its own, and their names in a set.

use async_trait::async_trait;
use redis::{Cmd, Pipeline, Value};

use super::record::json;
use super::value::{self, Parts, millis};
use super::{Inner, RedisStore};
use crate::access::PasswordHash;
use crate::domain::id::{ClinicianName, OrgId};
use crate::store::{Attempt, Clinician, Clinicians, LOCKED_FOR, StoreError, TRIES_MAX};

impl Inner {
    fn clinician_call(&self, what: &str, org: &OrgId, name: &ClinicianName, about: &str) -> Cmd {
        let names = [
            self.keys.clinician(org, name),
            self.keys.clinicians(org),
            self.keys.logins(org, name),
            self.keys.orgs(),
        ];
        let mut call = self.scripts.clinician.call(&names);
        call.arg(what).arg(name.as_str()).arg(about).arg(self.keys.credentials_prefix()).arg(org.as_str());
        call
    }

    async fn change_clinician(
        &self,
        what: &str,
        org: &OrgId,
        name: &ClinicianName,
        about: &str,
    ) -> Result<bool, StoreError> {
        let call = self.clinician_call(what, org, name, about);
        Ok(value::number(&self.run(&self.scripts.clinician, call).await?)? == 1)
    }

    async fn stored_clinicians(&self, keys: &[String]) -> Result<Vec<Clinician>, StoreError> {
        let mut calls = Pipeline::with_capacity(keys.len());
        for key in keys {
            calls.cmd("HGET").arg(key).arg("about");
        }
        let answers = if keys.is_empty() { Vec::new() } else { self.ask(&calls, &[]).await? };
        let standing = answers.into_iter().filter(|about| *about != Value::Nil);
        standing.map(|about| read(&value::text(about)?)).collect()
    }
}

#[async_trait]
impl Clinicians for RedisStore {
    async fn add_clinician(&self, clinician: Clinician) -> Result<bool, StoreError> {
        let about = json(&clinician)?;
        self.0.change_clinician("add", &clinician.org, &clinician.name, &about).await
    }

    async fn set_password(
        &self,
        org: &OrgId,
        name: &ClinicianName,
        password: PasswordHash,
    ) -> Result<bool, StoreError> {
        let found = self.0.stored_clinicians(&[self.0.keys.clinician(org, name)]).await?;
        let Some(clinician) = found.into_iter().next() else { return Ok(false) };
        let about = json(&Clinician { password, ..clinician })?;
        self.0.change_clinician("set", org, name, &about).await
    }

    async fn remove_clinician(&self, org: &OrgId, name: &ClinicianName) -> Result<bool, StoreError> {
        // Looks first, so that a removal whose answer was lost still counts.
        let known = self.0.stored_clinicians(&[self.0.keys.clinician(org, name)]).await?;
        Ok(self.0.change_clinician("remove", org, name, "").await? || !known.is_empty())
    }

    async fn clinicians(&self, org: &OrgId) -> Result<Vec<Clinician>, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("SMEMBERS").arg(self.0.keys.clinicians(org));
        let mut answers = Parts::of(Value::Array(self.0.ask(&calls, &[]).await?))?;
        let prefix = self.0.keys.clinicians_prefix(org);
        let keys: Vec<String> = answers.texts()?.iter().map(|name| format!("{prefix}{name}")).collect();
        let mut found = self.0.stored_clinicians(&keys).await?;
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    async fn attempt(&self, org: &OrgId, name: &ClinicianName) -> Result<Attempt, StoreError> {
        let mut call = self.0.scripts.attempt.call(&[self.0.keys.clinician(org, name)]);
        call.arg(TRIES_MAX).arg(millis(LOCKED_FOR));
        let mut parts = Parts::of(self.0.run(&self.0.scripts.attempt, call).await?)?;
        match parts.text()?.as_str() {
            "unknown" => Ok(Attempt::Unknown),
            "locked" => Ok(Attempt::Locked),
            _ => Ok(Attempt::Open(Box::new(read(&parts.text()?)?))),
        }
    }

    async fn admit(&self, org: &OrgId, name: &ClinicianName) -> Result<(), StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HDEL").arg(self.0.keys.clinician(org, name)).arg(&["tries", "locked_ms"]);
        self.0.ask(&calls, &[]).await.map(drop)
    }
}

fn read(about: &str) -> Result<Clinician, StoreError> {
    serde_json::from_str(about).map_err(|_| StoreError::Corrupt("a clinician cannot be read".to_owned()))
}
