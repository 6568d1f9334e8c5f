"""Where log lines go: standard error, or a file of limited size.

Guarantee: one line per event, with time, level and process (`supervisor`, `shard 3`). Limit: lines are written by the
thread that logs; if the reader of standard error stops reading, the process stops too.
"""

from __future__ import annotations

import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_FILE_BYTES = 50_000_000
FILES_KEPT = 3


class _UniversalTime(logging.Formatter):
    converter = staticmethod(time.gmtime)


def log_to(file: Path | None, process: str) -> None:
    """Sends this process's log lines to `file`, or to standard error where it is None."""
    logging.raiseExceptions = False  # a full disk must not fill the terminal with tracebacks
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler()
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(file, maxBytes=MAX_FILE_BYTES, backupCount=FILES_KEPT, delay=True)
    handler.setFormatter(
        _UniversalTime(f"%(asctime)s.%(msecs)03dZ %(levelname)s {process}: %(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("rpa_shard").setLevel(logging.INFO)
