//! Counters of days and years: added up in memory, written each second. A crash may lose that second. And the sources of
//! protocol versions.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use tokio::time::sleep;

use super::Inner;
use super::value::{Fields, Parts, millis};
use crate::domain::id::OrgId;
use crate::store::counters::Page;
use crate::store::{Counter, DailyCounters, ProtocolVersion, StoreError, YearlyCounters};

const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How long Redis knows the last batch of a server.
const REMEMBERED: Duration = Duration::from_hours(24);
/// Pages that wait to be written while Redis is away, and the names on each.
const PAGES_MAX: usize = 64;
const NAMES_MAX: usize = 1_000;
/// Days that one call reads.
const DAYS_MAX: u64 = 400;
const DATE: &str = "%Y-%m-%d";

type Counts = BTreeMap<String, u64>;
/// Days stand before years.
type Pages = BTreeMap<(Page, OrgId), Counts>;

/// What has been counted and is not written yet.
#[derive(Default)]
pub(super) struct Counters {
    /// A plain mutex: it is held for an addition, never across an await.
    unwritten: Mutex<Pages>,
    /// A batch whose answer was lost. Held while counts are on their way, so that whoever reads after a write finds all
    /// that was counted before.
    lost: tokio::sync::Mutex<Option<Batch>>,
}

/// Counts that are sent under a name, so that they are added once however often they are sent.
struct Batch {
    call: String,
    pages: Pages,
}

impl Counters {
    fn add(&self, org: &OrgId, page: Page, name: String) {
        let mut pages = self.unwritten.lock();
        let key = (page, org.clone());
        if pages.len() >= PAGES_MAX && !pages.contains_key(&key) {
            return;
        }
        let counts = pages.entry(key).or_default();
        if counts.len() < NAMES_MAX || counts.contains_key(&name) {
            *counts.entry(name).or_default() += 1;
        }
    }

    fn take(&self) -> Pages {
        std::mem::take(&mut *self.unwritten.lock())
    }
}

impl Inner {
    pub(super) fn count(&self, org: &OrgId, events: &[Counter]) {
        let now = self.clock.now();
        for event in events {
            self.counters.add(org, event.page(now), event.name());
        }
    }

    /// Never ends.
    pub(super) async fn write_counters(&self) {
        loop {
            sleep(WRITE_EVERY).await;
            // What is not written now is with the next.
            if let Err(error) = self.flush_counters().await {
                tracing::debug!(%error, "daily counters wait to be written");
            }
        }
    }

    pub(super) async fn flush_counters(&self) -> Result<(), StoreError> {
        let mut lost = self.counters.lost.lock().await;
        if let Some(batch) = lost.take() {
            self.write_batch(batch, &mut lost).await?;
        }
        let pages = self.counters.take();
        if pages.is_empty() {
            return Ok(());
        }
        self.write_batch(Batch { call: self.nonce(), pages }, &mut lost).await
    }

    async fn write_batch(&self, batch: Batch, lost: &mut Option<Batch>) -> Result<(), StoreError> {
        let written = self.run(&self.scripts.count, self.additions(&batch)).await.map(drop);
        if let Err(StoreError::Away(_)) = written {
            *lost = Some(batch);
        }
        written
    }

    /// A day's page runs out in its time, counted from when it was begun.
    fn additions(&self, batch: &Batch) -> Cmd {
        let mut names = vec![self.keys.counted_by(&self.server)];
        names.extend(batch.pages.keys().map(|(page, org)| self.page_key(page, org)));
        let days = batch.pages.keys().filter(|(page, _)| matches!(page, Page::Day(_))).count();
        let mut additions = self.scripts.count.call(&names);
        additions.arg(&batch.call).arg(millis(self.limits.daily_ttl)).arg(millis(REMEMBERED)).arg(days);
        for (place, page) in (2_usize..).zip(batch.pages.values()) {
            for (name, count) in page {
                additions.arg(place).arg(name).arg(count);
            }
        }
        additions
    }

    fn page_key(&self, page: &Page, org: &OrgId) -> String {
        match page {
            Page::Day(date) => self.keys.daily(org, date),
            Page::Year(year) => self.keys.yearly(org, year),
        }
    }

