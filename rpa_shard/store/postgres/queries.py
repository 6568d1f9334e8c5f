"""The named queries of the engine and of its shards.

Guarantee: every query has a name and a line that describes it; using a name that does not exist raises an error with
that name. Limit: texts only; nothing here opens a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from rpa_shard.model.phase import Phase
from rpa_shard.system.named_queries import parse


@cache
def _queries() -> Mapping[str, str]:
    folder = files(__package__)
    return {
        name: text
        for file in ("queries.sql", "shard.sql")
        for name, text in parse(folder.joinpath(file).read_text()).items()
    }


def names() -> tuple[str, ...]:
    """The names of all queries."""
    return tuple(_queries())


@cache
def query(name: str, phase: Phase | None = None) -> bytes:
    """The SQL of the query called `name`.

    The statuses of a phase stand in the text itself: only then is the index that holds one status of use.
    """
    text = _queries()[name]
    if phase is not None:
        text = text.replace("{from_status}", f"'{phase.from_status}'")
        text = text.replace("{active_status}", f"'{phase.active_status}'")
    return text.encode()


@cache
def migrations() -> Mapping[int, bytes]:
    """The statements of each migration, by its number."""
    folder = files(__package__).joinpath("migrations")
    return {int(each.name[:4]): each.read_bytes() for each in folder.iterdir() if each.name.endswith(".sql")}
