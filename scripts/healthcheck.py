#!/usr/bin/env python3
"""Checks the run in a data folder: `scripts/healthcheck.py [--json] [--data-dir FOLDER]`.

Exit codes are those of monitoring plugins: 0 OK, 1 warning, 2 critical, 3 unknown. One line per check.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
UNKNOWN = 3


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the run in a data folder.")
    parser.add_argument("--json", action="store_true", help="for programs")
    default = Path(os.environ.get("RPA_V2_DATA_DIR") or "data")
    parser.add_argument("--data-dir", type=Path, default=default, metavar="FOLDER", help=f"default {default}")
    given = parser.parse_args()
    try:
        from rpa_shard.observe import health
    except ModuleNotFoundError:
        _again_in_the_environment()
        print("UNKNOWN  setup: run ./run.sh once to set up .venv")
        return UNKNOWN
    checks = health.check_folder(given.data_dir.absolute())
    print(json.dumps(health.as_json(checks)) if given.json else "\n".join(health.lines(checks)))
    return int(health.worst(checks))


def _again_in_the_environment() -> None:
    """Restarts the script with the Python that run.sh set up; a cron job or a monitor may use the system's."""
    python = HERE.parent.parent / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.executable).absolute() != python:
        os.execv(python, [str(python), str(HERE), *sys.argv[1:]])


if __name__ == "__main__":
    raise SystemExit(main())
