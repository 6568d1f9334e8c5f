"""All papers, for commands and the supervisor: one session that waits for a server that is away.

`ledger` is the protocol's `Ledger`; `selecting`, `listing`, `changes` and `past` are its parts; `session` holds the
connection; `moving` moves papers from or to a data folder.
"""
