"""Commands for watching a run, for people and for monitors, and for looking back at it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from rpa_shard.cli.output import OK, UsageError, one_line, print_lines, say
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder

# Less is no width that anybody means.
MIN_COLUMNS, USUAL_COLUMNS = 20, 80


def top(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows a run in the terminal until the person leaves; prints it once where there is no terminal."""
    from rpa_shard.observe.top.screen import snapshot
    from rpa_shard.observe.top.source import NoRunError, Source
    from rpa_shard.observe.top.text import in_encoding, plain

    source = Source(DataFolder.of(settings), settings)
    try:
        first = source.look()
    except NoRunError as error:
        raise UsageError(str(error)) from None
    if not _is_a_screen():
        columns = shutil.get_terminal_size().columns
        lines = snapshot(first, columns if columns >= MIN_COLUMNS else USUAL_COLUMNS, time.time())
        print_lines(in_encoding(plain(each).rstrip(), sys.stdout.encoding) for each in lines)
        return OK
    try:
        from rpa_shard.observe.top.app import watch
    except ModuleNotFoundError:
        raise UsageError(
            "top needs the package textual: pip install 'rpa-shard[top]', or in a clone ./scripts/setup.sh"
        ) from None
    return watch(source, first)


def _is_a_screen() -> bool:
    """Whether there is a terminal that can be drawn on, and a person at it."""
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    return os.environ.get("TERM", "dumb") not in ("", "dumb") and all(
        each is not None and not each.closed and each.isatty() for each in streams
    )


def health(parsed: argparse.Namespace, settings: Settings) -> int:
    """Prints every check; returns the worst level."""
    from rpa_shard.observe.health import as_json, check_run, lines, worst

    checks = check_run(settings)
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
    print_lines([metrics_of_folder(DataFolder.of(settings), settings).removesuffix("\n")])
    return OK


def report(parsed: argparse.Namespace, settings: Settings) -> int:
    """Writes a report on the last run, or on all of them."""
    from rpa_shard.observe.export.files import STANDARD_OUTPUT, ExportError, opened
    from rpa_shard.observe.report import report as make_report
    from rpa_shard.store.factory import open_ledger

    folder = DataFolder.of(settings)
    with open_ledger(folder) as ledger:
        if parsed.out == STANDARD_OUTPUT:
            print_lines([make_report(folder, ledger, settings, whole=parsed.all).rstrip("\n")])
            return OK
        try:
            with opened(parsed.out) as file:  # before the work, which takes a while with millions of papers
                file.write(make_report(folder, ledger, settings, whole=parsed.all).encode())
        except ExportError as error:
            raise UsageError(str(error)) from None
    say(f"the report is in {parsed.out}: open it in a browser, or print it")
    return OK


def serve(parsed: argparse.Namespace, settings: Settings) -> int:
    """Serves a page about the run until Ctrl-C."""
    from rpa_shard.observe.serve.server import ServeError
    from rpa_shard.observe.serve.server import serve as serve_page

    token = settings.serve_token
    if parsed.token_file is not None:
        try:
            token = parsed.token_file.read_text().strip()
        except UnicodeDecodeError:
            raise UsageError(f"{parsed.token_file}: not text") from None
    folder = DataFolder.of(settings)

    def announce(url: str) -> None:
        # The token itself is not shown: a terminal is often recorded.
        print_lines([f"{folder.root} is shown at {url}{'?token=…' if token else ''}, until Ctrl-C"])

    try:
        serve_page(folder, settings, parsed.host, parsed.port, token, announce)
    except ServeError as error:
        raise UsageError(str(error)) from None
    return OK
