"""The queries on the index, by name.

Guarantee: a name that does not exist raises an error with that name. Limit: texts only; nothing is opened here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from rpa_shard.system.named_queries import parse, statements


@cache
def _queries() -> Mapping[str, str]:
    return parse(files(__package__).joinpath("signals.sql").read_text())


def query(name: str) -> str:
    """The SQL of the query called `name`."""
    return _queries()[name]


def names() -> tuple[str, ...]:
    """The names of all queries."""
    return tuple(_queries())


def schema() -> tuple[str, ...]:
    """The statements that make a new index."""
    return statements(query("schema"))
