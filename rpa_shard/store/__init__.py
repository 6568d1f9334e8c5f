"""The state of every paper, behind protocols that an engine fulfils.

`protocol` says what an engine, its ledger and its shards' stores do, `catalogue` what is known of papers besides their
state. `rows`, `outcome`, `layout` and `repairs` are the values that pass between them and their users. `data_folder`
names the folder of one collection, and `factory` alone chooses the engine.
"""
