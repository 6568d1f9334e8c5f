"""Models: one governor for the run decides which calls to models may be sent when, and what they may cost.

`windows` counts what was sent within a minute, `gate` closes a model that limits us or fails, `turns` has those that
wait, `model_state` is all of that for one model, `spending` the day's budget. `governor` decides, without sockets and
clocks; `ahead` says what must be saved first; `broker` connects it to the shards.
"""
