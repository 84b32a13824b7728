#!/usr/bin/env bash
# Passes the tests: formatting, lints, all tests. Installs what is missing on Debian; safe to run twice.
# LOWROAD_DATA names a folder with data/ and cases/ for the tests on larger data; without it they say that they were skipped.
set -euo pipefail
cd "$(dirname "$0")"
. ./.ci/prepare

cargo fmt --check
cargo build --all-targets
cargo test --lib --bins --tests "$@"
