//! Plain chats: their numbers, their time, their end, and who hears what is said in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use attune::domain::chat::{Broadcast, BroadcastLevel, ChatMessage, ChatVoice, MESSAGES_MAX, ShutdownReason};
use attune::domain::id::{OrgId, SessionId, SessionKey};
use attune::domain::time::Timestamp;
use attune::store::{Heard, Remaining, Saying, Store};
use tokio::sync::broadcast::error::RecvError;

use crate::world::{Adapter, DAY, Desk, HOUR, PATIENCE, is_left, key, limits};

pub fn saying(id: &str, content: &str) -> Saying {
    Saying { session: key(id), content: content.to_owned(), connection: 7, ttl: HOUR }
}

pub async fn say(store: &dyn Store, id: &str, content: &str) -> u64 {
    store.say(saying(id, content)).await.expect("the store is there")
}

pub async fn contents(store: &dyn Store, id: &str) -> Option<Vec<String>> {
    let messages = store.messages(&key(id), None, MESSAGES_MAX).await.expect("the store is there")?;
    Some(messages.into_iter().map(|message| message.content).collect())
}

async fn left(store: &dyn Store, id: &str) -> Option<Remaining> {
    store.chat(&key(id)).await.expect("the store is there").map(|(_, remaining)| remaining)
}

pub fn words(message: &str, at: Timestamp) -> Broadcast {
    Broadcast { message: message.to_owned(), title: None, level: BroadcastLevel::Warning, at }
}

async fn a_new_chat_is_empty(store: &dyn Store) {
    assert_eq!(store.chat(&key("s")).await, Ok(None));
    assert_eq!(contents(store, "s").await, None);
    assert_eq!(store.extend_chat(&key("s"), HOUR).await, Ok(None));
    assert_eq!(store.delete_chat(&key("s")).await, Ok(false));
    store.note_presence(&key("s"), None).await.expect("the store is there");
    assert_eq!(store.chat(&key("s")).await, Ok(None), "nobody's presence begins one");
}

pub async fn what_is_said_is_counted_kept_in_order_and_outlives_a_crash<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    a_new_chat_is_empty(adapter.store()).await;
    let began = adapter.now();
    for number in 1..=3 {
        assert_eq!(say(adapter.store(), "s", &format!("line {number}\n\"\u{1f33b}\"")).await, number);
        adapter.wind(Duration::from_secs(1)).await;
    }
    adapter.reopen().await;
    let (chat, _) = adapter.store().chat(&key("s")).await.expect("read").expect("it stands");
    assert_eq!((chat.count, chat.ttl, chat.disconnected_at), (3, HOUR, None));
    assert_eq!(chat.created_at.millis(), began.millis());
    assert!(chat.last_activity >= began.plus(Duration::from_secs(2)));
    let messages = adapter.store().messages(&key("s"), None, 10).await.expect("read").expect("it stands");
    let texts: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(texts, ["line 1\n\"\u{1f33b}\"", "line 2\n\"\u{1f33b}\"", "line 3\n\"\u{1f33b}\""]);
    assert!(messages.iter().all(|message| message.from == ChatVoice::Client));
    assert_eq!(say(adapter.store(), "s", "on").await, 4);
    assert_eq!(say(adapter.store(), "other", "hello").await, 1);
}

pub async fn fifty_at_once_get_fifty_numbers_and_no_two_the_same<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let store = adapter.store();
    let all = futures_util::future::join_all((0..50).map(|_| say(store, "s", "at once"))).await;
    assert_eq!(BTreeSet::from_iter(all), (1..=50).collect());
    let messages = store.messages(&key("s"), None, 100).await.expect("read").expect("it stands");
    let times: BTreeSet<Timestamp> = messages.iter().map(|message| message.at).collect();
    assert_eq!((messages.len(), times.len()), (50, 50), "each has a time of its own");
}

