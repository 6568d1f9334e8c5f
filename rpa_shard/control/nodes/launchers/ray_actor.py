"""A node as the child process of whatever started it: an actor of Ray, or a launcher of another kind.

Guarantee: the node is a program of its own, executed and never forked from this process with its threads; it drains
once this process is gone, even by SIGKILL. Limit: knows nothing of Ray, and only the last line of what the node said;
all of it is in `logs/node.txt` in the node's data folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import rpa_shard

DATA_DIR = "RPA_V2_DATA_DIR"
NODE_COMMAND = ("-m", "rpa_shard", "node", "--until-closed")
_LAST_BYTES = 2_000


class NodeProcess:
    """Starts a node at once: this Python with `arguments`, in this environment and, first of all, `environment`."""

    def __init__(self, environment: Mapping[str, str], arguments: Sequence[str] = NODE_COMMAND) -> None:
        self._said = Path(environment[DATA_DIR]) / "logs" / "node.txt"
        self._said.parent.mkdir(parents=True, exist_ok=True)
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                env={**os.environ, "PYTHONPATH": _with_this_package(), **environment},
                stdin=subprocess.PIPE, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def pid(self) -> int:
        """The node's process id."""
        return self._process.pid

    def wait(self) -> tuple[int, str]:
        """Waits until the node has ended; its exit code (minus the signal that killed it) and the last line it said."""
        code = self._process.wait()
        self.drain()  # closes our end of the pipe
        return code, last_line(self._said)

    def drain(self) -> None:
        """Asks the node to hand back what it holds, and to end."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def kill(self) -> None:
        """Ends the node and its shards at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def last_line(path: Path) -> str:
    """The last line of a file that is not empty; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LAST_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""


def _with_this_package() -> str:
    """PYTHONPATH with the folder that this package was loaded from, which Ray may have told this process alone."""
    here = str(Path(rpa_shard.__file__).parents[1])
    return os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
