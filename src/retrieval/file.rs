//! A user's own examples on the disk: read with a bound, written whole or not at all.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::corpus::Corpus;
use crate::domain::fault::Fault;

/// Far more than [`Corpus`] takes.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why there are no examples.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    #[error("the examples in {path} cannot be read: {source}")]
    Unreadable { path: String, source: io::Error },
    #[error("the examples in {0} are more than 64 MiB")]
    TooLarge(String),
    #[error("{} fault(s) in the examples of {path}, the first: {}", .faults.len(), first(.faults))]
    Faulty { path: String, faults: Vec<Fault> },
}

fn first(faults: &[Fault]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}

/// The shipped examples with those of a file. One that need not be there may be missing.
pub fn open(path: &Path, has_to_be: bool) -> Result<Corpus, CorpusError> {
    let own = match read(path) {
        Err(CorpusError::Unreadable { source, .. })
            if source.kind() == io::ErrorKind::NotFound && !has_to_be =>
        {
            return Corpus::shipped()
                .map_err(|faults| CorpusError::Faulty { path: "this binary".to_owned(), faults });
        }
        read => read?,
    };
    Corpus::with_own(&own).map_err(|faults| CorpusError::Faulty { path: path.display().to_string(), faults })
}

/// The text of a file of examples.
pub fn read(path: &Path) -> Result<String, CorpusError> {
    let shown = || path.display().to_string();
    let unreadable = |source| CorpusError::Unreadable { path: shown(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > BYTES_MAX { Err(CorpusError::TooLarge(shown())) } else { Ok(text) }
}

/// Puts a text in the place of a file. Who reads meanwhile, or after the power failed, finds the old one or the new one.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let next = PathBuf::from(next);
    let written = write(&next, text).and_then(|()| std::fs::rename(&next, path));
    if let Err(error) = written {
        // What is left of it is of no use to anybody; the first error is the one to tell.
        let _gone = std::fs::remove_file(&next);
        return Err(error);
    }
    File::open(directory)?.sync_all()
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
