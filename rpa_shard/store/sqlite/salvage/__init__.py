"""Rebuilding shard files that are damaged: from what can be read, and from the papers' own files.

`folder` goes through all files of a data folder, `rebuild` finds damage and puts a new file in the place of a damaged
one, `pages` reads records out of an SQLite file without SQLite, `rows` decides which of them are ours, and `aside` says
where copies of damaged files go.
"""
