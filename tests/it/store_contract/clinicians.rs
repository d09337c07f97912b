//! Those who log in: added, tried, locked out, let in again, removed.

use std::time::Duration;

use attune::access::{CredentialHash, Kind, PasswordHash, Role};
use attune::clock::Entropy;
use attune::domain::id::{ClinicianName, OrgId};
use attune::store::{Attempt, Clinician, Credential, LOCKED_FOR, TRIES_MAX};

use crate::world::{Adapter, limits};

fn name(text: &str) -> ClinicianName {
    ClinicianName::parse(text).expect("a name")
}

fn hash(password: &str) -> PasswordHash {
    PasswordHash::of(&password.to_owned().into(), &Entropy::seeded(1))
}

fn org() -> OrgId {
    OrgId::default()
}

fn ana(adapter: &impl Adapter) -> Clinician {
    Clinician {
        org: org(),
        name: name("ana"),
        role: Role::Clinician,
        password: hash("the first password"),
        made_at: adapter.now(),
    }
}

async fn add(adapter: &impl Adapter, clinician: Clinician) -> bool {
    adapter.store().add_clinician(clinician).await.expect("the store is there")
}

async fn attempt(adapter: &impl Adapter, who: &str) -> Attempt {
    adapter.store().attempt(&org(), &name(who)).await.expect("the store is there")
}

async fn log_in(adapter: &impl Adapter, n: u8) {
    let login = Credential {
        id: format!("login{n}"),
        kind: Kind::Login,
        org: org(),
        role: Role::Clinician,
        label: String::new(),
        clinician: Some(name("ana")),
        session: None,
        made_at: adapter.now(),
        ends_at: None,
        idle: None,
        behind: None,
    };
    adapter.store().issue(CredentialHash([n; 32]), login).await.expect("the store is there");
}

async fn is_logged_in(adapter: &impl Adapter, n: u8) -> bool {
    adapter.store().present(CredentialHash([n; 32])).await.expect("the store is there").is_some()
}

pub async fn a_clinician_is_found_by_name_in_the_organisation_and_nowhere_else<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let (clinic, ana) = (OrgId::parse("clinic").expect("an id"), ana(&adapter));
    assert!(add(&adapter, ana.clone()).await);
    assert!(add(&adapter, ana.clone()).await, "the same again");
    assert!(!add(&adapter, Clinician { role: Role::Admin, ..ana.clone() }).await, "the name is taken");
    assert!(add(&adapter, Clinician { name: name("ben"), org: clinic.clone(), ..ana.clone() }).await);
    adapter.reopen().await;
    assert_eq!(attempt(&adapter, "ana").await, Attempt::Open(Box::new(ana.clone())));
    assert_eq!(attempt(&adapter, "ben").await, Attempt::Unknown);
    assert_eq!(adapter.store().clinicians(&org()).await, Ok(vec![ana]));
    assert_eq!(adapter.store().clinicians(&clinic).await.map(|all| all.len()), Ok(1));
}

pub async fn too_many_tries_lock_the_name_for_a_while_however_many_come_at_once<A: Adapter>() {
    let adapter = A::open(limits()).await;
    add(&adapter, ana(&adapter)).await;
    let tries = futures_util::future::join_all((0..20).map(|_| attempt(&adapter, "ana"))).await;
    let judged = tries.iter().filter(|attempt| matches!(attempt, Attempt::Open(_))).count();
    assert_eq!(judged, TRIES_MAX as usize);
    adapter.wind(LOCKED_FOR - Duration::from_secs(1)).await;
    assert_eq!(attempt(&adapter, "ana").await, Attempt::Locked);
    adapter.wind(Duration::from_secs(2)).await;
    assert!(matches!(attempt(&adapter, "ana").await, Attempt::Open(_)));
}

pub async fn a_right_password_ends_the_count_of_tries<A: Adapter>() {
    let adapter = A::open(limits()).await;
    add(&adapter, ana(&adapter)).await;
    for _ in 0..TRIES_MAX * 3 {
        assert!(matches!(attempt(&adapter, "ana").await, Attempt::Open(_)));
        adapter.store().admit(&org(), &name("ana")).await.expect("the store is there");
    }
}

pub async fn a_new_password_lets_in_again_and_ends_every_login<A: Adapter>() {
    let adapter = A::open(limits()).await;
    add(&adapter, ana(&adapter)).await;
    log_in(&adapter, 1).await;
    for _ in 0..TRIES_MAX {
        attempt(&adapter, "ana").await;
    }
    assert_eq!(attempt(&adapter, "ana").await, Attempt::Locked);
    let store = adapter.store();
    let other = hash("another password");
    assert_eq!(store.set_password(&org(), &name("ana"), other.clone()).await, Ok(true));
    let expected = Clinician { password: other.clone(), ..ana(&adapter) };
    assert_eq!(attempt(&adapter, "ana").await, Attempt::Open(Box::new(expected)));
    assert!(!is_logged_in(&adapter, 1).await);
    assert_eq!(store.set_password(&org(), &name("nobody"), other).await, Ok(false));
    assert_eq!(store.clinicians(&org()).await.map(|all| all.len()), Ok(1), "nobody was made");
}

pub async fn a_removed_clinician_is_logged_out_and_unknown<A: Adapter>() {
    let adapter = A::open(limits()).await;
    add(&adapter, ana(&adapter)).await;
    log_in(&adapter, 1).await;
    let store = adapter.store();
    assert_eq!(store.remove_clinician(&org(), &name("ana")).await, Ok(true));
    assert!(!is_logged_in(&adapter, 1).await);
    assert_eq!(attempt(&adapter, "ana").await, Attempt::Unknown);
    assert_eq!(store.clinicians(&org()).await, Ok(Vec::new()));
    assert_eq!(store.remove_clinician(&org(), &name("ana")).await, Ok(false));
    assert!(add(&adapter, ana(&adapter)).await, "the name is free again");
}