pub async fn pages_of_messages_follow_each_other_without_gap_or_repeat<A: Adapter>() {
    let adapter = A::open(limits()).await;
    for number in 0..10 {
        say(adapter.store(), "s", &number.to_string()).await;
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = adapter.store().messages(&key("s"), before, 3).await.expect("read").expect("it stands");
        let Some(first) = page.first() else { break };
        before = Some(first.at);
        seen.splice(0..0, page.into_iter().map(|message| message.content));
    }
    assert_eq!(seen, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
}

pub async fn a_chat_keeps_so_many_messages_and_counts_all<A: Adapter>() {
    let adapter = A::open(limits()).await;
    for number in 1..=MESSAGES_MAX + 20 {
        assert_eq!(say(adapter.store(), "s", &number.to_string()).await, number as u64);
    }
    let kept = contents(adapter.store(), "s").await.expect("it stands");
    assert_eq!((kept.len(), kept[0].as_str()), (MESSAGES_MAX, "21"));
}

pub async fn a_chat_ends_with_its_ttl_and_each_message_starts_it_anew<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let store = adapter.store();
    say(store, "s", "one").await;
    adapter.wind(HOUR / 2).await;
    assert!(is_left(left(store, "s").await, HOUR / 2), "a reading starts nothing anew");
    say(store, "s", "two").await;
    assert!(is_left(left(store, "s").await, HOUR));
    adapter.wind(HOUR).await;
    assert_eq!((store.chat(&key("s")).await, contents(store, "s").await), (Ok(None), None));
    store.sweep().await.expect("swept");
    assert_eq!(say(store, "s", "three").await, 1);
    assert_eq!(contents(store, "s").await, Some(vec!["three".to_owned()]), "nothing of the old one is left");
}

pub async fn an_extended_chat_keeps_its_ttl_when_more_is_said<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let store = adapter.store();
    say(store, "s", "one").await;
    let extended = store.extend_chat(&key("s"), HOUR * 2).await.expect("the store is there");
    assert!(is_left(extended, HOUR * 2), "{extended:?}");
    adapter.wind(HOUR).await;
    say(store, "s", "two").await;
    assert!(is_left(left(store, "s").await, HOUR * 2), "it is not that of a new one");
    let shortened = store.extend_chat(&key("s"), HOUR / 2).await.expect("the store is there");
    assert!(is_left(shortened, HOUR / 2), "it sets, and does not add");
    adapter.wind(HOUR / 2).await;
    store.sweep().await.expect("swept");
    assert_eq!(store.chat(&key("s")).await, Ok(None));
    assert_eq!(say(store, "s", "three").await, 1);
}

pub async fn a_removed_chat_leaves_nothing_and_a_second_time_there_is_none<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    say(adapter.store(), "s", "one").await;
    say(adapter.store(), "other", "one").await;
    let mut hearing = adapter.store().hear(&key("s"));
    assert_eq!(adapter.store().delete_chat(&key("s")).await, Ok(true));
    assert!(matches!(*hearing.heard.recv().await.expect("told"), Heard::Removed));
    assert_eq!(adapter.store().delete_chat(&key("s")).await, Ok(false));
    drop(hearing);
    adapter.reopen().await;
    assert_eq!(contents(adapter.store(), "s").await, None);
    assert_eq!(contents(adapter.store(), "other").await, Some(vec!["one".to_owned()]));
    assert_eq!(say(adapter.store(), "s", "anew").await, 1);
    assert_eq!(contents(adapter.store(), "s").await, Some(vec!["anew".to_owned()]));
}

pub async fn it_is_known_when_the_last_connection_left_and_why<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let store = adapter.store();
    say(store, "s", "one").await;
    adapter.wind(HOUR / 2).await;
    let at = Timestamp::from_millis(adapter.now().millis());
    let told = Some((at, Some(ShutdownReason::ServerShutdown)));
    store.note_presence(&key("s"), told).await.expect("noted");
    let (chat, remaining) = store.chat(&key("s")).await.expect("read").expect("it stands");
    assert_eq!(
        (chat.disconnected_at, chat.shutdown_reason),
        (Some(at), Some(ShutdownReason::ServerShutdown))
    );
    assert_eq!(chat.count, 1);
    assert!(is_left(Some(remaining), HOUR / 2), "it keeps nothing alive");
    store.note_presence(&key("s"), None).await.expect("noted");
    let (chat, _) = store.chat(&key("s")).await.expect("read").expect("it stands");
    assert_eq!((chat.disconnected_at, chat.shutdown_reason), (None, None));
}

pub async fn who_hears_a_session_hears_what_is_said_in_it_alone<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let store = adapter.store();
    let (mut one, mut two) = (store.hear(&key("s")), store.hear(&key("s")));
    say(store, "other", "not for them").await;
    say(store, "s", "for both").await;
    store
        .tell(&key("s"), Heard::Turn { reply: Arc::from(&b"{}"[..]), connection: None })
        .await
        .expect("told");
    for hearing in [&mut one, &mut two] {
        let heard = hearing.heard.recv().await.expect("told");
        assert!(
            matches!(&*heard, Heard::Message { count: 1, connection: 7, message } if message.content == "for both")
        );
        assert!(matches!(&*hearing.heard.recv().await.expect("told"), Heard::Turn { .. }));
    }
}

