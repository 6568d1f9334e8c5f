"""The part of the database that one shard works on.

`store` is the shard's own view, for its process. `reclaiming` frees what a dead process held. `counting` recounts
papers, once for everybody.
"""
