"""A run on many machines: each of them is a node, a run of its own over one database.

`agent` is a process beside the supervisor that does all that may wait for the network: it keeps the node's lease and
publishes its status (`membership`), competes for the right to govern and serves the governors if it has it
(`rpa_shard.control.governors`), and passes messages between the supervisor and the node that governs. `launching` joins
and leaves the run. `ray` places nodes on a Ray cluster.
"""
