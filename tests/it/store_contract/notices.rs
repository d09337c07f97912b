//! Of which alerts a notice is due, and what is kept of each.

use std::time::Duration;

use attune::domain::alert::{Alert, AlertId, ReportReason};
use attune::domain::id::OrgId;
use attune::domain::notice::{Channel, Delivery, Notice};
use attune::domain::safety::Level;
use attune::domain::session::Event;
use attune::store::{KeepNotice, KeptNotice};

use crate::world::{Adapter, DAY, Desk, key, limits};

use super::alerts::{acknowledge, all, report, risen};

const REPEAT: Duration = Duration::from_secs(600);

async fn due<A: Adapter>(adapter: &A, channel: Channel) -> Vec<AlertId> {
    let due = adapter.store().due_notices(&[channel], adapter.now(), 8).await.expect("the store is there");
    assert!(due.iter().all(|due| due.channel == channel && due.org == OrgId::default()));
    due.into_iter().map(|due| due.alert.id).collect()
}

fn one(id: &AlertId) -> &[AlertId] {
    std::slice::from_ref(id)
}

async fn keep<A: Adapter>(adapter: &A, id: &AlertId, before: Option<&Notice>, notice: &Notice) -> KeptNotice {
    let keep = KeepNotice {
        org: OrgId::default(),
        alert: id.clone(),
        channel: Channel::Webhook,
        before: before.map(|before| before.stamp.clone()),
        notice: notice.clone(),
    };
    adapter.store().keep_notice(keep).await.expect("the store is there")
}

fn sending(adapter: &impl Adapter, last: Option<&Notice>, number: u32, stamp: u32) -> Notice {
    Notice::sending(last, (number, 1), adapter.now(), format!("{stamp:032x}"))
}

async fn alert<A: Adapter>(adapter: &A, id: &AlertId) -> Alert {
    all(adapter).await.into_iter().find(|alert| alert.id == *id).expect("it is there")
}

pub async fn every_alert_is_due_on_every_channel_as_soon_as_it_is_open<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let rose = risen(&adapter, &desk, "s", Level::High).await;
    report(&adapter, "s", None, ReportReason::Rude).await;
    let mut expected: Vec<AlertId> = all(&adapter).await.into_iter().map(|alert| alert.id).collect();
    expected.sort();
    assert_eq!(expected.len(), 2);
    for channel in Channel::ALL {
        assert_eq!(due(&adapter, channel).await, expected, "{channel:?}");
    }
    acknowledge(&adapter, &rose).await;
    assert_eq!(due(&adapter, Channel::Mail).await.len(), 1);
    desk.raise("s", Level::Crisis).await;
    assert_eq!(due(&adapter, Channel::Mail).await.len(), 2);
    desk.transition("s", Event::Clear).await;
    assert_eq!(due(&adapter, Channel::Mail).await.len(), 1, "the report is about something else");
}

pub async fn a_notice_is_due_again_when_it_says_and_the_other_channels_keep_their_times<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let id = risen(&adapter, &desk, "s", Level::Crisis).await;
    let first = sending(&adapter, None, 1, 1);
    assert_eq!(keep(&adapter, &id, None, &first).await, KeptNotice::Kept);
    assert_eq!(due(&adapter, Channel::Webhook).await, []);
    assert_eq!(due(&adapter, Channel::Mail).await, one(&id));
    let told = first.delivered(adapter.now(), REPEAT, format!("{:032x}", 2));
    assert_eq!(keep(&adapter, &id, Some(&first), &told).await, KeptNotice::Kept);
    adapter.wind(REPEAT - Duration::from_secs(1)).await;
    assert_eq!(due(&adapter, Channel::Webhook).await, []);
    adapter.wind(Duration::from_secs(1)).await;
    assert_eq!(due(&adapter, Channel::Webhook).await, one(&id));
    assert_eq!(alert(&adapter, &id).await.notices, [(Channel::Webhook, told)].into());
}

