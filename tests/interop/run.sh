#!/bin/sh
# The platforms' official SDKs against `hutong simulate`: as clients of it, and as receivers of what
# it pushes. Each file below a platform's folder runs against fresh simulators.
#
#   tests/interop/run.sh PATH_TO_HUTONG [FILE...]      (default: every *.py and *.mjs of all platforms)
#
# INTEROP_DIR: where the Python environment and the npm folder are made (default target/interop).
# The last line is "N passed, N failed"; exit code 1 when one failed.
set -eu
hutong=${1:?usage: run.sh PATH_TO_HUTONG [FILE...]}
shift
case $hutong in */*) hutong=$(cd "$(dirname "$hutong")" && pwd)/$(basename "$hutong") ;; esac
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -gt 0 ]; then
  files=
  for file in "$@"; do files="$files $(cd "$(dirname "$file")" && pwd)/$(basename "$file")"; done
else
  files=$(find "$here"/feishu "$here"/dingtalk "$here"/wecom "$here"/ours -name node_modules -prune -o -type f \( -name '*.py' -o -name '*.mjs' \) -print | sort)
fi
dir=${INTEROP_DIR:-$here/../../target/interop}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

if ! cmp -s "$here/requirements.txt" "$dir/requirements.done"; then
  python3 -m venv "$dir/venv" || { echo "python3-venv is needed" >&2; exit 1; }
  "$dir/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$dir/requirements.done"
fi
if ! cmp -s "$here/package-lock.json" "$dir/package.done"; then
  cp "$here/package.json" "$here/package-lock.json" "$dir/"
  (cd "$dir" && npm ci --no-audit --no-fund --silent)
  cp "$here/package-lock.json" "$dir/package.done"
fi

passed=0
failed=0
for file in $files; do
  work=$(mktemp -d)
  # Port 9 is where nobody listens: each test says itself where callbacks go.
  "$hutong" simulate --port 0 --bot 127.0.0.1:9 --write-config "$work/sim.toml" >"$work/sim.out" 2>"$work/sim.err" &
  sim=$!
  n=0
  until [ -s "$work/sim.toml" ] && grep -q 'start the bot' "$work/sim.out"; do
    n=$((n + 1))
    if [ $n -gt 300 ] || ! kill -0 $sim 2>/dev/null; then
      echo "the simulators did not start" >&2
      cat "$work/sim.err" >&2
      break
    fi
    sleep 0.1
  done
  name=${file#"$here"/}
  echo "== $name"
  code=0
  case $file in
    *.py) run="$dir/venv/bin/python" ;;
    *) run=node ;;
  esac
  HUTONG=$hutong INTEROP_CONFIG=$work/sim.toml INTEROP_MODULES=$dir/node_modules PYTHONPATH=$here \
    timeout 180 "$run" "$file" >"$work/out" 2>&1 || code=$?
  grep -E '^(ok|not ok) ' "$work/out" || true
  good=$(grep -c '^ok ' "$work/out" || true)
  bad=$(grep -c '^not ok ' "$work/out" || true)
  if [ $code -ne 0 ] || [ "$bad" -gt 0 ] || [ "$good" -eq 0 ]; then
    [ "$bad" -gt 0 ] || bad=1
    echo "-- exit code $code; the last lines of $name:"
    tail -n 40 "$work/out"
    tail -n 10 "$work/sim.err"
  fi
  passed=$((passed + good))
  failed=$((failed + bad))
  kill $sim 2>/dev/null || true
  wait $sim 2>/dev/null || true
  rm -rf "$work"
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
