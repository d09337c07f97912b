//! What writes replies. The turn knows a decision goes in and text comes out; it never learns who wrote it but by name.

pub mod scripted;
