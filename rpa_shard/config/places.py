"""Where a run keeps its rows and its papers' files, if not in the data folder, and what a node is called.

Guarantee: no value that is taken holds a password, so all of them may be shown and logged. Limit: whether there is a
server, and whether it lets us in, is found out when it is used.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

STORE_SCHEMES = ("postgresql", "postgres")
ARTIFACT_SCHEMES = ("s3", "gs", "az", "file")
_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def parse_store(text: str) -> str:
    """The URL of a PostgreSQL database, as libpq takes it. Raises ValueError, also if it holds a password."""
    parts = urlsplit(text)
    if parts.scheme not in STORE_SCHEMES or parts.password is not None or "password" in parse_qs(parts.query):
        raise ValueError
    return text


def parse_artifacts(text: str) -> str:
    """The URL below which papers' files are kept, without a slash at its end. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ARTIFACT_SCHEMES or parts.password is not None or parts.query or parts.fragment:
        raise ValueError
    if (parts.scheme == "file") != (parts.netloc == "") or (parts.scheme == "file" and not parts.path.strip("/")):
        raise ValueError
    return text.rstrip("/")


def parse_node_name(text: str) -> str:
    """A node's name. Raises ValueError."""
    if _NODE_NAME.fullmatch(text) is None:
        raise ValueError
    return text


def node_name_of(host_name: str) -> str:
    """The name of a node that nobody has named: that of its machine, as far as it may be one."""
    allowed = re.sub(r"[^A-Za-z0-9._-]", "-", host_name).strip("-._")[:63]
    return allowed or "node"
