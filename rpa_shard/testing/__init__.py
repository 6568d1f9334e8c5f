"""Tools for tests and rehearsals: a mirror of arXiv on loopback, and generated papers.

Shipped with the package, because users need both: the demo runs on them, and so can a rehearsal of a large run.
"""
