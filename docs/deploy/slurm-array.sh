#!/usr/bin/env bash
# One run on several machines of a Slurm cluster, one node of it a task of the array; see README.md beside this file.
#
#     export RPA_V2_STORE=postgresql://rpa@db.example/papers RPA_V2_ARTIFACTS=file:///shared/papers
#     rpa-shard add --file ids.txt
#     sbatch docs/deploy/slurm-array.sh
#SBATCH --job-name=rpa-shard
#SBATCH --array=0-2
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem-per-cpu=2G
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@60
#SBATCH --requeue
set -euo pipefail

: "${RPA_V2_STORE:?say where the rows are: postgresql://…}" "${RPA_V2_ARTIFACTS:?say where papers\' files are kept}"

# The same after a requeue, so that a node takes its own place again. The password of the database is in ~/.pgpass.
export RPA_V2_NODE="slurm-${SLURM_ARRAY_JOB_ID}-${SLURM_ARRAY_TASK_ID}"
export RPA_V2_DATA_DIR="${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/rpa-shard-$(id -u)/$RPA_V2_NODE"
export RPA_V2_SHARD_COUNT="${RPA_V2_SHARD_COUNT:-${SLURM_CPUS_PER_TASK:-1}}"
# Slurm kills 30 seconds after the SIGTERM of `scancel` (its KillWait).
export RPA_V2_DRAIN_SECONDS="${RPA_V2_DRAIN_SECONDS:-20}"

# The node is a step of the job, so that it gets the signals, and not this shell.
exec srun --ntasks=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" rpa-shard node
