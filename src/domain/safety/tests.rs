//! The whole of safety, on the data that ships.

mod dialogue;
mod screening;

use super::*;

fn safety() -> Safety {
    match Safety::embedded() {
        Ok(safety) => safety,
        Err(faults) => panic!("{faults:#?}"),
    }
}
