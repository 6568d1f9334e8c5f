"""Ways for papers to come in: lines of ids, arXiv's bulk archives, the metadata snapshot.

Each gives ids to queue, and what is worth keeping goes into the catalogue.
"""
