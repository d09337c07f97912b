//! A store between the turn and a real one, that fails, waits or panics where a test says so.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use attune::access::{CredentialHash, PasswordHash};
use attune::domain::alert::{Alert, AlertId};
use attune::domain::audit::{Entry, Head, Sealed};
use attune::domain::chat::{Broadcast, Chat, ChatMessage, ShutdownReason};
use attune::domain::consent::ConsentChange;
use attune::domain::event::{EventId, SessionEvent};
use attune::domain::id::{ClinicianName, OrgId, SessionKey};
use attune::domain::note::Note;
use attune::domain::notice::Channel;
use attune::domain::time::Timestamp;
use attune::store::{
    Abandon, Acknowledge, Acknowledged, AlertPage, AlertQuery, Attempt, Begin, Care, Chats, Claim, Clinician,
    Clinicians, Commit, Committed, Consented, Counter, Create, Created, Credential, Credentials,
    DailyCounters, DueNotice, Errands, Events, Gate, Heard, Hearing, HistoryPage, Holder, KeepNotice,
    KeptNotice, Lease, Ledger, ListPage, ListQuery, Lower, Lowered, Noted, Notices, Nudge, ProtocolVersion,
    Raise, Raised, Receipt, Remaining, Report, Reported, Saying, Snapshot, Store, StoreError, Swept, Ticket,
    Transition, Transitioned, YearlyCounters,
};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, broadcast, watch};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not reach the store.
    Away,
    /// As Away, and for good.
    Stopped,
    /// It is done, and its answer is lost.
    AnswerLost,
    /// It waits until the test lets it on.
    Waits,
    Panics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Begin,
    Commit,
    Raise,
    Lower,
}

pub struct Faulty {
    inner: Arc<dyn Store>,
    /// Faults to come, each for one call.
    faults: Mutex<Vec<(Call, Fault)>>,
    /// How many calls have come that wait.
    pub arrived: Semaphore,
    /// Lets one waiting call on for each permit.
    pub go: Semaphore,
}

impl Faulty {
    pub fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        let (arrived, go) = (Semaphore::new(0), Semaphore::new(0));
        Arc::new(Self { inner, faults: Mutex::default(), arrived, go })
    }

    /// The next call of this kind meets the fault.
    pub fn next(&self, call: Call, fault: Fault) {
        self.faults.lock().push((call, fault));
    }

    /// The fault that a call meets; the answer says whether it is lost.
    async fn meet(&self, call: Call) -> Result<bool, StoreError> {
        let fault = {
            let mut faults = self.faults.lock();
            let place = faults.iter().position(|(kind, _)| *kind == call);
            place.map(|place| faults.remove(place).1)
        };
        match fault {
            None => Ok(false),
            Some(Fault::Away) => Err(away()),
            Some(Fault::Stopped) => Err(StoreError::Stopped("the test wants it".to_owned())),
            Some(Fault::AnswerLost) => Ok(true),
            Some(Fault::Panics) => panic!("the test wants it"),
            Some(Fault::Waits) => {
                self.arrived.add_permits(1);
                self.go.acquire().await.expect("open").forget();
                Ok(false)
            }
        }
    }
}

fn away() -> StoreError {
    StoreError::Away("the test wants it".to_owned())
}

fn unless<T>(lost: bool, answer: Result<T, StoreError>) -> Result<T, StoreError> {
    if lost { Err(away()) } else { answer }
}

#[async_trait]
impl Credentials for Faulty {
    async fn issue(&self, hash: CredentialHash, credential: Credential) -> Result<bool, StoreError> {
        self.inner.issue(hash, credential).await
    }

    async fn present(&self, hash: CredentialHash) -> Result<Option<Credential>, StoreError> {
        self.inner.present(hash).await
    }

    async fn rotate(
        &self,
        old: CredentialHash,
        new: (CredentialHash, Credential),
    ) -> Result<bool, StoreError> {
        self.inner.rotate(old, new).await
    }

    async fn revoke(&self, holder: Holder, id: Option<String>) -> Result<u64, StoreError> {
        self.inner.revoke(holder, id).await
    }

    async fn credentials(&self, holder: Holder) -> Result<Vec<Credential>, StoreError> {
        self.inner.credentials(holder).await
    }

    async fn has_keys(&self) -> Result<bool, StoreError> {
        self.inner.has_keys().await
    }
}

#[async_trait]
impl Clinicians for Faulty {
    async fn add_clinician(&self, clinician: Clinician) -> Result<bool, StoreError> {
        self.inner.add_clinician(clinician).await
    }

