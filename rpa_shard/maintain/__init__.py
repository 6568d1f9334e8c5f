"""What people do to a data folder outside a run: check and mend it, send papers back, open hosts again.

`verify` recounts, `repair` rebuilds damaged files of the store, `reopen` asks for a host to be asked again.
"""
