"""What a test server needs and is not there.

Guarantee: the message is one line that says how to install it. Limit: nothing is installed by itself.
"""

from __future__ import annotations


class NotInstalledError(RuntimeError):
    """A server's programs were not found."""
