"""The supervisor process: forks the shards, watches them from outside, ends them, and says how the run is doing.

`supervisor` is the loop; `shard_process` one child as seen from here; `restarts` when a dead shard comes back and when
the run gives up; `throughput` and `run_status` what is told to the health check; `progress` what a person sees.
"""
