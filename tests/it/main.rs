//! One test binary: lowroad from outside, as a program and as a library.
#![allow(clippy::unwrap_used)]

mod cli;
mod faults;
mod function_preservation;
mod program;
mod reference;
mod tidy;
mod worker;
