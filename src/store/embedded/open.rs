//! Opening a directory: once at a time, in a format that is known, under the secret that it was made with.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use fjall::{Database, PersistMode};

use super::command::{Sent, State};
use super::notices::index_open_alerts;
use super::reads::Published;
use super::tables::{FINGERPRINT, Tables, VERSION};
use super::writer::Writer;
use crate::clock::{Clock, Entropy};
use crate::store::{Limits, StoreError};

/// The directory's format. A program that does not know it leaves it alone.
const FORMAT: u8 = 1;

/// The journals are read again at the start: the least that the engine allows.
const JOURNALS_MAX_BYTES: u64 = 64 << 20;

#[derive(Clone)]
pub struct OpenOptions {
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<Entropy>,
    /// Names the deployment's secret without telling it. Keys that were made under another would find nothing.
    pub secret_fingerprint: [u8; 16],
    pub cache_bytes: u64,
}

/// Why a directory cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error(
        "another process has this data directory open; stop it first, or give this one another ATTUNE_DATA"
    )]
    Locked,
    #[error("the data directory cannot be used: {0}")]
    Io(String),
    #[error("the data in this directory is damaged: {0}")]
    Corrupt(String),
    #[error("this directory has format {0}, which this version of Attune does not know")]
    Version(u8),
    #[error("this directory was made under another ATTUNE_SECRET; its keys would not be found")]
    OtherSecret,
}

impl From<fjall::Error> for OpenError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::Locked,
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
                Self::Io(error.to_string())
            }
            error => Self::Corrupt(error.to_string()),
        }
    }
}

/// Opens the tables, or makes them where there are none.
pub(super) fn tables(directory: &Path, options: &OpenOptions) -> Result<Tables, OpenError> {
    // What people said lies in it: nobody else on the machine may read it.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| OpenError::Io(error.to_string()))?;
    let database = Database::builder(directory)
        .cache_size(options.cache_bytes)
        // Nothing goes to the disk but by the writer's own sync.
        .manual_journal_persist(true)
        .max_journaling_size(JOURNALS_MAX_BYTES)
        .worker_threads(2)
        .open()?;
    let tables = Tables::open(database)?;
    match tables.about.get(VERSION)?.as_deref() {
        None => mark(&tables, options)?,
        Some([FORMAT]) => {}
        Some([version, ..]) => return Err(OpenError::Version(*version)),
        Some([]) => return Err(OpenError::Corrupt("its format's number is empty".to_owned())),
    }
    match tables.about.get(FINGERPRINT)?.as_deref() {
        Some(stored) if stored == options.secret_fingerprint => {}
        Some(_) => return Err(OpenError::OtherSecret),
        None => return Err(OpenError::Corrupt("its secret's fingerprint is missing".to_owned())),
    }
    index_open_alerts(&tables).map_err(|error| OpenError::Corrupt(error.to_string()))?;
    Ok(tables)
}

fn mark(tables: &Tables, options: &OpenOptions) -> Result<(), OpenError> {
    let mut batch = tables.batch();
    batch.insert(&tables.about, VERSION, [FORMAT]);
    batch.insert(&tables.about, FINGERPRINT, options.secret_fingerprint);
    batch.commit()?;
    tables.db.persist(PersistMode::SyncAll)?;
    Ok(())
}

/// The directory on disk, known again by its lock file.
pub(super) struct Ground {
    lock: PathBuf,
    /// Device and inode; `None` where it could not be looked at.
    known: Option<(u64, u64)>,
}

impl Ground {
    pub fn of(directory: &Path) -> Self {
        let lock = directory.join("lock");
        Self { known: identity(&lock), lock }
    }

    pub fn stands(&self) -> bool {
        self.known.is_none() || identity(&self.lock) == self.known
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

pub(super) fn writer(
    tables: Tables,
    ground: Ground,
    options: OpenOptions,
    state: Arc<State>,
    published: Arc<Published>,
) -> Writer {
    published.publish(&tables);
    let OpenOptions { limits, clock, entropy, .. } = options;
    Writer {
        tables,
        ground,
        limits,
        clock,
        entropy,
        state,
        published,
        memory: super::writer::Memory::default(),
    }
}

/// The thread's whole life. A panic ends the store, never the callers: they are told.
pub(super) fn work(writer: Writer, commands: &Receiver<Sent>) {
    let state = Arc::clone(&writer.state);
    let run = std::panic::AssertUnwindSafe(|| writer.run(commands));
    if std::panic::catch_unwind(run).is_err() {
        state.poison(&StoreError::Away("its writer has stopped on a fault".to_owned()));
    }
}
