"""The engine for many machines: one PostgreSQL database for all nodes of a run (extra `cluster`).

Every node covers all papers with its shards, as a run on one machine does: shard 2 of 4 claims those whose worker is in
its part. So the parts of different nodes overlap. That costs nothing: a claim takes rows that no other transaction has
locked, and the fence lets one lease end. It is what lets nodes join, leave and die without anything being moved.

`engine` puts the parts together. `store` is one shard for its own process, `ledger` is all papers for all other
processes, `cluster` is what nodes share. `migrations` has the schema, one file a step.
"""
