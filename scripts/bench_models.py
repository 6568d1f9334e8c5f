#!/usr/bin/env python3
"""How much of what an endpoint allows a run uses, and what a call costs us: against an endpoint on loopback.

The endpoint takes `--latency` seconds before an answer begins, and turns away whatever exceeds its limits, so that a
request beyond a limit cannot stay unnoticed. Papers are analyzed from a folder that was prepped before.

    scripts/bench_models.py [FOLDER ...] [--papers 1000] [--shards 1,2,8] [--disturb] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rpa_shard.ipc.run_status import read_status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.testing.llm_mirror import MODEL, LlmMirrorProcess
from rpa_shard.testing.llm_mirror.log import LoggedCall, read_calls
from rpa_shard.testing.mirror import MirrorProcess
from scripts.benchmarks.measuring import ContenderError, end_on_sigterm, measure
from scripts.benchmarks.ours import RUN, environment, queue
from scripts.benchmarks.papers import Shelf, fill_shelf

SOME_FAILED = 1
# The first and the last seconds are left out: not all papers are in flight there.
EDGE_SECONDS = 6.0
MINUTE = 60.0
BETWEEN_DISTURBANCES_SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did. `share` is how much of the limit it used between its edges; `beyond` was turned away."""

    limit: str
    shards: int
    calls: int
    seconds: float
    share: float
    beyond: int
    asked_again: int
    cpu_ms_a_call: float
    lag_p99_ms: float
    lag_max_ms: float

    def line(self) -> str:
        """A row of the table."""
        return (
            f"{self.limit:<24} {self.shards:>6} {self.calls:>7} {self.seconds:>8.1f} {self.share:>7.1%} "
            f"{self.beyond:>7} {self.asked_again:>6} {self.cpu_ms_a_call:>8.2f} "
            f"{self.lag_p99_ms:>8.1f} {self.lag_max_ms:>8.1f}"
        )


HEAD = (
    f"{'limit':<24} {'shards':>6} {'calls':>7} {'seconds':>8} {'used':>7} {'beyond':>7} {'again':>6} "
    f"{'CPU ms':>8} {'lag p99':>8} {'lag max':>8}"
)


def prepared(shelf: Shelf, scratch: Path) -> DataFolder:
    """A folder in which every paper has been through prep. Raises ContenderError."""
    with MirrorProcess(shelf.folder) as mirror:
        folder = queue(scratch / "prepped", shelf.urls(mirror.url), 2)
        given = environment(folder.root, mirror.url, 2)
        measure(RUN, len(shelf.ids), scratch / "prep.log", environment=given, may_exit=(0, SOME_FAILED))
    return folder


def analyze(
    prepped: DataFolder, scratch: Path, limits: str, shards: int, latency_seconds: float, *, disturb: bool
) -> Outcome:
    """One run over a copy of a prepped folder. Raises ContenderError."""
    root = scratch / f"data-{shards}-{len(list(scratch.iterdir()))}"
    shutil.copytree(prepped.root, root)
    log = root.with_suffix(".calls")
    with LlmMirrorProcess(log=log, limits=limits, latency_seconds=latency_seconds) as mirror:
        given = environment(root, "http://127.0.0.1:1", shards) | {
            "RPA_V2_PHASES": "analyze",
            "RPA_V2_LLM_ENDPOINTS": f"{mirror.base_url} models={MODEL} {limits}",
            "RPA_V2_CRASH_LOOP_DEATHS": "1000000",
            "RPA_V2_DRAIN_SECONDS": "5",
        }
        with open_ledger(DataFolder(root)) as ledger:
            papers = ledger.counts().by_status.get("prepped", 0)
        run_log = root.with_suffix(".log")
        if disturb:
            begun = time.monotonic()
            disturbed(given, DataFolder(root), run_log)
            seconds, cpu_seconds = time.monotonic() - begun, 0.0
        else:
            figures = measure(RUN, papers, run_log, environment=given, may_exit=(0, SOME_FAILED))
            seconds, cpu_seconds = figures.seconds, figures.cpu_seconds
    calls = read_calls(log)
    status = read_status(DataFolder(root).run.status_file)
    lags = [shard.report.loop_lag for shard in status.shards] if status is not None else []
    return Outcome(
        limit=limits,
        shards=shards,
        calls=sum(each.answered is not None for each in calls),
        seconds=seconds,
        share=used(calls, limits),
        beyond=sum(each.is_beyond for each in calls),
        asked_again=asked_again(calls),
        cpu_ms_a_call=1000 * cpu_seconds / max(1, len(calls)),
        lag_p99_ms=1000 * max((each.p99_seconds for each in lags), default=0.0),
        lag_max_ms=1000 * max((each.max_seconds for each in lags), default=0.0),
    )


