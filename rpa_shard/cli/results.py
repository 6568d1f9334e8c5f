"""Commands for exporting papers: `export`."""

from __future__ import annotations

import argparse

from rpa_shard.cli.output import OK, SOME_FAILED, UsageError, say
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder


def export(parsed: argparse.Namespace, settings: Settings) -> int:
    """Writes one record for every paper."""
    from rpa_shard.observe.export import ExportError, Texts
    from rpa_shard.observe.export import export as export_papers
    from rpa_shard.store.factory import open_ledger

    folder = DataFolder(settings.data_dir)
    with open_ledger(folder) as ledger:
        try:
            texts = Texts(parsed.text, parsed.clean)
            done = export_papers(folder, ledger, parsed.out, format=parsed.format, what=parsed.what, texts=texts)
        except ExportError as error:
            raise UsageError(str(error)) from None
    damaged = f", {done.damaged} with missing or damaged files: see `verify`" if done.damaged else ""
    rows = f", {done.rows} references" if done.rows != done.papers else ""
    size = f", {done.size_bytes} bytes" if done.size_bytes is not None else ""
    say(f"exported {done.papers} papers{rows} to {parsed.out}{size}{damaged}")
    return SOME_FAILED if done.damaged else OK