    async fn set_password(
        &self,
        org: &OrgId,
        name: &ClinicianName,
        password: PasswordHash,
    ) -> Result<bool, StoreError> {
        self.inner.set_password(org, name, password).await
    }

    async fn remove_clinician(&self, org: &OrgId, name: &ClinicianName) -> Result<bool, StoreError> {
        self.inner.remove_clinician(org, name).await
    }

    async fn clinicians(&self, org: &OrgId) -> Result<Vec<Clinician>, StoreError> {
        self.inner.clinicians(org).await
    }

    async fn attempt(&self, org: &OrgId, name: &ClinicianName) -> Result<Attempt, StoreError> {
        self.inner.attempt(org, name).await
    }

    async fn admit(&self, org: &OrgId, name: &ClinicianName) -> Result<(), StoreError> {
        self.inner.admit(org, name).await
    }
}

#[async_trait]
impl Events for Faulty {
    async fn events(&self, after: EventId, most: usize) -> Result<Vec<Arc<SessionEvent>>, StoreError> {
        self.inner.events(after, most).await
    }

    async fn newest_event(&self) -> Result<EventId, StoreError> {
        self.inner.newest_event().await
    }

    fn heard_events(&self) -> watch::Receiver<EventId> {
        self.inner.heard_events()
    }
}

#[async_trait]
impl Ledger for Faulty {
    async fn enter(&self, org: &OrgId, entry: Entry) -> Result<(), StoreError> {
        self.inner.enter(org, entry).await
    }

    async fn audited(&self) -> Result<Vec<OrgId>, StoreError> {
        self.inner.audited().await
    }

    async fn outbox(&self, org: &OrgId, most: usize) -> Result<Vec<String>, StoreError> {
        self.inner.outbox(org, most).await
    }

    async fn head(&self, org: &OrgId) -> Result<Head, StoreError> {
        self.inner.head(org).await
    }

    async fn seal(
        &self,
        org: &OrgId,
        before: &Head,
        sealed: Vec<Sealed>,
        head: Head,
    ) -> Result<bool, StoreError> {
        self.inner.seal(org, before, sealed, head).await
    }

    async fn chain(&self, org: &OrgId, from: u64, most: usize) -> Result<Vec<Sealed>, StoreError> {
        self.inner.chain(org, from, most).await
    }
}

#[async_trait]
impl Errands for Faulty {
    async fn lead(&self, role: &str, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        self.inner.lead(role, holder, lasts).await
    }

    async fn yield_lead(&self, role: &str, holder: &str) -> Result<(), StoreError> {
        self.inner.yield_lead(role, holder).await
    }

    async fn mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.inner.mark(name).await
    }

    async fn set_mark(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.inner.set_mark(name, value).await
    }
}

#[async_trait]
impl Notices for Faulty {
    async fn due_notices(
        &self,
        channels: &[Channel],
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DueNotice>, StoreError> {
        self.inner.due_notices(channels, now, most).await
    }

    async fn keep_notice(&self, keep: KeepNotice) -> Result<KeptNotice, StoreError> {
        self.inner.keep_notice(keep).await
    }
}

#[async_trait]
impl Chats for Faulty {
    async fn say(&self, saying: Saying) -> Result<u64, StoreError> {
        self.inner.say(saying).await
    }

    async fn chat(&self, session: &SessionKey) -> Result<Option<(Chat, Remaining)>, StoreError> {
        self.inner.chat(session).await
    }

    async fn messages(
        &self,
        session: &SessionKey,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Option<Vec<ChatMessage>>, StoreError> {
        self.inner.messages(session, before, limit).await
    }

    async fn extend_chat(
        &self,
        session: &SessionKey,
        ttl: Duration,
    ) -> Result<Option<Remaining>, StoreError> {
        self.inner.extend_chat(session, ttl).await
    }

    async fn delete_chat(&self, session: &SessionKey) -> Result<bool, StoreError> {
        self.inner.delete_chat(session).await
    }

    async fn note_presence(
        &self,
        session: &SessionKey,
        left: Option<(Timestamp, Option<ShutdownReason>)>,
    ) -> Result<(), StoreError> {
        self.inner.note_presence(session, left).await
    }

    async fn broadcast(&self, org: &OrgId, broadcast: Broadcast) -> Result<u64, StoreError> {
        self.inner.broadcast(org, broadcast).await
    }

    fn hear(&self, session: &SessionKey) -> Hearing {
        self.inner.hear(session)
    }

    async fn tell(&self, session: &SessionKey, heard: Heard) -> Result<(), StoreError> {
        self.inner.tell(session, heard).await
    }

    fn set_aside(&self) -> u64 {
        self.inner.set_aside()
    }
}

#[async_trait]
impl Care for Faulty {
    async fn note(&self, session: &SessionKey, note: Note) -> Result<Noted, StoreError> {
        self.inner.note(session, note).await
    }