pub async fn of_two_who_send_the_same_notice_one_does<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let id = risen(&adapter, &desk, "s", Level::High).await;
    let (ours, theirs) = (sending(&adapter, None, 1, 1), sending(&adapter, None, 1, 2));
    assert_eq!(keep(&adapter, &id, None, &ours).await, KeptNotice::Kept);
    assert_eq!(keep(&adapter, &id, None, &theirs).await, KeptNotice::Overtaken);
    assert_eq!(keep(&adapter, &id, None, &ours).await, KeptNotice::Kept, "an answer may be lost");
    let both: Vec<Notice> = (3..23).map(|stamp| sending(&adapter, Some(&ours), 1, stamp)).collect();
    let kept = both.iter().map(|notice| keep(&adapter, &id, Some(&ours), notice));
    let kept = futures_util::future::join_all(kept).await;
    assert_eq!(kept.iter().filter(|kept| **kept == KeptNotice::Kept).count(), 1);
    let nobodys = AlertId::new(adapter.now(), 99);
    assert_eq!(keep(&adapter, &nobodys, None, &ours).await, KeptNotice::Absent);
}

pub async fn nobody_begins_to_tell_of_what_was_seen_and_what_was_on_its_way_is_kept<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let id = risen(&adapter, &desk, "s", Level::High).await;
    let first = sending(&adapter, None, 1, 1);
    keep(&adapter, &id, None, &first).await;
    acknowledge(&adapter, &id).await;
    let told = first.delivered(adapter.now(), REPEAT, format!("{:032x}", 2));
    assert_eq!(keep(&adapter, &id, Some(&first), &told).await, KeptNotice::Kept);
    assert_eq!(alert(&adapter, &id).await.notices[&Channel::Webhook].delivery, Delivery::Delivered);
    let next = sending(&adapter, Some(&told), 2, 3);
    assert_eq!(keep(&adapter, &id, Some(&told), &next).await, KeptNotice::Closed);
    adapter.wind(DAY).await;
    for channel in Channel::ALL {
        assert_eq!(due(&adapter, channel).await, [], "{channel:?}");
    }
}

pub async fn notices_outlive_a_crash_and_are_forgotten_with_their_alert<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let id = risen(&adapter, &Desk::of(&adapter), "s", Level::High).await;
    let first = sending(&adapter, None, 1, 1);
    keep(&adapter, &id, None, &first).await;
    adapter.reopen().await;
    assert_eq!(alert(&adapter, &id).await.notices[&Channel::Webhook], first);
    assert_eq!(due(&adapter, Channel::Mail).await, one(&id));
    let receipt = adapter.store().delete(&key("s")).await.expect("the store is there");
    assert!(receipt.is_some());
    assert_eq!(due(&adapter, Channel::Mail).await, one(&id), "of a danger whose session went, too");
    acknowledge(&adapter, &id).await;
    adapter.wind(DAY * 31).await;
    for _ in 0..2 {
        adapter.store().sweep().await.expect("the store is there");
    }
    assert_eq!(all(&adapter).await, []);
    assert_eq!(keep(&adapter, &id, Some(&first), &first).await, KeptNotice::Absent);
}

pub async fn those_of_which_nobody_was_told_come_first_however_many_wait<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    for turn in [None, Some(1)] {
        for reason in ReportReason::ALL {
            report(&adapter, "s", turn, *reason).await;
        }
    }
    for (stamp, alert) in (1..).zip(all(&adapter).await) {
        keep(&adapter, &alert.id, None, &sending(&adapter, None, 1, stamp)).await;
    }
    adapter.wind(DAY).await;
    assert_eq!(due(&adapter, Channel::Webhook).await.len(), 8, "as many as are asked for");
    let newest = risen(&adapter, &desk, "s", Level::Crisis).await;
    assert_eq!(due(&adapter, Channel::Webhook).await.first(), Some(&newest));
}
