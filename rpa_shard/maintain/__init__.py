"""What people do with a data folder outside a run: check and repair it, send papers back, take them out, reopen hosts.

`verify` recounts, `repair` rebuilds damaged files of the store, `redo` has papers extracted again, `remove` takes them
out of the queue, `reopen` requests that a closed host be asked again.
"""
