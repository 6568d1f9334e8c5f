"""For whoever tests this program, or their own with it: a mirror of arXiv on loopback and papers made for the purpose.

Shipped with the package, because users need both: the demo runs on them, and so can a rehearsal of a large run.
"""
