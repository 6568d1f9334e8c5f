"""The supervisor process: starts the shards, watches them from outside, ends them, and publishes the run's status.

`launch` prepares a run, `supervisor` is its loop; it carries out what `decisions` decides over a `placement`, which
starts shards. `living_shard` is what is known of one shard, `blame` decides whether a paper caused its death, `reclaim`
frees its leases, `restarts` says when it restarts; `politeness` is the governor; `resizing` changes the number of
shards; `disk_watch` pauses claims when the disk is full; `run_record`, `throughput` and `progress` record the run.
"""
