"""How every node reaches the one that governs.

`remote` is what its supervisor has; `outstanding` what its shards wait for and hold, which a new governor is told;
`relay`, in the agent, has the connection; `stamps` gives permits the time of this machine.
"""
