"""Where log lines go: always to a file of the process, and to standard error as far as a person wants them.

Guarantee: times are in UTC; files hold every line from level `info` on, have a bounded size and are rotated; a line of
progress reaches standard error whatever its level. Limit: with a full disk lines are lost, not the run; without a file
that can be written there are only those on standard error.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_FILE_BYTES = 50_000_000
FILES_KEPT = 3
# Lines of progress come from this logger.
PROGRESS = "rpa_shard.progress"


@dataclass(frozen=True, slots=True)
class Console:
    """What standard error shows: lines of this level (`info`, `warning`, `error`) and above, as text or as JSON."""

    level: str
    json: bool = False


def log_to(file: Path, process: str, console: Console | None) -> None:
    """Sends this process's log lines to `file`, and to standard error if there is a `console`."""
    logging.raiseExceptions = False  # a full disk must not fill the terminal with tracebacks
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    if console is not None:
        on_error_stream = logging.StreamHandler()
        on_error_stream.addFilter(_Wanted(logging.getLevelNamesMapping()[console.level.upper()]))
        on_error_stream.setFormatter(_Json(process) if console.json else _text(process))
        root.addHandler(on_error_stream)
    root.setLevel(logging.WARNING)
    logging.getLogger("rpa_shard").setLevel(logging.INFO)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logging.getLogger(__name__).warning("no log file: %s: %s", file.parent, error.strerror)
        return
    in_file = RotatingFileHandler(file, maxBytes=MAX_FILE_BYTES, backupCount=FILES_KEPT, delay=True)
    in_file.setFormatter(_text(process))
    root.addHandler(in_file)


class _Wanted(logging.Filter):
    """Lines from a level on, and those of progress."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self._level or record.name == PROGRESS


class _UniversalTime(logging.Formatter):
    converter = staticmethod(time.gmtime)


def _text(process: str) -> logging.Formatter:
    return _UniversalTime(f"%(asctime)s.%(msecs)03dZ %(levelname)s {process}: %(message)s", "%Y-%m-%dT%H:%M:%S")


class _Json(_UniversalTime):
    """One JSON object a line: `at`, `level`, `process`, `logger`, `message`, and `traceback` for a defect."""

    def __init__(self, process: str) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%S")
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": f"{self.formatTime(record, self.datefmt)}.{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
