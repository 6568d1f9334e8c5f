"""The parts of the benchmarks: papers to serve, one module per kind of contender, one way to measure them all.

`papers` makes the shelf that a mirror serves, `measuring` runs a command and counts what it used, `ours`, `others` and
`tools` are the contenders, `report` makes tables of the results; `growth` and `plots` belong to `bench_scale`.
"""
