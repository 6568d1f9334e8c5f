"""The promise, tried by force on many nodes: killed, stopped, cut off, drained and joined, over servers that break.

`plan` says what is done, `servers` are what nodes share, `fleet` are the nodes, `actions` disrupts them, `harness` is
the loop. What holds of one machine's run is looked at in the same way as there.
"""
