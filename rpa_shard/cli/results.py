"""Commands for looking at papers and exporting them: `show`, `export`, `extract`."""

from __future__ import annotations

import argparse
import json
import sys

from rpa_shard.cli.output import OK, SOME_FAILED, UsageError, paper_named, print_lines, say
from rpa_shard.config.settings import Settings
from rpa_shard.model.id_forms.grammar import shown
from rpa_shard.store.data_folder import DataFolder


def show(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows one paper."""
    from rpa_shard.observe.show import NotShownError, show_clean
    from rpa_shard.observe.show import show as show_paper
    from rpa_shard.store.factory import open_ledger

    folder, paper_id = DataFolder(settings.data_dir), paper_named(parsed.id).canonical
    with open_ledger(folder) as ledger:
        try:
            print_lines((show_clean if parsed.clean else show_paper)(folder, ledger, paper_id))
        except NotShownError as error:
            raise UsageError(str(error)) from None
    return OK


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


def extract(parsed: argparse.Namespace, settings: Settings) -> int:
    """Reads PDFs that need not be in any data folder."""
    from rpa_shard.api.reading import read
    from rpa_shard.model.failure import PaperError

    code = OK
    for name in parsed.pdfs:
        try:
            record = read(
                sys.stdin.buffer if name == "-" else name,
                engine=parsed.engine or settings.engine,
                isolated=settings.extract_pool == "process",
                deadline_seconds=settings.extract_deadline_seconds,
                memory_bytes=settings.child_memory_bytes,
            )
        except PaperError as error:
            say(f"{shown(name, 200)}: {error}")
            code = SOME_FAILED
        except (OSError, ValueError) as error:
            say(f"{shown(name, 200)}: {error.strerror if isinstance(error, OSError) else error}")
            code = SOME_FAILED
        else:
            text = record.clean_text if parsed.clean else record.text
            print_lines([json.dumps(record.as_dict(), ensure_ascii=False) if parsed.json else text.rstrip("\n")])
    return code
