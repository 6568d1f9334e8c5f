"""What a paper's files are called in an object store.

Guarantee: pure; a name with a hash is never that of other content. Limit: which of several names is meant is decided by
the paper's row.
"""

from __future__ import annotations

import re

DIGITS = 16


def name_with_hash(name: str, stem: str, sha256: str) -> str:
    """The name of other content than that which has taken `name`, a name that begins with `stem`."""
    return f"{stem}.{sha256[:DIGITS]}{name.removeprefix(stem)}"


def without_hash(name: str, stem: str) -> tuple[str, str | None]:
    """A name as it would be without a hash, and the hash's first digits, if it has any."""
    found = re.match(rf"\.([0-9a-f]{{{DIGITS}}})(?=\.)", name.removeprefix(stem))
    return (name, None) if found is None else (stem + name.removeprefix(stem)[found.end() :], found[1])