pub async fn a_slow_listener_loses_the_oldest_and_is_told<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let store = adapter.store();
    let mut hearing = store.hear(&key("s"));
    for _ in 0..100 {
        store.tell(&key("s"), Heard::Removed).await.expect("told");
    }
    let lost = hearing.heard.recv().await;
    assert!(matches!(lost, Err(RecvError::Lagged(36))), "{lost:?}");
    assert!(hearing.heard.recv().await.is_ok(), "and goes on with what is left");
}

pub async fn a_broadcast_reaches_who_is_connected_and_is_kept_in_every_chat_of_the_organisation<
    A: Adapter,
>() {
    let adapter = A::open(limits()).await;
    let store = adapter.store();
    for number in 0..300 {
        say(store, &format!("s{number}"), "hello").await;
    }
    let abroad =
        SessionKey::new(OrgId::parse("clinic").expect("an id"), SessionId::parse("s0").expect("an id"));
    store.say(Saying { session: abroad.clone(), ..saying("s0", "hello") }).await.expect("said");
    say(store, "ended", "hello").await;
    store.extend_chat(&key("ended"), Duration::from_secs(60)).await.expect("the store is there");
    adapter.wind(Duration::from_secs(61)).await;
    let (mut near, mut far) = (store.hear(&key("silent")), store.hear(&abroad));
    let at = Timestamp::from_millis(adapter.now().millis());
    let broadcast = words("\"maintenance\" at six", at);
    assert_eq!(store.broadcast(&OrgId::default(), broadcast.clone()).await, Ok(300));
    let heard = near.heard.recv().await.expect("told");
    assert!(matches!(&*heard, Heard::Broadcast(words) if *words == broadcast));
    assert!(far.heard.try_recv().is_err(), "it is another organisation's");
    let expected =
        ChatMessage { from: ChatVoice::Broadcast(BroadcastLevel::Warning), ..broadcast.message_of_a_chat() };
    for id in ["s0", "s299"] {
        let messages = store.messages(&key(id), None, 10).await.expect("read").expect("it stands");
        assert_eq!(messages.last(), Some(&expected));
        let (chat, remaining) = store.chat(&key(id)).await.expect("read").expect("it stands");
        assert_eq!(chat.count, 1, "it is nobody's message");
        assert!(is_left(Some(remaining), HOUR - Duration::from_secs(61)), "and keeps nothing alive");
    }
    let messages = store.messages(&abroad, None, 10).await.expect("read").expect("it stands");
    assert_eq!(messages.len(), 1);
}

pub async fn beside_a_session_a_chat_counts_on_from_the_turns_keeps_no_words_and_ends_with_it<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let (desk, store) = (Desk::of(&adapter), adapter.store());
    for _ in 0..3 {
        desk.turn("s").await;
    }
    let mut hearing = store.hear(&key("s"));
    assert_eq!(say(store, "s", "a word").await, 4);
    assert!(matches!(&*hearing.heard.recv().await.expect("told"), Heard::Message { count: 4, .. }));
    assert_eq!(contents(store, "s").await, Some(Vec::new()), "the history has it");
    assert!(is_left(left(store, "s").await, DAY), "its time is the session's");
    store.broadcast(&OrgId::default(), words("to all", adapter.now())).await.expect("told");
    assert_eq!(contents(store, "s").await, Some(vec!["to all".to_owned()]));
    store.extend(&key("s"), DAY * 2).await.expect("the store is there").expect("it stands");
    assert!(is_left(left(store, "s").await, DAY * 2));
    store.extend_chat(&key("s"), HOUR).await.expect("the store is there");
    assert!(is_left(left(store, "s").await, DAY * 2), "only the session's end moves it");
    let receipt = store.delete(&key("s")).await.expect("the store is there").expect("it stands");
    assert_eq!((receipt.messages, receipt.verified), (1, true));
    assert_eq!(store.chat(&key("s")).await, Ok(None));
    assert_eq!(say(store, "s", "anew").await, 1);
}

/// Told to the listeners of a session until one hears it: a subscription follows in a moment.
pub async fn until_heard(told: impl AsyncFn(), hearing: &mut attune::store::Hearing) -> Arc<Heard> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        told().await;
        let heard = tokio::time::timeout(Duration::from_millis(50), hearing.heard.recv()).await;
        if let Ok(heard) = heard {
            return heard.expect("it did not lag");
        }
        assert!(tokio::time::Instant::now() < deadline, "nothing was heard");
    }
}
