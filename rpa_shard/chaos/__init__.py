"""The promise, tried by force: real runs, killed, stopped, resized and fed with faults, and then held to account.

`schedule` chooses what to do and when, `actions` does it, `invariants` says what must hold, `harness` is the loop.
"""
