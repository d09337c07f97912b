//! An end to what nobody has used for long. What danger holds stays, and what is used again meanwhile; each session that
//! goes is written down before it does.

use crate::clock::Clock;
use crate::domain::audit::{Entry, Outcome};
use crate::domain::id::{OrgId, SessionId, SessionKey};
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::store::{Counter, Cursor, ListQuery, Receipt, Remaining, Store, StoreError};

/// Sessions that one call looks at.
const AT_ONCE: usize = 100;

#[derive(Debug, Clone)]
pub struct Purge {
    pub org: OrgId,
    /// Sessions whose last turn lies before this.
    pub before: Timestamp,
    /// Whether to look only what would go.
    pub is_trial: bool,
    /// Where the call before ended.
    pub after: Option<Cursor>,
    /// Who asks, in all that the audit wants to know but when and on what.
    pub by: Entry,
}

/// What one call found and did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Gone, or on trial what would go.
    pub sessions: u64,
    /// Stay until their level is cleared, or what was reported of them acknowledged.
    pub held: u64,
    /// Used again while this went on.
    pub in_use: u64,
    /// What went with the sessions. Nothing on trial.
    pub erased: Erased,
    /// There are more: go on from here.
    pub next: Option<Cursor>,
}

/// Receipts, added up.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Erased {
    pub exchanges: u64,
    pub stored_replies: u64,
    /// What clinicians had written down.
    pub notes: u64,
    /// Session tokens and tickets that stood.
    pub credentials: u64,
    /// What their chats kept.
    pub messages: u64,
    /// Sessions of whose clients it is kept how much danger they were in.
    pub safety_memories_kept: u64,
    /// Sessions of which something was found when it was read again.
    pub unverified: u64,
}

impl Erased {
    fn add(&mut self, receipt: &Receipt) {
        self.exchanges += receipt.exchanges;
        self.stored_replies += receipt.stored_replies;
        self.notes += receipt.notes;
        self.credentials += receipt.credentials;
        self.messages += receipt.messages;
        self.safety_memories_kept += u64::from(receipt.safety_memory_kept);
        self.unverified += u64::from(!receipt.verified);
    }
}

/// Looks at the next sessions that have been idle for long enough, and removes those that may go.
pub async fn purge(store: &dyn Store, clock: &dyn Clock, purge: &Purge) -> Result<Purged, StoreError> {
    let page = store.list(query(purge)).await?;
    let mut purged = Purged { next: page.next, ..Purged::default() };
    for session in page.rows.iter().filter(|session| session.last_interaction < purge.before) {
        look_at(store, clock, purge, session, &mut purged).await?;
    }
    if !purge.is_trial {
        let erased = usize::try_from(purged.sessions).unwrap_or_default();
        let _lost = store.count(&purge.org, vec![Counter::Erased; erased]).await;
    }
    Ok(purged)
}

/// Lists come latest first: the sessions after a place in time are those before that time.
fn query(purge: &Purge) -> ListQuery {
    let at = |id| Cursor { last_interaction: purge.before, id };
    let first = || SessionId::parse("0").ok().map(at);
    let cursor = purge.after.clone().or_else(first);
    ListQuery { cursor, ..ListQuery::of(purge.org.clone(), AT_ONCE) }
}

async fn look_at(
    store: &dyn Store,
    clock: &dyn Clock,
    purge: &Purge,
    session: &Session,
    purged: &mut Purged,
) -> Result<(), StoreError> {
    let key = SessionKey::new(purge.org.clone(), session.id.clone());
    match store.read(&key).await?.map(|snapshot| snapshot.remaining) {
        None => {}
        Some(Remaining::Held) => purged.held += 1,
        Some(Remaining::For(_)) if purge.is_trial => purged.sessions += 1,
        Some(Remaining::For(_)) => match erase(store, clock, purge, &key).await? {
            Some(receipt) => {
                purged.sessions += 1;
                purged.erased.add(&receipt);
            }
            None => purged.in_use += 1,
        },
    }
    Ok(())
}

async fn erase(
    store: &dyn Store,
    clock: &dyn Clock,
    purge: &Purge,
    key: &SessionKey,
) -> Result<Option<Receipt>, StoreError> {
    let entry = |outcome| Entry {
        at_us: clock.now().micros(),
        outcome: Some(outcome),
        session: Some(key.id.to_string()),
        ..purge.by.clone()
    };
    store.enter(&key.org, entry(Outcome::Asked)).await?;
    let receipt = store.delete_idle(key, purge.before).await?;
    if receipt.is_none() {
        store.enter(&key.org, entry(Outcome::Failed)).await?;
    }
    Ok(receipt)
}
