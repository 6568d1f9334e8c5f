"""What people and monitors see of a data folder: status, health, one paper, a plan, an export.

Everything here reads; what changes a paper's state is in `rpa_shard.maintain`.
"""
