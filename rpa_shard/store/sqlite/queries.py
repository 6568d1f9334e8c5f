"""The named queries of the .sql files.

Guarantee: every query has a name and a line that describes it; using a name that does not exist raises an error with
that name. Limit: texts only; nothing here opens a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from rpa_shard.system.named_queries import parse, statements, without_comments


@cache
def _queries(file: str) -> Mapping[str, str]:
    return parse(files(__package__).joinpath(file).read_text())


def names(file: str) -> tuple[str, ...]:
    """The names of all queries of a file."""
    return tuple(_queries(file))


def query(name: str) -> str:
    """The SQL of the query called `name` on a shard file."""
    return _queries("queries.sql")[name]


def catalogue_query(name: str) -> str:
    """The SQL of the query called `name` on the catalogue."""
    return _queries("catalogue.sql")[name]


def seen_query(name: str) -> str:
    """The SQL of the query called `name` on a set of ids."""
    return _queries("seen.sql")[name]


def schema() -> tuple[str, ...]:
    """The statements that make a new shard file."""
    return statements(without_comments(files(__package__).joinpath("schema.sql").read_text()))


def catalogue_schema() -> tuple[str, ...]:
    """The statements that make a new catalogue."""
    return statements(catalogue_query("schema"))


def catalogue_upgrade(number: int) -> tuple[str, ...]:
    """The statements that bring a catalogue from the version before to version `number`."""
    return statements(catalogue_query(f"upgrade_to_{number}"))


def migration(number: int) -> tuple[str, ...]:
    """The statements that bring a shard file from the format before to format `number`."""
    return statements(without_comments(files(__package__).joinpath("migrations", f"{number:04}.sql").read_text()))
