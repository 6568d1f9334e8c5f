"""What people do with a data folder outside a run: check and repair it, send papers back, reopen hosts.

`verify` recounts, `repair` rebuilds damaged files of the store, `reopen` requests that a closed host be asked again.
"""
