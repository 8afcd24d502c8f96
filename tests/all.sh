#!/usr/bin/env bash
# Installs what is missing on a Debian machine with Rust and Node, then runs every check and test:
# format, lints, licences, unit and story tests on SQLite and on a real PostgreSQL, crash tests, the
# browser test, and the platforms' official SDKs against the simulators.
#
#   tests/all.sh            everything
#   tests/all.sh --quick    without the release build, the browser, the SDKs and the dependency check
set -euo pipefail
cd "$(dirname "$0")/.."
quick=no
[ "${1:-}" = --quick ] && quick=yes
say() { printf '\n== %s\n' "$*"; }

say "what is missing is installed"
need=()
[ -n "$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || command -v initdb >/dev/null || need+=(postgresql)
if [ $quick = no ]; then
  command -v chromium >/dev/null || need+=(chromium fonts-noto-cjk)
  python3 -c 'import ensurepip, venv' 2>/dev/null || need+=(python3-venv)
fi
if [ ${#need[@]} -gt 0 ]; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "${need[@]}" >/dev/null
fi

scratch=$(mktemp -d)
trap 'tests/pg.sh stop "$scratch/pg" || true; rm -rf "$scratch"' EXIT

say "format and lints"
cargo fmt --all --check
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

say "tests, on SQLite and PostgreSQL"
chmod 755 "$scratch"
TEST_DATABASE_URL=$(tests/pg.sh start "$scratch/pg")
export TEST_DATABASE_URL
cargo test --workspace --all-features --locked

if [ $quick = no ]; then
  say "the demo, in a browser"
  cargo build --release --locked
  tests/browser/run.sh target/release/hutong
  say "the official SDKs"
  tests/interop/run.sh target/release/hutong
  say "licences, bans and sources"
  command -v cargo-deny >/dev/null || cargo install cargo-deny --locked
  cargo deny --log-level error check licenses bans sources
fi
say "all passed"
