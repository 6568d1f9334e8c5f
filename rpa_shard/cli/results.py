"""Commands for what leaves the program: `export`, `extract`."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from typing import TYPE_CHECKING

from rpa_shard.cli.output import OK, SOME_FAILED, Counted, UsageError, print_lines, say
from rpa_shard.cli.selectors import chosen
from rpa_shard.config.settings import Settings
from rpa_shard.model.id_forms.grammar import shown
from rpa_shard.store.data_folder import DataFolder

if TYPE_CHECKING:
    from rpa_shard.observe.export import Exported, Order

# What rows are called where they are not papers.
_ROWS = {"references": "references", "bibliography": "works"}


def export(parsed: argparse.Namespace, settings: Settings) -> int:
    """Writes records, references, works or entries of the chosen papers."""
    from rpa_shard.intake.errors import IntakeError
    from rpa_shard.observe.export import ExportError, check_destination, each_once, is_stream, order
    from rpa_shard.observe.export import export as export_papers
    from rpa_shard.store.factory import open_ledger

    folder, papers = DataFolder.of(settings), chosen(parsed)
    given = None if papers.ids is None else Counted(each_once(papers.ids))
    try:
        check_destination(parsed.out, folder, force=parsed.force, many=parsed.shard_size is not None)
        wanted = order(
            parsed.out,
            what=parsed.what,
            format=parsed.format,
            text=parsed.text,
            clean=parsed.clean,
            shard_size=parsed.shard_size,
            is_stream=is_stream(parsed.out),
        )
        with open_ledger(folder) as ledger:
            rows = ledger.papers() if papers.everything else ledger.select(papers.selection, given)
            done = export_papers(folder, islice(rows, parsed.limit), wanted)
    except (ExportError, IntakeError) as error:
        raise UsageError(str(error)) from None
    missing = given.count - done.papers if given is not None and parsed.limit is None else 0
    say(f"exported {_account(done, wanted)}" + (f"; {missing} of the ids given are not among them" * bool(missing)))
    return SOME_FAILED if done.damaged or papers.invalid else OK


def _account(done: Exported, wanted: Order) -> str:
    """What was exported, in words."""
    from rpa_shard.observe.export import file_of_set

    rows = f", {done.rows} {_ROWS[wanted.what]}" if wanted.what in _ROWS else ""
    where = wanted.out if wanted.shard_size is None else f"{done.files} files, {file_of_set(wanted.out, 0)} …"
    size = f", {done.size_bytes} bytes" if done.size_bytes is not None else ""
    damaged = f", {done.damaged} with missing or damaged files: see `verify`" if done.damaged else ""
    return f"{done.papers} papers{rows} to {where}{size}{damaged}"


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
