"""Commands for watching a run, and for looking back at it: `report`."""

from __future__ import annotations

import argparse

from rpa_shard.cli.output import OK, UsageError, say
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder


def report(parsed: argparse.Namespace, settings: Settings) -> int:
    """Writes a report on the last run, or on all of them."""
    from rpa_shard.observe.export.files import STANDARD_OUTPUT, ExportError, opened
    from rpa_shard.observe.report import report as make_report
    from rpa_shard.store.factory import open_ledger

    folder = DataFolder(settings.data_dir)
    with open_ledger(folder) as ledger:
        try:
            with opened(parsed.out) as file:  # before the work, which takes a while with millions of papers
                file.write(make_report(folder, ledger, settings, whole=parsed.all).encode())
        except ExportError as error:
            raise UsageError(str(error)) from None
    if parsed.out != STANDARD_OUTPUT:
        say(f"the report is in {parsed.out}: open it in a browser, or print it")
    return OK
