//! One test binary: lowroad from outside, as a program and as a library.
#![allow(clippy::print_stderr, reason = "tests that are skipped say so")]
#![allow(clippy::unwrap_used)]

mod adjustment;
mod align;
mod boundary;
mod by_hand;
mod cli;
mod compare;
mod connectors;
mod document;
mod ensembles;
mod families;
mod faults;
mod flow;
mod function_preservation;
mod permutations_gallery;
mod permutations_matrix;
mod permutations_units;
mod program;
mod recognition;
mod reference;
mod robust;
mod screenshots;
mod signature;
mod tidy;
mod train_panel;
mod training;
mod transport;
mod ui;
mod worker;
