//! Scripts: called by their hash, so that a call carries no source.

use redis::Cmd;

/// A Lua script, loaded by whoever is first to meet a server that does not know it.
#[derive(Debug)]
pub struct Script {
    name: &'static str,
    source: String,
    hash: String,
}

impl Script {
    /// A script out of parts, the shared ones first.
    #[must_use]
    pub fn of(name: &'static str, parts: &[&str]) -> Self {
        let source = parts.join("\n");
        let hash = redis::Script::new(&source).get_hash().to_owned();
        Self { name, source, hash }
    }

    /// The file's name, for errors and measurements.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// A call with these keys; arguments are added to it.
    #[must_use]
    pub fn call(&self, keys: &[String]) -> Cmd {
        let mut call = Cmd::with_capacity(keys.len() + 24, 512);
        call.arg("EVALSHA").arg(&self.hash).arg(keys.len()).arg(keys);
        call
    }
}
