"""How papers are added: lines of ids, arXiv's bulk archives, the metadata snapshot.

Each gives ids to queue; what else is worth keeping goes into the catalogue.
"""
