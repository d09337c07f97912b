//! Credentials in Redis: each under its hash, and its holder's in a set.

use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use super::record::json;
use super::value::{self, millis};
use super::{Inner, RedisStore};
use crate::access::{CredentialHash, Kind};
use crate::redis::keys;
use crate::store::{CREDENTIALS_MAX, Credential, Credentials, Holder, StoreError};

/// How long the one use of a ticket may be repeated whose answer was lost.
const REPEATED_FOR: Duration = Duration::from_secs(5);

impl Inner {
    fn holder(&self, holder: &Holder) -> String {
        match holder {
            Holder::Keys(org) => self.keys.api_keys(org),
            Holder::Session(session) => self.keys.session(session, keys::CREDENTIALS),
            Holder::Clinician(org, name) => self.keys.logins(org, name),
        }
    }

    /// What has to be there for a holder to be issued credentials. API keys need nothing.
    fn stands_on(&self, holder: &Holder) -> Option<String> {
        match holder {
            Holder::Keys(_) => None,
            Holder::Session(session) => Some(self.keys.session(session, keys::STATE)),
            Holder::Clinician(org, name) => Some(self.keys.clinician(org, name)),
        }
    }

    /// False where `old` is named and does not stand, and where it is not and its holder does not.
    async fn issue(
        &self,
        old: Option<CredentialHash>,
        hash: CredentialHash,
        credential: &Credential,
    ) -> Result<bool, StoreError> {
        let holder = credential.holder();
        let mut names = vec![self.keys.credential(hash), self.holder(&holder), self.keys.orgs()];
        names.extend(old.map(|old| self.keys.credential(old)));
        let text = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
        let most = if matches!(holder, Holder::Keys(_)) { 0 } else { CREDENTIALS_MAX };
        let mut call = self.scripts.issue.call(&names);
        call.arg(&credential.id)
            .arg(hash.to_string())
            .arg(json(credential)?)
            .arg(credential.kind.as_str())
            .arg(text(credential.idle.map(|idle| millis(idle).to_string())))
            .arg(text(credential.ends_at.map(|ends| millis(ends.since(credential.made_at)).to_string())))
            .arg(credential.made_at.millis())
            .arg(most)
            .arg(self.keys.credentials_prefix())
            .arg(credential.org.as_str())
            .arg(self.stands_on(&holder).unwrap_or_else(|| "-".to_owned()))
            .arg(Kind::Ticket.as_str());
        Ok(value::number(&self.run(&self.scripts.issue, call).await?)? == 1)
    }
}

#[async_trait]
impl Credentials for RedisStore {
    async fn issue(&self, hash: CredentialHash, credential: Credential) -> Result<bool, StoreError> {
        self.0.issue(None, hash, &credential).await
    }

    async fn present(&self, hash: CredentialHash) -> Result<Option<Credential>, StoreError> {
        let inner = &self.0;
        let mut call = inner.scripts.present.call(&[inner.keys.credential(hash)]);
        call.arg(Kind::Ticket.as_str()).arg(inner.nonce()).arg(millis(REPEATED_FOR));
        match inner.run(&inner.scripts.present, call).await? {
            Value::Nil => Ok(None),
            about => read(&value::text(about)?).map(Some),
        }
    }

    async fn rotate(
        &self,
        old: CredentialHash,
        (hash, credential): (CredentialHash, Credential),
    ) -> Result<bool, StoreError> {
        self.0.issue(Some(old), hash, &credential).await
    }

    async fn revoke(&self, holder: Holder, id: Option<String>) -> Result<u64, StoreError> {
        let inner = &self.0;
        // Looks first, so that a revocation whose answer was lost still counts.
        let stood = self.credentials(holder.clone()).await?;
        let is_meant = |credential: &&Credential| id.as_ref().is_none_or(|id| *id == credential.id);
        let stood = stood.iter().filter(is_meant).count() as u64;
        let mut call = inner.scripts.revoke.call(&[inner.holder(&holder)]);
        call.arg(inner.keys.credentials_prefix()).arg(id.as_deref());
        let ended = value::number(&inner.run(&inner.scripts.revoke, call).await?)?;
        Ok(u64::try_from(ended).unwrap_or_default().max(stood))
    }

    async fn credentials(&self, holder: Holder) -> Result<Vec<Credential>, StoreError> {
        let inner = &self.0;
        let mut call = inner.scripts.credentials.call(&[inner.holder(&holder)]);
        call.arg(inner.keys.credentials_prefix());
        let standing = value::texts(inner.run(&inner.scripts.credentials, call).await?)?;
        standing.iter().map(|about| read(about)).collect()
    }

    async fn has_keys(&self) -> Result<bool, StoreError> {
        for org in self.0.orgs().await? {
            if !self.credentials(Holder::Keys(org)).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn read(about: &str) -> Result<Credential, StoreError> {
    serde_json::from_str(about).map_err(|_| StoreError::Corrupt("a credential cannot be read".to_owned()))
}
