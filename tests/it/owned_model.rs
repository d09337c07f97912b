//! Any order of calls on what belongs to somebody, with crashes between: what was acknowledged stands, goes with its session
//! and with nothing else, and every entry of the audit is in its place.

use attune::access::CredentialHash;
use attune::domain::audit::Entry;
use attune::domain::consent::ConsentChange;
use attune::domain::id::OrgId;
use attune::store::{Holder, Noted};
use proptest::prelude::*;

use crate::redis_world::Redis;
use crate::store_contract::care::note;
use crate::store_contract::credentials::token;
use crate::store_contract::ledger::sealed;
use crate::world::{Adapter, Desk, Embedded, HOUR, key, limits};

/// What credentials are for.
const SESSION: &str = "s";

#[derive(Debug, Clone)]
enum Step {
    Turn,
    Note(usize),
    Consent(bool),
    Issue(u8),
    Rotate(u8, u8),
    Revoke(Option<u8>),
    Delete,
    DeleteIdle,
    Enter,
    Seal(usize),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..6_u8;
    prop_oneof![
        3 => Just(Step::Turn),
        3 => (0..9_usize).prop_map(Step::Note),
        2 => any::<bool>().prop_map(Step::Consent),
        3 => which.clone().prop_map(Step::Issue),
        2 => (which.clone(), which.clone()).prop_map(|(old, new)| Step::Rotate(old, new)),
        1 => prop::option::of(which).prop_map(Step::Revoke),
        1 => Just(Step::Delete),
        1 => Just(Step::DeleteIdle),
        2 => Just(Step::Enter),
        2 => (1..4_usize).prop_map(Step::Seal),
        2 => Just(Step::Crash),
    ]
}

/// What has been acknowledged.
#[derive(Default)]
struct Known {
    stands: bool,
    notes: Vec<usize>,
    consents: bool,
    credentials: Vec<u8>,
    entered: i64,
}

struct Run<A: Adapter> {
    adapter: A,
    known: Known,
}

impl<A: Adapter> Run<A> {
    async fn step(&mut self, step: Step) {
        match step {
            Step::Turn => {
                Desk::of(&self.adapter).turn(SESSION).await;
                self.known.stands = true;
            }
            Step::Note(n) => self.note(n).await,
            Step::Consent(is_given) => self.consent(is_given).await,
            Step::Issue(n) => self.issue(n).await,
            Step::Rotate(old, new) => self.rotate(old, new).await,
            Step::Revoke(n) => self.revoke(n).await,
            Step::Delete => self.delete().await,
            Step::DeleteIdle => {
                let before = self.adapter.now().minus(HOUR);
                let receipt =
                    self.adapter.store().delete_idle(&key(SESSION), before).await.expect("it is there");
                assert_eq!(receipt, None, "nothing is as old as that");
            }
            Step::Enter => {
                let entry =
                    Entry { at_us: self.known.entered, action: "test".to_owned(), ..Entry::default() };
                self.adapter.store().enter(&OrgId::default(), entry).await.expect("it is there");
                self.known.entered += 1;
            }
            Step::Seal(most) => self.seal(most).await,
            Step::Crash => self.adapter.reopen().await,
        }
        self.check().await;
    }

    async fn note(&mut self, n: usize) {
        let noted = self.adapter.store().note(&key(SESSION), note(&self.adapter, n)).await;
        let expected = if self.known.stands { Noted::Kept } else { Noted::Absent };
        assert_eq!(noted, Ok(expected));
        if self.known.stands && !self.known.notes.contains(&n) {
            self.known.notes.push(n);
        }
    }

    async fn consent(&mut self, is_given: bool) {
        let give = ConsentChange::Give { version: "1".to_owned(), hash: "00".to_owned() };
        let change = if is_given { give } else { ConsentChange::Revoke };
        self.adapter.store().consent(&key(SESSION), change).await.expect("it is there");
        self.known.consents = self.known.stands && is_given;
    }

