"""The error of an input that cannot be read.

Guarantee: the message is one line that says what is wrong and what to do. Limit: what is invalid in an input that can
be read is counted and told line by line instead.
"""

from __future__ import annotations


class IntakeError(Exception):
    """An input that cannot be read; the message is one line."""
