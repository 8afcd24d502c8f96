#!/bin/sh
# Starts `hutong demo` on a free port, drives its page in Chromium, and stops it again.
#
#   tests/browser/run.sh PATH_TO_HUTONG
#
# SCREENSHOTS: folder for the pictures (default: a temporary one). CHROMIUM: the browser
# (default /usr/bin/chromium). The last line is "N passed, N failed"; exit code 1 when one failed.
set -eu
hutong=${1:?usage: run.sh PATH_TO_HUTONG}
case $hutong in */*) hutong=$(cd "$(dirname "$hutong")" && pwd)/$(basename "$hutong") ;; esac
shots=${SCREENSHOTS:-$(mktemp -d)}
mkdir -p "$shots"
shots=$(cd "$shots" && pwd)
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --silent
out=$(mktemp)
"$hutong" demo --listen 127.0.0.1:0 >"$out" &
demo=$!
trap 'kill "$demo" 2>/dev/null || true; wait "$demo" 2>/dev/null || true; rm -f "$out"' EXIT
url=
n=0
while [ -z "$url" ]; do
  kill -0 "$demo" 2>/dev/null || { echo "the demo has ended" >&2; echo "0 passed, 1 failed"; exit 1; }
  n=$((n + 1))
  [ "$n" -le 600 ] || { echo "the demo is not ready after two minutes" >&2; echo "0 passed, 1 failed"; exit 1; }
  sleep 0.2
  url=$(sed -n 's/^\(http:.*\)$/\1/p' "$out" | head -n 1)
done
code=0
node drive.mjs "$url" "$shots" "${CHROMIUM:-/usr/bin/chromium}" || code=$?
if ! kill -0 "$demo" 2>/dev/null; then
  # Nobody asked it to end: say how it did, so that a crash is not taken for a slow page.
  status=0
  wait "$demo" || status=$?
  echo "the demo ended by itself, status $status" >&2
  [ "$code" -ne 0 ] || code=1
fi
exit "$code"