    async fn notes(&self, session: &SessionKey) -> Result<Option<Vec<Note>>, StoreError> {
        self.inner.notes(session).await
    }

    async fn own(
        &self,
        org: &OrgId,
        alert: &AlertId,
        owner: Option<String>,
    ) -> Result<Option<Alert>, StoreError> {
        self.inner.own(org, alert, owner).await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn create(&self, request: Create) -> Result<Created, StoreError> {
        self.inner.create(request).await
    }

    async fn begin(&self, request: Begin) -> Result<Gate, StoreError> {
        let lost = self.meet(Call::Begin).await?;
        unless(lost, self.inner.begin(request).await)
    }

    async fn claim(&self, ticket: Ticket, wait: Duration) -> Result<Claim, StoreError> {
        self.inner.claim(ticket, wait).await
    }

    async fn renew(&self, session: &SessionKey, lease: Lease) -> Result<bool, StoreError> {
        self.inner.renew(session, lease).await
    }

    async fn nudge(&self, session: &SessionKey, nudge: Nudge) -> Result<bool, StoreError> {
        self.inner.nudge(session, nudge).await
    }

    fn nudges(&self) -> broadcast::Receiver<(SessionKey, Nudge)> {
        self.inner.nudges()
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let lost = self.meet(Call::Commit).await?;
        unless(lost, self.inner.commit(commit).await)
    }

    async fn abandon(&self, session: &SessionKey, lease: Lease, why: Abandon) -> Result<(), StoreError> {
        self.inner.abandon(session, lease, why).await
    }

    async fn raise(&self, raise: Raise) -> Result<Raised, StoreError> {
        let lost = self.meet(Call::Raise).await?;
        unless(lost, self.inner.raise(raise).await)
    }

    async fn lower(&self, lower: Lower) -> Result<Lowered, StoreError> {
        let lost = self.meet(Call::Lower).await?;
        unless(lost, self.inner.lower(lower).await)
    }

    async fn transition(&self, transition: Transition) -> Result<Transitioned, StoreError> {
        self.inner.transition(transition).await
    }

    async fn consent(&self, session: &SessionKey, change: ConsentChange) -> Result<Consented, StoreError> {
        self.inner.consent(session, change).await
    }

    async fn read(&self, session: &SessionKey) -> Result<Option<Snapshot>, StoreError> {
        self.inner.read(session).await
    }

    async fn line(&self, session: &SessionKey) -> Result<Vec<SessionKey>, StoreError> {
        self.inner.line(session).await
    }

    async fn history(
        &self,
        session: &SessionKey,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Option<HistoryPage>, StoreError> {
        self.inner.history(session, before, limit).await
    }

    async fn list(&self, query: ListQuery) -> Result<ListPage, StoreError> {
        self.inner.list(query).await
    }

    async fn extend(&self, session: &SessionKey, ttl: Duration) -> Result<Option<Remaining>, StoreError> {
        self.inner.extend(session, ttl).await
    }

    async fn delete(&self, session: &SessionKey) -> Result<Option<Receipt>, StoreError> {
        self.inner.delete(session).await
    }

    async fn delete_idle(
        &self,
        session: &SessionKey,
        before: Timestamp,
    ) -> Result<Option<Receipt>, StoreError> {
        self.inner.delete_idle(session, before).await
    }

    async fn count(&self, org: &OrgId, events: Vec<Counter>) -> Result<(), StoreError> {
        self.inner.count(org, events).await
    }

    async fn daily(&self, org: &OrgId, from: &str, to: &str) -> Result<Vec<DailyCounters>, StoreError> {
        self.inner.daily(org, from, to).await
    }

    async fn yearly(&self, org: &OrgId, year: &str) -> Result<YearlyCounters, StoreError> {
        self.inner.yearly(org, year).await
    }

    async fn alerts(&self, query: AlertQuery) -> Result<AlertPage, StoreError> {
        self.inner.alerts(query).await
    }

    async fn acknowledge(&self, acknowledge: Acknowledge) -> Result<Acknowledged, StoreError> {
        self.inner.acknowledge(acknowledge).await
    }

    async fn report(&self, report: Report) -> Result<Reported, StoreError> {
        self.inner.report(report).await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        self.inner.sweep().await
    }

    async fn keep_protocol(&self, version: ProtocolVersion) -> Result<(), StoreError> {
        self.inner.keep_protocol(version).await
    }

    async fn protocols(&self) -> Result<Vec<ProtocolVersion>, StoreError> {
        self.inner.protocols().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.inner.health().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }
}
