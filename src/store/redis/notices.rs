//! Notices in Redis: fields of the alert's hash, and for each channel a set of the open alerts by when they are due.

use async_trait::async_trait;
use redis::Pipeline;

use super::alerts::alert_of;
use super::record::json;
use super::value::{self, Fields, Parts};
use super::{Inner, RedisStore};
use crate::domain::alert::AlertId;
use crate::domain::id::OrgId;
use crate::domain::notice::{Channel, Delivery};
use crate::domain::time::Timestamp;
use crate::store::{DueNotice, KeepNotice, KeptNotice, Notices, StoreError};

impl Inner {
    async fn due_notices(
        &self,
        channels: &[Channel],
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DueNotice>, StoreError> {
        let orgs = self.orgs().await?;
        let mut calls = Pipeline::with_capacity(orgs.len());
        for org in &orgs {
            let sets: Vec<String> = channels.iter().map(|channel| self.keys.notices(org, *channel)).collect();
            let mut call = self.scripts.notices.call(&sets);
            call.arg(self.keys.alerts_prefix(org)).arg(now.millis()).arg(most);
            calls.add_command(call);
        }
        let scripts: Vec<_> = orgs.iter().map(|_| &self.scripts.notices).collect();
        let answers = self.ask(&calls, &scripts).await?;
        let mut due = Vec::new();
        for (org, answer) in orgs.iter().zip(answers) {
            for (channel, found) in channels.iter().zip(Parts::of(answer)?) {
                read_due(org, *channel, Parts::of(found)?, &mut due)?;
            }
        }
        Ok(due)
    }

    async fn keep_notice(&self, keep: KeepNotice) -> Result<KeptNotice, StoreError> {
        let KeepNotice { org, alert, channel, before, notice } = keep;
        let mut call = self.scripts.notify.call(&[self.keys.alert(&org, &alert)]);
        call.arg(alert.as_str())
            .arg(self.keys.alerts_prefix(&org))
            .arg(channel.as_str())
            .arg(before.unwrap_or_default())
            .arg(&notice.stamp)
            .arg(json(&notice)?)
            .arg(notice.next.millis())
            .arg(i32::from(notice.delivery == Delivery::Sending));
        let told = value::text(self.run(&self.scripts.notify, call).await?)?;
        Ok(match told.as_str() {
            "kept" => KeptNotice::Kept,
            "overtaken" => KeptNotice::Overtaken,
            "closed" => KeptNotice::Closed,
            _ => KeptNotice::Absent,
        })
    }
}

/// One that was spoilt must not keep the others from being told of; the list says that it is left out.
fn read_due(
    org: &OrgId,
    channel: Channel,
    mut found: Parts,
    due: &mut Vec<DueNotice>,
) -> Result<(), StoreError> {
    while let (Some(id), Some(fields)) = (found.next(), found.next()) {
        let Some(id) = AlertId::parse(&value::text(id)?) else { continue };
        match alert_of(id, &Fields::of(fields)?) {
            Ok(alert) => due.push(DueNotice { channel, org: org.clone(), alert }),
            Err(StoreError::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[async_trait]
impl Notices for RedisStore {
    async fn due_notices(
        &self,
        channels: &[Channel],
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DueNotice>, StoreError> {
        self.0.due_notices(channels, now, most).await
    }

    async fn keep_notice(&self, keep: KeepNotice) -> Result<KeptNotice, StoreError> {
        self.0.keep_notice(keep).await
    }
}
