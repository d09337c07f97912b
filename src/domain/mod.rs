//! What Attune knows about therapy, safety and sessions. Pure: no async, no I/O, no clock, no framework types.

pub mod alert;
pub mod audit;
pub mod chat;
pub mod consent;
pub mod digest;
pub mod disclosure;
pub mod event;
pub mod exchange;
pub mod fault;
pub mod fnv;
pub mod guard;
pub mod id;
pub mod labels;
pub mod language;
pub mod note;
pub mod notice;
pub mod prompt;
pub mod protocol;
pub mod quota;
pub mod safety;
pub mod session;
pub mod signals;
pub mod texts;
pub mod time;
