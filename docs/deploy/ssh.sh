#!/usr/bin/env bash
# One run on several machines over plain ssh, until all papers are done; see README.md beside this file.
#
#     export RPA_V2_STORE=postgresql://rpa@db.example/papers RPA_V2_ARTIFACTS=s3://bucket/papers
#     rpa-shard add --file ids.txt
#     docs/deploy/ssh.sh worker-1 worker-2 worker-3
#
# Each host finds the password of the database in its own ~/.pgpass, and keys of the object store in its own files; the
# knobs of this shell (RPA_V2_…) are passed on. SHARD names the program there. Ctrl-C drains all nodes, and so does the
# end of this script, however it ends: each node reads from a pipe that ends with it.
set -euo pipefail

[ $# -gt 0 ] || { echo "usage: ssh.sh HOST…" >&2; exit 2; }
: "${RPA_V2_STORE:?say where the rows are: postgresql://…}" "${RPA_V2_ARTIFACTS:?say where papers\' files are kept}"

folder=${RPA_V2_DATA_DIR:-rpa-data} # on each host; below the home folder there, if relative
knobs=""
for name in $(compgen -e RPA_V2_); do
    case $name in RPA_V2_NODE | RPA_V2_NODE_ADDRESS | RPA_V2_DATA_DIR | RPA_V2_SERVE_TOKEN) ;;
    *) knobs+=" $name=$(printf %q "${!name}")" ;;
    esac
done

pipes=$(mktemp -d)
mkfifo "$pipes/open"
exec 3<>"$pipes/open"

nodes=()
for host in "$@"; do
    node=$(printf %s "${host##*@}" | tr -c 'A-Za-z0-9.-' -)
    mine="RPA_V2_NODE=$node RPA_V2_DATA_DIR=$(printf %q "$folder/$node")"
    ssh -o BatchMode=yes -o ServerAliveInterval=15 "$host" \
        "exec env$knobs $mine ${SHARD:-rpa-shard} node --until-closed --progress lines" <"$pipes/open" 3>&- &
    nodes+=($!)
done
rm -r "$pipes"

trap 'exec 3>&-' INT TERM HUP
code=0
for node in "${nodes[@]}"; do
    ended=0
    # A signal ends `wait` before the node has ended.
    while wait "$node" || ended=$? && kill -0 "$node" 2>/dev/null; do :; done
    [ "$ended" -le "$code" ] || code=$ended
done
exit "$code"
