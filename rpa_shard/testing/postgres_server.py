"""A PostgreSQL server of our own, on loopback, in a folder of its own.

Guarantee: takes a free port, asks for no password, and ends when the block is left; it survives being killed as any
PostgreSQL does. Limit: needs PostgreSQL's programs on the machine (Debian: `postgresql`); nothing is flushed to disk
unless it is asked to be durable, so a loss of power loses it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rpa_shard.testing.installed import NotInstalledError as NotInstalledError

START_SECONDS = 60.0
USER = "rpa"
_UNPRIVILEGED = "postgres"
# Ends the server when whoever started it is gone, however that happened: then nobody holds the other end of the pipe.
_GUARD = """
import os, subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=lambda: os._exit(server.wait() and 1), daemon=True).start()
sys.stdin.buffer.read()
server.terminate()
server.wait()
"""


def programs() -> Path:
    """The folder of PostgreSQL's programs, of the newest version. Raises NotInstalledError."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("initdb")
    for folder in (*debian, *((Path(found).parent,) if found else ())):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return Path(folder)
    raise NotInstalledError("PostgreSQL is not installed: apt-get install postgresql")


class PostgresServer:
    """A server in the folder `root`, which is created. `settings` are further lines of its configuration."""

    def __init__(self, root: Path, *, durable: bool = False, settings: Sequence[str] = ()) -> None:
        self._root = root
        self._programs = programs()
        self._settings = [*settings, *([] if durable else ["fsync=off", "full_page_writes=off"])]
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self._root.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_UNPRIVILEGED)
            os.chown(self._root, owner.pw_uid, owner.pw_gid)
            self._open_the_way()
        if not (self._root / "data").exists():
            self._run(
                "initdb",
                "-D",
                str(self._root / "data"),
                "-U",
                USER,
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C",
            )
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process, if it was started and has not been stopped."""
        with suppress(OSError, ValueError, IndexError):
            return int((self._root / "data" / "postmaster.pid").read_text().splitlines()[0])
        return None

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self._root}",
            *self._settings,
        ]
        words = [word for option in options for word in ("-c", option)]
        give_up = time.monotonic() + START_SECONDS
        self._launch(words)
        while not self._is_ready():
            if time.monotonic() > give_up:
                raise RuntimeError((self._root / "server.log").read_text(errors="replace")[-2000:])
            if self._process is None or self._process.poll() is not None:
                time.sleep(0.1)  # the sessions of a server that was killed may still be ending, and keep its memory
                self._launch(words)
            time.sleep(0.02)

    def _launch(self, options: Sequence[str]) -> None:
        with (self._root / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-ISc", _GUARD,
                    *self._as_user(), str(self._programs / "postgres"), "-D", str(self._root / "data"), *options,
                ],
                stdout=log, stderr=log, stdin=subprocess.PIPE, cwd=self._root, start_new_session=True,
            )  # fmt: skip

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stops it: in order at once by default (SIGINT), as in a crash by SIGQUIT or SIGKILL."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if self._process is not None:
            # It ends by itself once it has seen the server end; killed before, it would leave a zombie behind.
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def create_database(self, name: str, template: str = "template1") -> str:
        """Creates a database; returns its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-T", template, name)
        return self.url(name)

    def _is_ready(self) -> bool:
        ready = subprocess.run(
            [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return ready.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user(), str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, cwd=self._root, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace")[-2000:])

    def _open_the_way(self) -> None:
        """Lets the server's user through the folders above, which temporary folders do not allow."""
        for folder in self._root.parents:
            with suppress(PermissionError):
                mode = folder.stat().st_mode
                if not mode & 0o001:
                    folder.chmod(mode | 0o001)

    @staticmethod
    def _as_user() -> list[str]:
        return ["runuser", "-u", _UNPRIVILEGED, "--"] if os.geteuid() == 0 else []
