//! The embedded store: durable, in process, on an LSM tree.
