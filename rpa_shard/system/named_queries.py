"""Queries that stand in a .sql file, each under its name.

Guarantee: every query has a name and a line that describes it. Limit: texts only; nothing here opens a database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def parse(text: str) -> Mapping[str, str]:
    """The queries of a file by name, without their comments."""
    _, *parts = _NAME.split(text)
    return MappingProxyType(
        {name: without_comments(body).strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)}
    )


def statements(text: str) -> tuple[str, ...]:
    """The statements of a text without comments, one by one."""
    return tuple(statement.strip() for statement in text.split(";") if statement.strip())


def without_comments(text: str) -> str:
    """The text without the lines that are comments."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
