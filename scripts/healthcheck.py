#!/usr/bin/env python3
"""Checks the run in a data folder, as `rpa-shard health` does, with whatever Python starts it.

Exit codes are those of monitoring plugins: 0 OK, 1 warning, 2 critical, 3 unknown. One line per check, worst first.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
UNKNOWN = 3


def main() -> int:
    try:
        from rpa_shard.cli.main import main as run_command
    except ModuleNotFoundError:
        _again_in_the_environment()
        print("UNKNOWN  setup: run ./run.sh once to set up .venv")
        return UNKNOWN
    os.environ.setdefault("RPA_SHARD_PROGRAM", str(HERE.parent.parent / "run.sh"))
    return run_command(["health", *sys.argv[1:]])


def _again_in_the_environment() -> None:
    """Restarts the script with the Python that run.sh set up; a cron job or a monitor may use the system's."""
    python = HERE.parent.parent / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.executable).absolute() != python:
        os.execv(python, [str(python), str(HERE), *sys.argv[1:]])


if __name__ == "__main__":
    raise SystemExit(main())
