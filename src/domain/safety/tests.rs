//! The whole of safety, on the data that ships.

mod context;
mod dialogue;
mod disguise;
mod guarded;
mod screening;

use super::*;

fn safety() -> Safety {
    match Safety::embedded() {
        Ok(safety) => safety,
        Err(faults) => panic!("{faults:#?}"),
    }
}
