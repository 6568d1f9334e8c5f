"""The embedded engine: one SQLite file for each shard, and one for the catalogue.

`engine` puts the parts together. `store` is one shard for its own process and `ledger` is all shards for all other
processes; `catalogue` is what is known of papers besides their state. `files` says where the files are, `shard_file`
opens them, `queries` reads the SQL, `outcome_rows` says how the end of a claim is written, `companions` names the logs
beside a file. `reclaim` frees the leases of a dead shard, `reshard` moves papers to another layout, `upgrade` brings
files of older formats up to date, and `salvage` rebuilds damaged ones.
"""
