"""Rebuilding shard files that are damaged: from what can be read, and from the papers' own files.

`pages` reads records out of an SQLite file without SQLite, `rows` tells which of them are ours, `rebuild` finds the
damaged files of a folder and puts whole ones in their place.
"""
