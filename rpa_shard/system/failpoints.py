"""Named points at which a test may kill, stop or break this program.

Guarantee: a point that is off, as always outside tests, costs one look-up in an empty dictionary. Limit: not for users;
the environment variables are read once, when a process starts.

`RPA_SHARD_FAILPOINTS` is a comma-separated list of `NAME=ACTION[@N]`: the Nth time that a process reaches NAME (by
default the first) it dies (`kill`, `segv`), stops (`stop`), or meets a system error (`ENOSPC`, `EIO`, `EMFILE`). With
`RPA_SHARD_FAILPOINTS_ONCE`, a folder, each point acts only once across all processes.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "segv": signal.SIGSEGV}


def parse(text: str) -> Mapping[str, tuple[str, int]]:
    """Action and number by name."""
    armed = {}
    for word in filter(None, text.split(",")):
        name, action = word.split("=", 1)
        action, _, number = action.partition("@")
        armed[name] = (action, int(number or 1))
    return armed


_ARMED = parse(os.environ.get("RPA_SHARD_FAILPOINTS", ""))
_ONCE = os.environ.get("RPA_SHARD_FAILPOINTS_ONCE")
_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Reports that the program has reached the point `name`."""
    if _ARMED and name in _ARMED:
        _act(name, *_ARMED[name])


def _act(name: str, action: str, number: int) -> None:
    _reached[name] += 1
    if _reached[name] != number or not _is_first(name):
        return
    if action in _SIGNALS:
        # Sent to this thread, so that it cannot run past the point before another thread takes the signal.
        signal.pthread_kill(threading.get_ident(), _SIGNALS[action])
        return
    code = getattr(errno, action)
    raise OSError(code, os.strerror(code), f"failpoint {name}")


def _is_first(name: str) -> bool:
    if _ONCE is None:
        return True
    try:
        (Path(_ONCE) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
