//! A conversation as the server stores it, turn by turn, and the same turns put to a store: begin, then commit.

use attune::clock::{Clock as _, Entropy, SystemClock};
use attune::domain::exchange::Exchange;
use attune::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use attune::domain::safety::Level;
use attune::domain::session::Session;
use attune::store::redis::RedisStore;
use attune::store::{Begin, BeginId, Begun, Commit, Committed, Counter, Gate, Lane, Store as _};

use super::client::Client;
use super::instance::Redis;
use super::server::Server;
use super::stores::{self, NOTHING};
use super::walk;

/// What a turn left behind.
pub struct Said {
    pub session: Session,
    pub exchange: Exchange,
}

/// Talks to a server on this Redis, and reads after each turn what it has stored.
pub async fn recorded(redis: &Redis, turns: u64) -> Vec<Said> {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(directory.path(), &[("REDIS_URL", &redis.url())]).await;
    let store = stores::store(redis, stores::limits(), NOTHING);
    let mut connection = Client::connect(server.addr).await;
    let mut talk = Vec::new();
    for n in 0..turns {
        let body = format!("{{\"session_id\":\"recorded\",\"user_input\":\"{}\"}}", walk::words(1, n));
        assert_eq!(connection.post("/api/v1/input", &body).await.status, 200);
        let session = store.read(&key("recorded")).await.expect("it is there").expect("it was made").session;
        assert_eq!(session.level, Level::None, "an ordinary turn");
        let page = store.history(&key("recorded"), None, 1).await.expect("it is there").expect("it was made");
        let exchange = page.exchanges.into_iter().next().expect("the turn");
        talk.push(Said { session: Session::clone(&session), exchange });
    }
    server.stop();
    redis.flush();
    talk
}

pub fn key(id: &str) -> SessionKey {
    SessionKey::new(OrgId::default(), SessionId::parse(id).expect("an id"))
}

/// As wide as a client's key is.
pub fn client(id: &str) -> ClientKey {
    let mut mac = [0; 16];
    mac.iter_mut().zip(id.bytes().rev()).for_each(|(to, from)| *to = from);
    ClientKey::from_mac(&mac)
}

pub fn request(id: &str, entropy: &Entropy) -> Begin {
    Begin {
        id: BeginId(entropy.u128()),
        session: key(id),
        client: client(id),
        predecessor: None,
        lane: Lane::Ordinary,
        idempotency: None,
    }
}

/// Begins where nobody else is.
pub async fn begin(store: &RedisStore, id: &str, entropy: &Entropy) -> Box<Begun> {
    match store.begin(request(id, entropy)).await.expect("it is there") {
        Gate::Begun(begun) => begun,
        other => panic!("not begun: {other:?}"),
    }
}

/// What the recorded turn would write, as the next turn of this session.
pub async fn commit(store: &RedisStore, id: &str, begun: &Begun, said: &Said) {
    let stored = begun.session.as_deref();
    let mut session = said.session.clone();
    (session.id, session.client) = (key(id).id, client(id));
    session.turn_count = stored.map_or(0, |stored| stored.turn_count) + 1;
    session.last_interaction = SystemClock.now();
    let exchange =
        Exchange { turn: session.turn_count, timestamp: session.last_interaction, ..said.exchange.clone() };
    let commit = Commit {
        key: key(id),
        lease: begun.lease,
        base_revision: stored.map_or(0, |stored| stored.revision),
        decided_under: Level::None,
        why: Vec::new(),
        counters: vec![
            Counter::Input,
            Counter::Turn,
            Counter::Decision(exchange.navigation_decision.clone()),
            Counter::Scripted,
        ],
        exchange,
        reply: None,
        session,
    };
    let committed = store.commit(commit).await.expect("it is there");
    assert!(matches!(committed, Committed::Committed { .. }), "{committed:?}");
}
