"""Arguments of the commands for watching a run, for people and for monitors.

Guarantee: as `rpa_shard.cli.arguments` says. Limit: likewise.
"""

from __future__ import annotations

from pathlib import Path

from rpa_shard.cli.arguments.parsing import AddCommand
from rpa_shard.cli.arguments.values import whole_number


def add_commands(command: AddCommand) -> None:
    """Commands for watching a run, for people and for monitors."""
    command("top", "watch a run in the terminal: workers, hosts, pace, waits, failures; q leaves", "top")

    sub = command(
        "health", "check the run; exit 0 OK, 1 warning, 2 critical, 3 unknown", "health --data-dir /srv/papers"
    )
    sub.add_argument("--json", action="store_true", help="for programs")
    sub.add_argument("--data-dir", metavar="F", help="the same as RPA_V2_DATA_DIR=F")

    sub = command("metrics", "print the run's metrics for Prometheus, as OpenMetrics", "metrics")
    sub.add_argument("--data-dir", metavar="F", help="the same as RPA_V2_DATA_DIR=F")

    sub = command("serve", "show the run and its papers as a page in the browser", "serve --port 8766")
    sub.add_argument(
        "--port", type=whole_number(0, 65_535), default=8766, metavar="P", help="default 8766; 0 chooses a free one"
    )
    sub.add_argument("--host", default="127.0.0.1", metavar="H", help="default 127.0.0.1; any other needs a token")
    sub.add_argument(
        "--token-file", type=Path, metavar="F", help="a file with the token, instead of RPA_V2_SERVE_TOKEN"
    )

    sub = command("report", "write a page with plots about the last run", "report --out report.html")
    sub.add_argument(
        "--out", required=True, type=Path, metavar="F", help="the HTML file to write; - is standard output"
    )
    sub.add_argument("--all", action="store_true", help="about everything that has happened in the folder")
