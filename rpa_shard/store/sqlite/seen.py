"""The ids that were given already, so that none is given twice.

Guarantee: memory stays flat for millions of ids: most of them are in a temporary file, which SQLite removes. Limit: as
long as the object is open.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from rpa_shard.model.errors import StoreError
from rpa_shard.store.sqlite.queries import seen_query


class Seen:
    """A set of ids."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute(seen_query("schema"))

    def new(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not in the set yet, in their order; now all of them are. Raises StoreError."""
        try:
            found = {row[0] for row in self._connection.execute(seen_query("note"), {"ids": json.dumps(ids)})}
        except sqlite3.Error as error:
            raise StoreError(
                f"no temporary file can be written: {error}: make room, or set TMPDIR to another folder"
            ) from None
        return [each for each in ids if each in found]

    def close(self) -> None:
        """Removes the set."""
        self._connection.close()
