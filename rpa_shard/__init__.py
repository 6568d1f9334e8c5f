"""rpa_shard: a multiprocess sharded runner that takes papers from ids to text and references.

The promise: after any process dies for any reason, running the program again loses no paper,
repeats no finished paper, and never exceeds a source's rate.
"""

__version__ = "0.1.0"
