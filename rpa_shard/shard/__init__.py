"""One shard process: its loop, its slice of the workers, its leases, its vital signs.

`process` assembles a shard and drains it; `worker` is one asyncio task; `claims` hands papers to workers and keeps
their leases; `verdict` decides how a failed attempt ends; `vitals` measures.
"""
