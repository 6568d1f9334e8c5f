#!/usr/bin/env bash
# Installs PostgreSQL's programs where tests need them and they are missing: by apt-get if we may, else says how. Starts no
# server: each test starts its own.
set -euo pipefail

compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && exit 0
command -v initdb >/dev/null && exit 0

fail() {
    echo "PostgreSQL is not installed, so nothing is tried over it: $1" >&2
    exit 1
}
command -v apt-get >/dev/null || fail "install its server with the programs initdb and postgres"
[ "$(id -u)" -eq 0 ] || fail "apt-get install postgresql"
# Debian would start a server of its own.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
{ apt-get update -q && apt-get install -q -y --no-install-recommends postgresql; } || fail "apt-get could not install it"
