#!/usr/bin/env bash
# A private PostgreSQL on a Unix socket, for tests.
#   tests/pg.sh start FOLDER   prints the URL of the server
#   tests/pg.sh stop FOLDER
set -euo pipefail
folder=$2
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)")
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
case $1 in
start)
  mkdir -p "$folder"
  [ "$(id -u)" = 0 ] && chown postgres "$folder"
  chmod 755 "$folder"
  as "$bin/initdb" -D "$folder/db" -A trust -U hutong --no-sync -E UTF8 --locale=C >"$folder.log" 2>&1
  as "$bin/pg_ctl" -D "$folder/db" -w -l "$folder/server.log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off -c max_connections=300" start >>"$folder.log" 2>&1
  echo "postgres://hutong@localhost/postgres?host=$folder"
  ;;
stop)
  as "$bin/pg_ctl" -D "$folder/db" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder" "$folder.log"
  ;;
esac
