"""What the node that governs does: it is elected, and serves all nodes.

`election` says whether an epoch of this node governs now; `candidacy` asks for one and keeps it; `service` has the
connections of nodes, who prove that they are some (`handshake`); `governing` has the governors at work.
"""
