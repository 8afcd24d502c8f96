#!/usr/bin/env bash
# Installs what is missing on a Debian machine with Rust, then runs every check and test.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo test --workspace --locked
