"""Extraction in a child process that may be killed: for suspects, and for untrusted PDFs.

Guarantee: a call ends within a moment of its deadline, or of `stop`, with a result or a `PaperError` that says what
happened; a child that hangs is killed with everything it started; one that causes its own death is `poison`, with the
signal, and one that something else has killed is `interrupted`; an exception in it is told as such, with its cause; a
child never outlives its parent (Linux). Limit: a child costs a process and a fifth of a second to start, and its memory
limit counts address space, not memory in use.

The protocol is one JSON object per line: `{"path", "engine", "pages"}` in, `{"extraction"}` or `{"failure", "detail"}`
out.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import read_with
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.system.content import Content
from rpa_shard.system.deaths import is_own_doing, signal_name
from rpa_shard.system.errors import cause_and_place, is_systems_fault
from rpa_shard.system.memory import oom_kills

# PDFium and pypdf keep some memory of each document: replacing the child from time to time frees it.
PAPERS_PER_CHILD = 500
MAX_RSS_BYTES = 600 * 2**20
GRACE_SECONDS = 1.0
# How often a waiting parent looks whether it is to stop.
LOOK_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
# The unit of `ru_maxrss`.
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class ExtractionChild:
    """A child process that extracts, started when first needed. One thread may use it at a time.

    Once another thread sets `stop`, the child is killed.
    """

    def __init__(self, memory_limit_bytes: int, stop: threading.Event | None = None) -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None
        self._papers = 0
        self._oom_kills_before = 0

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._process.pid if self._process else None

    def extract(
        self, content: Content, engine: str, deadline_seconds: float, max_pages: int | None = None
    ) -> Extraction:
        """As `rpa_shard.extract.runner.read_with`, in the child.

        Raises PaperError; besides the runner's failures with EXTRACT_TIMEOUT, POISON, INTERRUPTED, DISK_FULL (the
        system is at fault), or BUG (a Python exception).
        """
        assert isinstance(content, Path), "another process can only read files"
        self._recycle_if_due()
        process = self._running()
        self._papers += 1
        question = {"path": str(content), "engine": engine, "pages": max_pages}
        answer = self._ask(process, question, deadline_seconds)
        if answer is None:
            raise self._death()
        if "failure" in answer:
            raise PaperError(Failure(answer["failure"]), answer["detail"])
        return Extraction.from_json(answer["extraction"])

    def close(self) -> None:
        """Ends the child, which should be idle: it exits at the end of its input, or is killed."""
        if self._process is not None:
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
            self._kill()

    def _kill(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._oom_kills_before = oom_kills()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self._memory_limit_bytes), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                bufsize=0,
            )
            self._papers = 0
        return self._process

    def _recycle_if_due(self) -> None:
        if self._process is None:
            return
        with suppress(psutil.Error):
            if self._papers < PAPERS_PER_CHILD and psutil.Process(self._process.pid).memory_info().rss < MAX_RSS_BYTES:
                return
        self.close()

    def _ask(
        self, process: subprocess.Popen[bytes], question: Mapping[str, Any], deadline_seconds: float
    ) -> dict[str, Any] | None:
        """The child's answer, or None if it died. Raises EXTRACT_TIMEOUT or INTERRUPTED after killing it."""
        assert process.stdin is not None
        assert process.stdout is not None
        give_up = time.monotonic() + deadline_seconds
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(question).encode() + b"\n")
        parts: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not (parts and parts[-1].endswith(b"\n")):
                left = give_up - time.monotonic()
                if self._stop is not None and self._stop.is_set():
                    self._kill()
                    raise PaperError(Failure.INTERRUPTED, "the extraction was stopped")
                if not selector.select(max(0.0, left if self._stop is None else min(left, LOOK_SECONDS))):
                    if left > LOOK_SECONDS:
                        continue
                    self._kill()
                    raise PaperError(Failure.EXTRACT_TIMEOUT, f"extraction took more than {deadline_seconds:.3g} s")
                part = os.read(process.stdout.fileno(), 2**20)
                if not part:
                    return None
                parts.append(part)
        answer: dict[str, Any] = json.loads(b"".join(parts))
        return answer

    def _death(self) -> PaperError:
        """What the death of the child means for the paper that it was parsing."""
        process = self._process
        assert process is not None
        # Not `process.wait`: the peak of its memory is reported only once, to the call that collects it.
        _, status, usage = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        self._kill()
        if code >= 0:
            return PaperError(Failure.POISON, f"extraction exited with code {code}")
        name = signal_name(-code)
        if is_own_doing(
            -code,
            oom_kills=oom_kills() - self._oom_kills_before,
            peak_memory_bytes=usage.ru_maxrss * RSS_UNIT_BYTES,
            memory_limit_bytes=self._memory_limit_bytes,
        ):
            return PaperError(Failure.POISON, f"extraction died of {name}")
        return PaperError(Failure.INTERRUPTED, f"something else ended the extraction by {name}")


def _child(memory_limit_bytes: int, parent: int) -> None:
    """The child process, from start to end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit_bytes, memory_limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Native code may print; its output must not end up among our answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        _answer(answers, json.loads(line))


def _answer(answers: BinaryIO, question: Mapping[str, Any]) -> None:
    try:
        found = read_with(question["engine"], Path(question["path"]), question["pages"])
        content = json.dumps({"extraction": found.to_json()}).encode()
    except PaperError as error:
        content = _failure(error.failure, error.detail)
    except MemoryError:
        content = _failure(Failure.BAD_PDF, "its text needs more memory than a child may have")
    except (Exception, SystemExit) as error:
        if is_systems_fault(error):
            content = _failure(Failure.DISK_FULL, str(error))
        else:
            content = _failure(Failure.BUG, f"in the extraction child: {cause_and_place(error)}")
    view = memoryview(content + b"\n")
    while view:
        view = view[answers.write(view) :]


def _failure(failure: Failure, detail: str) -> bytes:
    return json.dumps({"failure": failure, "detail": detail}).encode()


if __name__ == "__main__":
    _child(int(sys.argv[1]), int(sys.argv[2]))
