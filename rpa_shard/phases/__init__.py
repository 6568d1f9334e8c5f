"""The phases of a paper's way, each with a runner that does its work.

`runner` is what a shard needs of a phase, `registry` lists the available phases, `finished` describes what completed
phases leave of a paper; `prep` fetches, extracts and records.
"""
