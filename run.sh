#!/usr/bin/env bash
# Sets up once, then runs the command: `./run.sh [COMMAND …]`; see `./run.sh --help`.
set -euo pipefail
unset CDPATH

script=${BASH_SOURCE[0]}
while [ -L "$script" ]; do
    target=$(readlink "$script")
    case $target in
    /*) script=$target ;;
    *) script=$(dirname "$script")/$target ;;
    esac
done
# The folder that we were called from may be gone, which bash would say here.
here=$(cd -P "$(dirname "$script")" 2>/dev/null && pwd -P)

# Only runs on several machines need what these bring: some hundred megabytes.
extra=${RPA_V2_STORE:+cluster}${RPA_V2_ARTIFACTS:+cluster}
case " $* " in *" --on "* | *" --on="* | *" postgresql://"*) extra=cluster ;; esac
(cd "$here" 2>/dev/null && exec ./scripts/setup.sh ${extra:+cluster})

# As many descriptors as we may have: every connection and every open file takes one.
ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || true

# The packages of .venv, whatever lies in the folder that we were called from.
export PYTHONSAFEPATH=1
unset PYTHONHOME

# How we were called, for messages that name a command (rpa_shard/system/program.py).
RPA_SHARD_PROGRAM=$0
# `bash run.sh` names a file here, which cannot be typed alone.
case $0 in */*) ;; *) [ ! -f "$0" ] || RPA_SHARD_PROGRAM=./$0 ;; esac
export RPA_SHARD_PROGRAM

exec "$here/.venv/bin/python" -m rpa_shard "$@"