    pub(super) async fn yearly(&self, org: &OrgId, year: &str) -> Result<YearlyCounters, StoreError> {
        self.flush_counters().await?;
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HGETALL").arg(self.keys.yearly(org, year));
        let fields = Parts::of(Value::Array(self.ask(&calls, &[]).await?))?.fields()?;
        Ok(YearlyCounters { counts: counts_of(&fields) })
    }

    pub(super) async fn daily(
        &self,
        org: &OrgId,
        from: &str,
        to: &str,
    ) -> Result<Vec<DailyCounters>, StoreError> {
        self.flush_counters().await?;
        let dates = dates(from, to, &self.clock.now().date());
        if dates.is_empty() {
            return Ok(Vec::new());
        }
        let mut calls = Pipeline::with_capacity(dates.len());
        for date in &dates {
            calls.cmd("HGETALL").arg(self.keys.daily(org, date));
        }
        let answers = self.ask(&calls, &[]).await?;
        let days = dates.into_iter().zip(answers).map(|(date, answer)| {
            let counts = counts_of(&Fields::of(answer)?);
            Ok((!counts.is_empty()).then_some(DailyCounters { date, counts }))
        });
        days.filter_map(Result::transpose).collect()
    }

    pub(super) async fn keep_protocol(&self, version: &ProtocolVersion) -> Result<(), StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HSET").arg(self.keys.protocols()).arg(&version.hash).arg(&version.source);
        self.ask(&calls, &[]).await.map(drop)
    }

    pub(super) async fn stored_protocols(&self) -> Result<Vec<ProtocolVersion>, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("HGETALL").arg(self.keys.protocols());
        let fields = Parts::of(Value::Array(self.ask(&calls, &[]).await?))?.fields()?;
        let by_hash: BTreeMap<&str, &str> = fields.iter().collect();
        let version = |(hash, source): (&str, &str)| ProtocolVersion {
            hash: hash.to_owned(),
            source: source.to_owned(),
        };
        Ok(by_hash.into_iter().map(version).collect())
    }
}

/// Other programs may write here too; what is no number is theirs.
fn counts_of(fields: &Fields) -> Counts {
    fields.iter().filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?))).collect()
}

/// The days from `from` to `to` that may have a page: none is older than a bound, none is ahead of tomorrow.
fn dates(from: &str, to: &str, today: &str) -> Vec<String> {
    let parse = |text: &str| NaiveDate::parse_from_str(text, DATE).ok();
    let (Some(from), Some(to), Some(today)) = (parse(from), parse(to), parse(today)) else {
        return Vec::new();
    };
    let last = to.min(today + Days::new(1));
    let first = from.max(today + Days::new(1) - Days::new(DAYS_MAX - 1));
    let days = first.iter_days().take_while(|day| *day <= last);
    days.map(|day| day.format(DATE).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_in_order_and_in_bounds() {
        assert_eq!(
            dates("2026-02-27", "2026-03-01", "2026-03-05"),
            ["2026-02-27", "2026-02-28", "2026-03-01"]
        );
        let all = dates("2000-01-01", "2999-01-01", "2026-03-05");
        assert_eq!(all.len(), 400);
        assert_eq!(all.last().map(String::as_str), Some("2026-03-06"));
        assert!(dates("2026-03-02", "2026-03-01", "2026-03-05").is_empty());
        assert!(dates("yesterday", "2026-03-01", "2026-03-05").is_empty());
    }

    #[test]
    fn what_waits_to_be_written_is_bounded() {
        let (counters, org) = (Counters::default(), OrgId::default());
        let page = |day: usize| Page::Day(format!("day {day}"));
        for day in 0..PAGES_MAX + 9 {
            counters.add(&org, page(day), "a".to_owned());
        }
        for name in 0..NAMES_MAX + 9 {
            counters.add(&org, page(0), format!("name {name}"));
        }
        let pages = counters.take();
        assert_eq!(pages.len(), PAGES_MAX);
        assert_eq!(pages[&(page(0), org)].len(), NAMES_MAX);
    }
}
