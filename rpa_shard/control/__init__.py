"""The supervisor process: starts the shards, watches them from outside, ends them, and says how the run is doing.

`launch` prepares a run, `supervisor` is its loop; it carries out what `decisions` decides over a `placement`, which
starts shards. `living_shard` is what is known of one shard, `blame` whether a paper caused its death, `reclaim` gives
back what it held, `restarts` says when it comes back; `politeness` is the governor; `resizing` changes the number of
shards; `run_record`, `throughput` and `progress` account for the run.
"""
