#!/usr/bin/env bash
# Sets up .venv from pinned versions, once: `scripts/setup.sh [cluster|dev|docs]`. Quick if nothing has changed since. With
# what `top` and Parquet need; with `cluster`, also what runs on several machines need; with `dev`, that and the test tools;
# with `docs`, also what builds the documentation as a site. An interrupted set-up is repeated: its stamp is written last.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
extras=${1:-}
log="$here/.setup.log"
cd "$here"

stamp="$here $(cat pyproject.toml constraints.txt scripts/setup.sh | cksum)"
has_stamp() { grep -qxF "$stamp" ".venv/$1" 2>/dev/null; }
is_ready() { has_stamp ".ready${extras:+-$extras}"; }

is_ready && exit 0

fail() {
    echo "run.sh: $1" >&2
    exit 2
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3.14 python3; do
        if command -v "$name" >/dev/null && is_recent "$name"; then
            command -v "$name"
            return
        fi
    done
}

# Two set-ups at a time would interfere; the second one waits and finds the work done.
if command -v flock >/dev/null; then
    exec 9>"$here/.setup.lock" || fail "cannot write to $here, where the virtual environment belongs"
    flock 9
    is_ready && exit 0
fi

python=$(find_python)
has_uv=$(command -v uv || true)
[ -n "$python" ] || [ -n "$has_uv" ] ||
    fail "needs Python 3.11 or later, and found none: install python3 (Debian: apt-get install python3 python3-venv)"
[ -n "$has_uv" ] || "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module: install it (Debian: apt-get install python3-venv), or install uv"

echo "run.sh: setting up $here/.venv, once (a minute or so)" >&2
has_stamp .ready || rm -rf .venv
make_environment() {
    if [ -x .venv/bin/python ]; then
        return
    elif [ -n "$has_uv" ]; then
        uv venv --quiet --python "${python:-3.12}" .venv
    else
        "$python" -m venv .venv
    fi
}
install() {
    if [ -n "$has_uv" ]; then
        uv pip install --quiet --compile-bytecode --python .venv/bin/python "$@"
    else
        .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
    fi
}
# Compiled here, the first run starts as fast as the next, also where Python may not write (PYTHONDONTWRITEBYTECODE).
compile() { .venv/bin/python -m compileall -q rpa_shard; }
{ make_environment && install --constraint constraints.txt --editable ".[parquet,top${extras:+,$extras}]" && compile; } >"$log" 2>&1 9>&- ||
    fail "the packages could not be installed (is there a network?): $(grep -iE 'error|failed' "$log" | tail -n 1 | cut -c 1-200); the complete output is in $log"

[ -z "$extras" ] || echo "$stamp" >".venv/.ready-$extras"
echo "$stamp" >.venv/.ready
