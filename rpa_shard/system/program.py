"""How a person calls this program, for messages that name a command to type.

Guarantee: one printable word of a shell. Limit: `run.sh` says how it was called in `RPA_SHARD_PROGRAM`; without it, or
if that is too long for a message, the name is that of the installed command.
"""

from __future__ import annotations

import os
import shlex

NAME = "rpa-shard"
LONGEST = 80


def program() -> str:
    """What to type before the name of a command: `rpa-shard`, or `./run.sh` as it was typed."""
    called = os.environ.get("RPA_SHARD_PROGRAM", "")
    return shlex.quote(called) if called and called.isprintable() and len(called) <= LONGEST else NAME
