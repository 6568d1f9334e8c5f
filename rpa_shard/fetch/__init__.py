"""From an id or a URL to a complete PDF on disk.

`sources` says where to look, `download` fetches with what `transport` sends, `responses` reads answers and `body` keeps
what comes; `permits` waits for the run's governor, `address_guard` keeps strangers out of our own network.
"""
