"""Running a command and counting what it and all its children used.

Guarantee: CPU time is the kernel's count for the process and all the children that it waited for, including short-lived
ones. Limit: memory and descriptors are sampled a few times a second, so a shorter peak is missed; memory is the sum of
the processes' proportional share (PSS), so shared pages count once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.25
# PSS makes the kernel walk the pages of a process: not at every sample.
SAMPLES_A_MEMORY_LOOK = 4


class ContenderError(Exception):
    """A contender cannot run, or failed; the message is one line."""


def end_on_sigterm() -> None:
    """Makes SIGTERM end a benchmark like Ctrl-C: it ends what it started and removes its files."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@dataclass(frozen=True, slots=True)
class Lag:
    """Lag of an event loop in milliseconds; of the worst loop if there are several."""

    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one run of one contender."""

    papers: int
    seconds: float
    cpu_seconds: float
    memory_peak_bytes: int
    descriptors_peak: int
    lag: Lag | None = None
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def papers_per_second(self) -> float:
        return self.papers / self.seconds

    @property
    def cpu_ms_per_paper(self) -> float:
        return self.cpu_seconds / self.papers * 1000


class Sampler:
    """Peaks over a process and its descendants, while the block runs. `look` is also called at each sample."""

    def __init__(self, pid: int, look: Callable[[], None] | None = None) -> None:
        self._pid = pid
        self._look = look
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.memory_peak_bytes = 0
        self.descriptors_peak = 0

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        samples = 0
        while not self._ended.wait(SAMPLE_SECONDS):
            with suppress(psutil.Error):
                root = psutil.Process(self._pid)
                self._sample([root, *root.children(recursive=True)], with_memory=samples % SAMPLES_A_MEMORY_LOOK == 0)
            if self._look is not None:
                self._look()
            samples += 1

    def _sample(self, processes: Sequence[psutil.Process], *, with_memory: bool) -> None:
        descriptors = memory = 0
        for process in processes:
            with suppress(psutil.Error, OSError):
                descriptors += process.num_fds()
                memory += process.memory_full_info().pss if with_memory else 0
        self.descriptors_peak = max(self.descriptors_peak, descriptors)
        self.memory_peak_bytes = max(self.memory_peak_bytes, memory)


def measure(
    command: Sequence[str | Path],
    papers: int,
    log: Path,
    *,
    environment: Mapping[str, str] = {},
    cores: Sequence[int] | None = None,
    may_exit: Sequence[int] = (0,),
    look: Callable[[], None] | None = None,
) -> Figures:
    """Runs a command to its end. Its output goes to `log`; `cores` binds it to some. Raises ContenderError."""
    with log.open("w") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT)
        if cores is not None:
            psutil.Process(process.pid).cpu_affinity(list(cores))
        with Sampler(process.pid, look) as sampler:
            try:
                _, status, used = os.wait4(process.pid, 0)
            except BaseException:
                process.terminate()
                process.wait()
                raise
        seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in may_exit:
        last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise ContenderError(f"exit {process.returncode}: {last[:200]}")
    cpu_seconds = used.ru_utime + used.ru_stime
    # A command that ended before the first look: the largest process, and no less than this one when it forked.
    memory_peak_bytes = sampler.memory_peak_bytes or used.ru_maxrss * 1024
    return Figures(papers, seconds, cpu_seconds, memory_peak_bytes, sampler.descriptors_peak)
