//! What a turn costs Redis, of each kind, by turns with the floor of its kind.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attune::clock::Entropy;
use attune::redis::Link;
use attune::store::redis::RedisStore;
use attune::tasks::Tasks;
use tokio::task::JoinSet;

use super::CLIENTS;
use super::bare::{self, Notes};
use super::figures::median;
use super::instance::{EVERY_SECOND, IN_MEMORY, Redis};
use super::stores::{self, NOTHING, WARM};
use super::talk::{self, Said};

/// After a session's first turn so many are measured: within its limit of ten.
const MEASURED: Range<usize> = 1..9;
const TURNS: u64 = 9;
const SESSIONS_EACH: u64 = 20;
/// A single client takes longer for each.
const SESSIONS_ALONE: u64 = 200;

/// Who had the session's last turn.
const KINDS: [(&str, usize, u64); 3] = [
    ("warm: this server", 1, WARM),
    ("cold: a server that keeps nothing", 1, NOTHING),
    ("cold: the other of two servers", 2, WARM),
];

/// One kind of turn, and the same without scripts.
struct Kind {
    name: &'static str,
    turns: Arc<Work>,
    bare: Arc<Work>,
}

enum Work {
    /// Turn `n` goes to the `n`th of these stores, and round again.
    Turns {
        stores: Vec<Arc<RedisStore>>,
        talk: Arc<Vec<Said>>,
        entropy: Box<Entropy>,
    },
    Bare {
        link: Link,
        turns: Vec<bare::Turn>,
    },
}

#[derive(Default)]
struct Figures {
    cpu_us: Vec<f64>,
    reads: Vec<f64>,
    per_second: Vec<f64>,
}

/// The session whose turns are taken down; all others have ids of its length.
const NOTED: &str = "floor-00000000-0000";

pub async fn measure(rounds: u64) {
    let redis = Redis::start(IN_MEMORY);
    let talk = Arc::new(talk::recorded(&redis, TURNS).await);
    let mut kinds = Vec::new();
    for (name, servers, warm_bytes) in KINDS {
        kinds.push(kind(&redis, &talk, name, servers, warm_bytes).await);
    }
    for kind in &kinds {
        commands(&redis, kind).await;
        round_trips(&redis, kind, &talk).await;
    }
    for clients in [CLIENTS, 1] {
        compare(&redis, &kinds, clients, rounds).await;
    }
    durable(&talk, rounds).await;
}

/// Has one session's turns run and noted, so that they can be sent again without the scripts.
async fn kind(
    redis: &Redis,
    talk: &Arc<Vec<Said>>,
    name: &'static str,
    servers: usize,
    warm_bytes: u64,
) -> Kind {
    let turns = turns(redis, talk, servers, warm_bytes).await;
    let notes = Notes::begin(redis);
    for n in 0..talk.len() {
        turns.once(NOTED, n).await;
    }
    let noted = notes.turns(redis, NOTED);
    assert_eq!(noted.len(), talk.len());
    redis.flush();
    let link =
        stores::link(redis, &Arc::new(Entropy::system()), &Tasks::on(tokio::runtime::Handle::current()));
    Kind { name, turns, bare: Arc::new(Work::Bare { link, turns: noted }) }
}

async fn turns(redis: &Redis, talk: &Arc<Vec<Said>>, servers: usize, warm_bytes: u64) -> Arc<Work> {
    let stores: Vec<_> = (0..servers).map(|_| stores::store(redis, stores::limits(), warm_bytes)).collect();
    for store in &stores {
        // What is to be done once is done: connecting, loading the scripts.
        let begun = talk::begin(store, "ahead", &Entropy::system()).await;
        talk::commit(store, "ahead", &begun, &talk[0]).await;
    }
    redis.flush();
    Arc::new(Work::Turns { stores, talk: Arc::clone(talk), entropy: Box::new(Entropy::system()) })
}

impl Work {
    /// The `n`th turn of a session.
    async fn once(&self, id: &str, n: usize) {
        match self {
            Self::Turns { stores, talk, entropy } => {
                let store = &stores[n % stores.len()];
                let begun = talk::begin(store, id, entropy).await;
                talk::commit(store, id, &begun, &talk[n]).await;
            }
            Self::Bare { link, turns } => turns[n].send(link, NOTED, id).await,
        }
    }
}

