"""From an id or a URL to a complete PDF, on disk or in memory.

`sources` says where to look, `download` fetches with what `transport` sends, `responses` reads answers and `pieces`
their bodies, `local` reads files, `body` gathers what comes, and `unkept` holds what nobody keeps; `permits` waits for
the run's governor, `address_guard` keeps strangers out of our own network.
"""
