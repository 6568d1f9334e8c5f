"""Where copies of damaged files go.

Guarantee: each repair has its own folder. Limit: they are kept until a person removes them.
"""

from __future__ import annotations

import time
from pathlib import Path

from rpa_shard.store.sqlite.files import SQLiteFiles


def new_folder_aside(files: SQLiteFiles) -> Path:
    """A new folder for copies of damaged files."""
    aside = files.damaged / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns()}"
    aside.mkdir(parents=True)
    return aside
