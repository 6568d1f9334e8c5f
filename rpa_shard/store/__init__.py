"""The state of every paper, behind protocols that an engine implements.

`protocol` defines what an engine, its ledger and its shards' stores do, `catalogue` what is known of papers besides
their state. `rows`, `outcome`, `layout` and `repairs` are the values that pass between them and their users.
`data_folder` describes the folder of one collection, and only `factory` chooses the engine.
"""
