"""The phases of a paper's way, each with a runner that does its work.

`runner` is what a shard needs of a phase, `registry` lists the phases that there are, `finished` tells what completed
phases have left of a paper; `prep` fetches, extracts and records.
"""
