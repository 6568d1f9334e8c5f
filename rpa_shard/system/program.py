"""How a person calls this program, for messages that name a command to type.

Guarantee: one printable word of a shell. Limit: `run.sh` says how it was called in `RPA_SHARD_PROGRAM`; without it, or
if that is too long for a message, the name is that of the installed command.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

NAME = "rpa-shard"
LONGEST = 80


def program() -> str:
    """What to type before the name of a command: `rpa-shard`, or `./run.sh` as it was typed."""
    called = os.environ.get("RPA_SHARD_PROGRAM", "")
    return shlex.quote(called) if called and called.isprintable() and len(called) <= LONGEST else NAME


def path() -> Path | None:
    """The script that a person calls this program by, absolute; None if it is the installed command."""
    called = os.environ.get("RPA_SHARD_PROGRAM", "")
    found = shutil.which(called) if called else None
    return None if found is None else Path(found).absolute()
