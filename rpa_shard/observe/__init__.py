"""What people and monitors see of a data folder: status, health, metrics, one paper, hosts, a plan, an export.

Everything here only reads; what changes a paper's state from outside a run is in `rpa_shard.maintain`.
"""
