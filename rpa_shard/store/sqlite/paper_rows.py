"""From a row of a shard file to a value.

Guarantee: pure; a damaged row raises an error, and never becomes half a value. Limit: rows of the present format.
"""

from __future__ import annotations

import json
import sqlite3

from rpa_shard.model.phase import Status
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.rows import paper_row as to_value


def paper_row(row: sqlite3.Row, shard: int) -> PaperRow:
    """A row as a value. Raises ValueError if it is damaged."""
    return to_value(row, shard, json.loads(row["results"]))


def check_row(row: sqlite3.Row) -> None:
    """Raises ValueError for a row, of any format, that `paper_row` could not read."""
    Status(row["status"])
    json.loads(row["results"])