/// Each client has so many sessions of its own, and goes round them turn by turn.
async fn run(work: &Arc<Work>, round: u64, clients: u64, turns: Range<usize>) -> (f64, Duration) {
    let each = if clients == 1 { SESSIONS_ALONE } else { SESSIONS_EACH };
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let (work, turns) = (Arc::clone(work), turns.clone());
        tasks.spawn(async move {
            for n in turns {
                for session in 0..each {
                    work.once(&format!("floor-{:08}-{session:04}", round * 1_000 + client + 1), n).await;
                }
            }
        });
    }
    tasks.join_all().await;
    ((clients * each) as f64 * turns.len() as f64, start.elapsed())
}

/// Which commands Redis runs for a turn.
async fn commands(redis: &Redis, kind: &Kind) {
    redis.flush();
    run(&kind.turns, 0, 1, 0..1).await;
    redis.reset();
    let (turns, _) = run(&kind.turns, 0, 1, MEASURED).await;
    redis.print_commands(kind.name, turns);
    if let Work::Bare { turns, .. } = &*kind.bare {
        let noted: usize = turns[MEASURED].iter().map(bare::Turn::commands).sum();
        println!("  as noted for the floor: {:.2} commands/turn", noted as f64 / MEASURED.len() as f64);
    }
}

/// How often a begin and a commit wait for Redis where nobody is in the way.
async fn round_trips(redis: &Redis, kind: &Kind, talk: &[Said]) {
    let Work::Turns { stores, entropy, .. } = &*kind.turns else { return };
    redis.flush();
    run(&kind.turns, 0, 1, 0..1).await;
    let ids: Vec<String> =
        (0..SESSIONS_ALONE).map(|session| format!("floor-00000001-{session:04}")).collect();
    let store = &stores[1 % stores.len()];
    let before = redis.meter();
    let mut begun = Vec::new();
    for id in &ids {
        begun.push(talk::begin(store, id, entropy).await);
    }
    let between = redis.meter();
    for (id, begun) in ids.iter().zip(&begun) {
        talk::commit(store, id, begun, &talk[1]).await;
    }
    let (begins, commits) = (between.since(&before).reads, redis.meter().since(&between).reads);
    let each = ids.len() as f64;
    println!("  round trips: {:.2} for a begin, {:.2} for a commit\n", begins / each, commits / each);
}

/// All kinds and their floors in turn, round after round.
async fn compare(redis: &Redis, kinds: &[Kind], clients: u64, rounds: u64) {
    println!(
        "processor time of Redis for a turn, {clients} clients, medians of {rounds} rounds (least to most):"
    );
    let mut figures: Vec<[Figures; 2]> = kinds.iter().map(|_| Default::default()).collect();
    for round in 1..=rounds {
        for (kind, figures) in kinds.iter().zip(&mut figures) {
            for (work, figures) in [&kind.turns, &kind.bare].into_iter().zip(figures) {
                figures.take(redis, work, round, clients).await;
            }
        }
    }
    for (kind, [turns, bare]) in kinds.iter().zip(&figures) {
        println!("  {}:\n    {}", kind.name, turns.line());
        println!("    bare: {}", bare.line());
        let ratios = turns.cpu_us.iter().zip(&bare.cpu_us).map(|(turns, bare)| turns / bare);
        println!("    ratio {:.2}", median(ratios.collect()));
    }
}

/// The same with a journal that is synced each second.
async fn durable(talk: &Arc<Vec<Said>>, rounds: u64) {
    let redis = Redis::start(EVERY_SECOND);
    println!("with appendonly yes, appendfsync everysec, {CLIENTS} clients:");
    for (name, servers, warm_bytes) in KINDS {
        let (work, mut figures) = (turns(&redis, talk, servers, warm_bytes).await, Figures::default());
        for round in 1..=rounds {
            figures.take(&redis, &work, round, CLIENTS).await;
        }
        println!("  {name}: {}", figures.line());
    }
}

impl Figures {
    async fn take(&mut self, redis: &Redis, work: &Arc<Work>, round: u64, clients: u64) {
        redis.flush();
        run(work, round, clients, 0..1).await;
        let before = redis.meter();
        let (turns, elapsed) = run(work, round, clients, MEASURED).await;
        let spent = redis.meter().since(&before);
        self.cpu_us.push(spent.cpu_us / turns);
        self.reads.push(spent.reads / turns);
        self.per_second.push(turns / elapsed.as_secs_f64());
    }

    fn line(&self) -> String {
        let least = self.cpu_us.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.cpu_us.iter().copied().fold(0.0, f64::max);
        format!(
            "{:.1} us ({least:.1} to {most:.1}), {:.2} reads/turn, {:.0} turns/s",
            median(self.cpu_us.clone()),
            median(self.reads.clone()),
            median(self.per_second.clone())
        )
    }
}