def used(calls: Sequence[LoggedCall], limits: str) -> float:
    """The share of a limit that was used between the edges of the run, or (a minute's) in the fullest window."""
    name, _, most = limits.partition("=")
    if name != "in_flight":
        times = sorted(each.at for each in calls)
        end = fullest = 0
        for number, at in enumerate(times):
            while end < len(times) and times[end] < at + MINUTE:
                end += 1
            fullest = max(fullest, end - number)
        return fullest / int(most)
    begins, ends_at = min(each.at for each in calls) + EDGE_SECONDS, max(each.at for each in calls) - EDGE_SECONDS
    busy = sum(max(0.0, min(each.answered or each.at, ends_at) - max(each.at, begins)) for each in calls)
    return busy / int(most) / max(ends_at - begins, 1e-9)


def asked_again(calls: Sequence[LoggedCall]) -> int:
    """How many complete answers were given to questions that had one already."""
    answered = [each.key for each in calls if each.answered is not None and each.status == 200]
    return len(answered) - len(set(answered))


def disturbed(given: dict[str, str], folder: DataFolder, log: Path) -> None:
    """Runs until all is done, with kills of shards and of the supervisor, and resizes, in between."""
    draw = random.Random(1)  # noqa: S311  # repeatable, not secret
    shards = int(given["RPA_V2_SHARD_COUNT"])
    for start in range(100):
        env = os.environ | given | {"RPA_V2_SHARD_COUNT": str(shards)}
        with log.open("a") as output:
            run = subprocess.Popen(RUN, env=env, stdout=output, stderr=output)
            while True:
                with suppress(subprocess.TimeoutExpired):
                    run.wait(BETWEEN_DISTURBANCES_SECONDS)
                if run.poll() is not None or start >= 5:
                    break
                shards = _disturb(draw, run, folder, env, shards)
            if run.wait() in (0, SOME_FAILED):
                return
    raise ContenderError("the run came to no end")


def _disturb(
    draw: random.Random, run: subprocess.Popen[bytes], folder: DataFolder, env: dict[str, str], shards: int
) -> int:
    """Kills a shard, resizes, or kills the supervisor; returns how many shards there are to be then."""
    what = draw.choice(("shard", "shard", "resize", "supervisor"))
    status = read_status(folder.run.status_file)
    if what == "supervisor":
        run.kill()
        return draw.choice((1, 2, 8))
    if what == "resize":
        shards = draw.choice((1, 2, 8))
        subprocess.run(
            [sys.executable, "-m", "rpa_shard", "resize", str(shards)], env=env, capture_output=True, check=False
        )
    elif status is not None and status.shards:
        with suppress(ProcessLookupError):
            os.kill(draw.choice(status.shards).pid, signal.SIGKILL)
    return shards


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help="folders with PDFs; generated papers if there are none")
    parser.add_argument("--papers", type=int, default=1000)
    parser.add_argument("--shards", default="1,2,8")
    parser.add_argument("--latency", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--requests", type=int, default=3000, help="a minute")
    parser.add_argument("--disturb", action="store_true", help="kills and resizes in between")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    end_on_sigterm()
    kinds = [f"in_flight={given.in_flight}", f"requests={given.requests}"]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="rpa-shard-bench-") as temporary:
        scratch = Path(temporary)
        try:
            prepped = prepared(fill_shelf(scratch / "shelf", given.folders, given.papers), scratch)
            print(HEAD)
            for limits in kinds:
                for shards in map(int, given.shards.split(",")):
                    outcome = analyze(prepped, scratch, limits, shards, given.latency, disturb=given.disturb)
                    outcomes.append(outcome)
                    print(outcome.line(), flush=True)
        except (ContenderError, FileNotFoundError) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
