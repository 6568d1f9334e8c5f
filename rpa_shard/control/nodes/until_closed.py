"""Ends a node when the program that started it is gone, however that ended.

Guarantee: once the other end of standard input is closed, as the kernel does when a process dies, this process gets
SIGTERM, on which a run drains; neither a thread nor another process is needed for it. Limit: Linux only, and standard
input must be a pipe or a socket that nobody writes to: anything written there ends the node as well.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import stat
import sys

# Linux's fcntl.F_SETSIG, which Python does not name everywhere.
_SET_SIGNAL = 10
_STANDARD_INPUT = 0


class NoPipeError(OSError):
    """Standard input is nothing whose closing can be noticed."""


def drain_when_closed(descriptor: int = _STANDARD_INPUT) -> None:
    """From now on the closing of `descriptor` sends SIGTERM to this process. Raises NoPipeError."""
    if not _is_a_pipe(descriptor) or sys.platform != "linux":
        raise NoPipeError(
            "--until-closed is for programs that start nodes: it needs Linux, and a pipe as standard input"
        )
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, _SET_SIGNAL, signal.SIGTERM)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([descriptor], [], [], 0)[0]:  # closed before
        os.kill(os.getpid(), signal.SIGTERM)


def _is_a_pipe(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
