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
UNKNOWN, BROKEN_PIPE = 3, 128 + 13


def main() -> int:
    try:
        from rpa_shard.cli.arguments import Parser
        from rpa_shard.cli.output import UsageError
        from rpa_shard.system.streams import discard_from_now_on, open_closed_streams, settle_streams
    except ModuleNotFoundError:
        _again_in_the_environment()
        print("UNKNOWN  setup: run ./run.sh once to set up .venv")
        return UNKNOWN
    open_closed_streams()
    parser = Parser(prog="healthcheck.py", description="Checks the run in a data folder.")
    parser.add_argument("--json", action="store_true", help="for programs")
    default = os.environ.get("RPA_V2_DATA_DIR", "").strip() or "data"
    parser.add_argument("--data-dir", default=default, metavar="FOLDER", help=f"default {default}")
    try:
        return check(parser.parse_args())
    except SystemExit as ended:
        return UNKNOWN if ended.code else 0  # 2 would say that something is critical
    except BrokenPipeError:
        discard_from_now_on(sys.stdout)
        return BROKEN_PIPE
    except (OSError, UsageError, ValueError) as error:
        say_unknown(error)
        return UNKNOWN
    finally:
        settle_streams()


def check(given: argparse.Namespace) -> int:
    """Prints every check; returns the worst level."""
    from rpa_shard.cli.output import print_lines
    from rpa_shard.config.knob import folder
    from rpa_shard.observe import health

    checks = health.check_folder(folder().parse(given.data_dir))
    print_lines([json.dumps(health.as_json(checks))] if given.json else health.lines(checks))
    return int(health.worst(checks))


def say_unknown(error: Exception) -> None:
    """Says why there is no answer, for the log of a monitor."""
    from rpa_shard.cli.main import in_words
    from rpa_shard.cli.output import report

    report(f"UNKNOWN  check: {in_words(error) if isinstance(error, OSError) else error}")


def _again_in_the_environment() -> None:
    """Restarts the script with the Python that run.sh set up; a cron job or a monitor may use the system's."""
    python = HERE.parent.parent / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.executable).absolute() != python:
        os.execv(python, [str(python), str(HERE), *sys.argv[1:]])


if __name__ == "__main__":
    raise SystemExit(main())
