//! The whole of safety, on the data that ships.

mod answers;
mod context;
mod dialogue;
mod disguise;
mod guarded;
mod harmless;
mod rescreens;
mod screening;
mod talk;
mod walks;

use super::*;

/// Read once for those who walk far.
fn shared() -> &'static Safety {
    static SHARED: std::sync::LazyLock<Safety> = std::sync::LazyLock::new(safety);
    &SHARED
}

/// The level that a text shows.
fn level(text: &str) -> Level {
    shared().screen(text).level
}

fn safety() -> Safety {
    match Safety::embedded() {
        Ok(safety) => safety,
        Err(faults) => panic!("{faults:#?}"),
    }
}
