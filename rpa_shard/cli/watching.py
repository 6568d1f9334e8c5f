"""Commands for monitors, and for watching a run: `health`, `metrics`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import suppress

from rpa_shard.cli.output import OK, one_line, print_lines
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder


def health(parsed: argparse.Namespace, settings: Settings) -> int:
    """Prints every check; returns the worst level."""
    from rpa_shard.observe.health import as_json, check_folder, lines, worst

    checks = check_folder(settings.data_dir, settings.min_free_bytes)
    print_lines([json.dumps(as_json(checks))] if parsed.json else lines(checks))
    return int(worst(checks))


def report_unknown(given: Sequence[str], why: str) -> None:
    """Prints why there is no answer, on standard output: many monitors read nothing else."""
    from rpa_shard.observe.health import Check, Level, as_json, lines

    unknown = [Check("check", Level.UNKNOWN, one_line(why))]
    with suppress(OSError):  # output that fails is reported once all is settled
        print(json.dumps(as_json(unknown)) if "--json" in given else lines(unknown)[0])


def metrics(parsed: argparse.Namespace, settings: Settings) -> int:
    """Prints the metrics of the run, or of the folder at rest."""
    from rpa_shard.observe.metrics import metrics_of_folder

    # In one piece: a label may hold what Python takes for the end of a line.
    print_lines([metrics_of_folder(DataFolder(settings.data_dir)).removesuffix("\n")])
    return OK
