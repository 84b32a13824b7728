//! lowroad shows how trained neural networks are connected.
//!
//! ```text
//! ui/ render/ cli/      draw the state, return Actions; print results        know: app, core
//!   app/                the document, results, undo; update(state, x) -> commands
//!   worker/             one thread, jobs, cancel, progress                    knows: compute, core
//!   compute/            the only door to burn: forward, evaluate, align, fit  knows: burn, core
//!   checkpoint/ data/   bytes <-> core types, every byte distrusted           know: core
//!   net/ geometry/ matching/   the functional core: pure, exact, f64 where it counts
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
mod causes;
pub mod checkpoint;
pub mod cli;
pub mod compute;
pub mod data;
pub mod demo;
pub mod figures;
pub mod files;
pub mod geometry;
pub mod matching;
pub mod net;
pub mod recipe;
pub mod render;
pub mod ui;
pub mod worker;
