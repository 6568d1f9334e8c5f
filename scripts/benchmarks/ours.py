"""This project as a contender: the command that people run, and its own figures.

Guarantee: downloads, text, references, records and store at their normal durability; the time is that of the complete
command, from its start to its exit. Limit: loop lag and memory are the run's own figures, the worst shard's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rpa_shard.config.settings import Settings
from rpa_shard.intake.archives import read_archive
from rpa_shard.ipc.run_status import RunStatus, read_status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from scripts.benchmarks.measuring import ContenderError, Figures, Lag, measure
from scripts.benchmarks.papers import Shelf

RUN = (sys.executable, "-m", "rpa_shard", "run")
SOME_FAILED = 1
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.005
# The share of papers that must succeed; no engine may be able to read a few of a folder of real ones.
MIN_PREPPED = 0.95

# Where a run gets its papers.
Origin = Literal["mirror", "folder", "archive"]


@dataclass(slots=True)
class Growth:
    """Memory of each shard (bytes) by the number of papers that it has completed."""

    points: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def note(self, status: RunStatus | None) -> None:
        for shard in status.shards if status is not None else ():
            if shard.process.rss_bytes:
                point = (shard.report.work.completed_claims, shard.process.rss_bytes)
                self.points.setdefault(shard.number, []).append(point)


def queue(folder: Path, ids: Sequence[str], shards: int) -> DataFolder:
    """A new data folder with papers in it."""
    with open_ledger(DataFolder(folder), Layout(Settings().workers, shards)) as ledger:
        ledger.add(ids)
    return DataFolder(folder)


def environment(folder: Path, url: str, shards: int, knobs: Mapping[str, str] = {}) -> dict[str, str]:
    """The variables added to the command's environment; other knobs stay at their defaults."""
    return {
        "RPA_V2_DATA_DIR": str(folder),
        "RPA_V2_SOURCES": f"{url}/pdf/{{id}}",
        "RPA_V2_SHARD_COUNT": str(shards),
        **{f"RPA_V2_{name}": value for name, value in knobs.items()},
    }


def run_ours(
    shelf: Shelf,
    url: str,
    scratch: Path,
    shards: int,
    *,
    origin: Origin = "mirror",
    cores: Sequence[int] | None = None,
    growth: Growth | None = None,
    knobs: Mapping[str, str] = {},
) -> Figures:
    """One complete run over the shelf. Raises ContenderError."""
    folder = queue(scratch / "data", shelf.uris if origin == "folder" else shelf.urls(url), shards)
    if origin == "archive":
        _archive(folder, shelf, url, scratch / "papers.tar")
    watch = None if growth is None else lambda: growth.note(read_status(folder.run.status_file))
    figures = measure(
        RUN,
        len(shelf.ids),
        scratch / "log",
        environment=environment(folder.root, url, shards, knobs),
        cores=cores,
        may_exit=(0, SOME_FAILED),
        look=watch,
    )
    status = read_status(folder.run.status_file)
    with open_ledger(folder) as ledger:
        prepped = ledger.counts().by_status.get("prepped", 0)
    if status is None or prepped < MIN_PREPPED * len(shelf.ids):
        raise ContenderError(f"only {prepped} of {len(shelf.ids)} papers came to an end: see {scratch / 'log'}")
    lags = [shard.report.loop_lag for shard in status.shards]
    lag = Lag(
        1000 * max(each.p50_seconds for each in lags),
        1000 * max(each.p99_seconds for each in lags),
        1000 * max(each.max_seconds for each in lags),
    )
    memory = max(shard.peak.rss_bytes for shard in status.shards)
    more = {"shard_memory_bytes": float(memory), "prepped": float(prepped)}
    return replace(figures, lag=lag, more=more)


def _archive(folder: DataFolder, shelf: Shelf, url: str, path: Path) -> None:
    """Puts the shelf into a tar file, and the file into the data folder's catalogue."""
    with tarfile.open(path, "w") as archive:
        for file in shelf.files:
            # Not as the links that the names of one PDF are to each other.
            member = tarfile.TarInfo(file.name)
            member.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(member, content)
    ids = dict(zip(shelf.ids, shelf.urls(url), strict=True))
    members = [replace(member, paper_id=ids[member.paper_id]) for member in read_archive(path).members]
    with engine_of(folder).open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_members(path.absolute(), members)


def start_and_stop(shelf: Shelf, url: str, mirror_log: Path, scratch: Path, shards: int) -> dict[str, float]:
    """Seconds from `run` to the first request at the mirror, and from SIGTERM with nothing in flight to the exit.

    Raises ContenderError.
    """
    folder = queue(scratch / "data", shelf.urls(url), shards)
    before = mirror_log.stat().st_size
    begun = time.time()
    with (scratch / "log").open("w") as log:
        process = subprocess.Popen(
            [*RUN, "--daemon"], env=os.environ | environment(folder.root, url, shards), stdout=log, stderr=log
        )
        try:
            first = _first_arrival(mirror_log, before)
            _wait(lambda: _is_idle(folder, len(shelf.ids)))
            asked_at = time.time()
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE_SECONDS)
            return {"start_seconds": first - begun, "stop_seconds": time.time() - asked_at}
        except subprocess.TimeoutExpired:
            raise ContenderError("did not stop") from None
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _first_arrival(mirror_log: Path, offset_bytes: int) -> float:
    """When the mirror got its first request after those already in its log (Unix seconds)."""
    _wait(lambda: b"\n" in mirror_log.read_bytes()[offset_bytes:])
    at: float = json.loads(mirror_log.read_bytes()[offset_bytes:].splitlines()[0])["at"]
    return at


def _is_idle(folder: DataFolder, papers: int) -> bool:
    status = read_status(folder.run.status_file)
    if status is None:
        return False
    return status.work.completed_claims >= papers and not any(shard.report.held for shard in status.shards)


def _wait(condition: Any) -> None:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise ContenderError(f"did not finish within {_PATIENCE_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)
