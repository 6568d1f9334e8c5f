"""Politeness: one governor for the run decides who may ask which host when.

`governor` holds every host's budget, without sockets and clocks; `broker` connects it to the shards.
"""
