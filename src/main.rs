//! The binary: reads the command line and hands over.

use std::process::ExitCode;

/// A turn allocates on one thread and frees on another; the system's allocator is slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    attune::cli::main()
}
