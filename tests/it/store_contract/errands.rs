//! Who leads, and what is written down for whoever leads next.

use std::time::Duration;

use crate::world::{Adapter, limits};

const LASTS: Duration = Duration::from_secs(5);

async fn leads(adapter: &impl Adapter, role: &str, holder: &str) -> bool {
    adapter.store().lead(role, holder, LASTS).await.expect("the store is there")
}

pub async fn one_leads_in_a_role_and_the_next_when_it_ran_out<A: Adapter>() {
    let adapter = A::open(limits()).await;
    assert!(leads(&adapter, "alerts", "a").await);
    assert!(!leads(&adapter, "alerts", "b").await);
    assert!(leads(&adapter, "events", "b").await, "another role is another's to lead in");
    for _ in 0..3 {
        adapter.wind(LASTS - Duration::from_secs(1)).await;
        assert!(leads(&adapter, "alerts", "a").await, "who asks again keeps it");
        assert!(!leads(&adapter, "alerts", "b").await);
    }
    adapter.wind(LASTS).await;
    assert!(leads(&adapter, "alerts", "b").await);
    assert!(!leads(&adapter, "alerts", "a").await, "who was too late has lost it");
}

pub async fn a_lead_that_is_given_up_is_anothers_at_once<A: Adapter>() {
    let adapter = A::open(limits()).await;
    assert!(leads(&adapter, "alerts", "a").await);
    adapter.store().yield_lead("alerts", "b").await.expect("the store is there");
    assert!(!leads(&adapter, "alerts", "b").await, "it was not b's to give up");
    for _ in 0..2 {
        adapter.store().yield_lead("alerts", "a").await.expect("the store is there");
    }
    assert!(leads(&adapter, "alerts", "b").await);
}

pub async fn of_many_who_ask_at_once_one_leads<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let names: Vec<String> = (0..20).map(|n| format!("server {n}")).collect();
    let asked = names.iter().map(|name| leads(&adapter, "alerts", name));
    let led = futures_util::future::join_all(asked).await;
    assert_eq!(led.iter().filter(|leads| **leads).count(), 1);
}

pub async fn a_mark_is_what_was_last_written_and_outlives_a_crash<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    assert_eq!(adapter.store().mark("webhook:1").await, Ok(None));
    for value in ["1732236000000-0", "1732236000000-1", "1732236000000-1", ""] {
        adapter.store().set_mark("webhook:1", value).await.expect("the store is there");
        assert_eq!(adapter.store().mark("webhook:1").await, Ok(Some(value.to_owned())));
    }
    adapter.store().set_mark("webhook:1", "end").await.expect("the store is there");
    adapter.reopen().await;
    assert_eq!(adapter.store().mark("webhook:1").await, Ok(Some("end".to_owned())));
    assert_eq!(adapter.store().mark("webhook:2").await, Ok(None));
}
