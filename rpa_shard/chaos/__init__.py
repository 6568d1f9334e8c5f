"""The promise, tried by force: real runs that are killed, stopped, resized and fed with faults, and then verified.

`schedule` chooses what to do and when, `actions` does it, `invariants` says what must hold, `harness` is the loop.
"""
