//! End-to-end tests: everything goes through the `fovea` binary, as a user would do it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod ahead;
mod around;
mod bench;
mod bits;
mod chaos;
mod clock;
mod damage;
mod data;
mod errors;
mod eval;
mod experiment;
mod explain;
mod export;
mod grammar;
mod graph;
mod harness;
mod keeping;
mod localize;
mod memory;
mod nothing;
mod orphans;
mod output;
mod pictures;
mod plugin_check;
mod plugin_new;
mod plugins;
mod provenance;
mod report;
mod resume;
mod running;
mod sharing;
mod sweep;
mod table;
mod verify;
mod watching;
