"""The state of every paper: rows and leases in one SQLite file a shard, and how whole folders are read and moved.

`protocol` says what a shard needs of a store, `sqlite` is that store, `ledger` is everybody else's view of all
shard files, `reshard` moves rows when the shard count changes, `folder` knows the data folder's layout and locks.
"""
