"""Errors that a person can act on, shared by every part that works on a data folder.

Guarantee: the message is one line that says what is wrong and what to do. Limit: errors of single papers are
`rpa_shard.model.failure.PaperError`.
"""

from __future__ import annotations


class StoreError(Exception):
    """The store or its folder cannot be used as it is."""


class FolderBusyError(StoreError):
    """Another run or command works in this folder."""


class StoreAwayError(StoreError):
    """The store cannot be reached, or takes nothing, for now: the same may succeed later."""


class TooSlowError(StoreError):
    """An answer took longer than the time that was allowed for it."""
