"""A temporary database of one export: for what does not fit into memory.

Guarantee: it is on disk, and nothing of it is left however the program ends, as its file has no name. Limit: it needs
room in the folder for temporary files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from importlib.resources import files

from rpa_shard.observe.export.files import ExportError
from rpa_shard.system.named_queries import parse, statements

CACHE_KIBIBYTES = 32 * 1024


@cache
def _queries() -> Mapping[str, str]:
    return parse(files(__package__).joinpath("scratch.sql").read_text())


def scratch_query(name: str) -> str:
    """The SQL of the query called `name`."""
    return _queries()[name]


@contextmanager
def scratch() -> Iterator[sqlite3.Connection]:
    """An empty database. Raises ExportError where it cannot be written."""
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as connection:
            for setting in (
                f"cache_size = -{CACHE_KIBIBYTES}",
                "temp_store = FILE",
                "journal_mode = OFF",
                "synchronous = OFF",
            ):
                connection.execute(f"PRAGMA {setting}")
            for statement in statements(scratch_query("schema")):
                connection.execute(statement)
            connection.execute("BEGIN")
            yield connection
    except sqlite3.OperationalError as error:
        where = "the folder for temporary files (TMPDIR names another)"
        raise ExportError(f"{where} does not take what the export sorts there: {error}") from None


def each_once(ids: Iterable[str]) -> Iterator[str]:
    """The ids without those that came before, in their order; memory stays flat."""
    with scratch() as connection:
        for each in ids:
            if connection.execute(scratch_query("see"), (each,)).rowcount:
                yield each