    async fn issue(&mut self, n: u8) {
        if self.known.credentials.contains(&n) {
            return;
        }
        let issued = self.adapter.store().issue(CredentialHash([n; 32]), token(&self.adapter, n)).await;
        assert_eq!(issued, Ok(self.known.stands));
        self.known.credentials.extend(self.known.stands.then_some(n));
    }

    async fn rotate(&mut self, old: u8, new: u8) {
        if self.known.credentials.contains(&new) {
            return;
        }
        let by = (CredentialHash([new; 32]), token(&self.adapter, new));
        let rotated = self.adapter.store().rotate(CredentialHash([old; 32]), by).await;
        let stood = self.known.credentials.iter().position(|known| *known == old);
        assert_eq!(rotated, Ok(stood.is_some()));
        if let Some(at) = stood {
            self.known.credentials[at] = new;
        }
    }

    async fn revoke(&mut self, n: Option<u8>) {
        let holder = Holder::Session(key(SESSION));
        let revoked = self.adapter.store().revoke(holder, n.map(|n| format!("id{n}"))).await;
        let before = self.known.credentials.len();
        self.known.credentials.retain(|known| n.is_some_and(|n| n != *known));
        assert_eq!(revoked, Ok((before - self.known.credentials.len()) as u64));
    }

    async fn delete(&mut self) {
        let receipt = self.adapter.store().delete(&key(SESSION)).await.expect("it is there");
        assert_eq!(receipt.is_some(), self.known.stands);
        if let Some(receipt) = receipt {
            assert!(receipt.verified);
            assert_eq!(receipt.notes, self.known.notes.len() as u64);
            assert_eq!(receipt.credentials, self.known.credentials.len() as u64);
            self.known = Known { entered: self.known.entered, ..Known::default() };
        }
    }

    async fn seal(&mut self, most: usize) {
        let (store, org) = (self.adapter.store(), OrgId::default());
        let before = store.head(&org).await.expect("it is there");
        let entries = store.outbox(&org, most).await.expect("it is there");
        if !entries.is_empty() {
            let (records, head) = sealed(&before, &entries);
            assert_eq!(store.seal(&org, &before, records, head).await, Ok(true));
        }
    }

    async fn check(&self) {
        let store = self.adapter.store();
        let notes = store.notes(&key(SESSION)).await.expect("it is there");
        let ids = |notes: Vec<_>| {
            notes.into_iter().map(|note: attune::domain::note::Note| note.id).collect::<Vec<_>>()
        };
        let expected: Vec<String> = self.known.notes.iter().map(|n| format!("{n:032x}")).collect();
        assert_eq!(notes.map(ids), self.known.stands.then_some(expected));
        let session = store.read(&key(SESSION)).await.expect("it is there").map(|read| read.session);
        let consents = session
            .and_then(|session| session.consent.clone())
            .is_some_and(|given| given.revoked_at.is_none());
        assert_eq!(consents, self.known.consents);
        for n in 0..6 {
            let presented = store.present(CredentialHash([n; 32])).await.expect("it is there");
            assert_eq!(presented.is_some(), self.known.credentials.contains(&n), "credential {n}");
        }
        let org = OrgId::default();
        let chain = store.chain(&org, 1, 1_000).await.expect("it is there");
        let waiting = store.outbox(&org, 1_000).await.expect("it is there");
        let entries = chain.into_iter().map(|sealed| sealed.entry).chain(waiting);
        let entries = entries.map(|entry| serde_json::from_str::<Entry>(&entry).expect("an entry"));
        let own: Vec<i64> = entries.filter(|entry| entry.action == "test").map(|entry| entry.at_us).collect();
        assert_eq!(own, (0..self.known.entered).collect::<Vec<_>>());
    }
}

fn run<A: Adapter>(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut run = Run { adapter: A::open(limits()).await, known: Known::default() };
        for step in steps {
            run.step(step).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_somebodys_goes_with_its_session_and_with_nothing_else(steps in prop::collection::vec(step(), 1..50)) {
        run::<Embedded>(steps);
    }

    #[test]
    fn what_is_somebodys_goes_with_its_session_and_with_nothing_else_on_redis(
        steps in prop::collection::vec(step(), 1..50),
    ) {
        run::<Redis>(steps);
    }
}
