"""Commands for sets of papers: `remove`, `redo`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator

from rpa_shard.cli.output import OK, SOME_FAILED, UsageError, print_lines, say
from rpa_shard.cli.selectors import Chosen, chosen, named_ids, not_chosen
from rpa_shard.config.settings import Settings
from rpa_shard.store.changes import Target
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.selection import EVERY_PAPER


def remove(parsed: argparse.Namespace, settings: Settings) -> int:
    """Takes papers out of the queue."""
    from rpa_shard.intake.errors import IntakeError
    from rpa_shard.maintain.remove import Removal
    from rpa_shard.maintain.remove import remove as remove_papers
    from rpa_shard.store.factory import open_ledger

    wanted, done, problem = _chosen(parsed), Removal(), ""
    folder = DataFolder.of(settings)
    with open_ledger(folder) as ledger:
        try:
            if parsed.dry_run:
                print_lines(_would_remove(ledger, wanted))
                return SOME_FAILED if wanted.invalid else OK
            remove_papers(folder, ledger, _targets(ledger, wanted), done, files=parsed.files)
        except IntakeError as error:
            problem = str(error)
    changes = done.changes
    if not problem or changes.done:
        files = f" and {done.files} files" if parsed.files else ""
        print_lines([f"removed {changes.done} papers{files}"])
    left = {
        "not in the queue": changes.unknown,
        "changed meanwhile and left: repeat the command": changes.moved,
        f"in work and left: {_when_free(folder)}": changes.held,
    }
    print_lines(f"{count} {what}" for what, count in left.items() if count)
    if problem:
        raise UsageError(problem)
    return SOME_FAILED if wanted.invalid or changes.held or changes.moved else OK


def redo(parsed: argparse.Namespace, settings: Settings) -> int:
    """Sends papers back to be extracted again from the PDFs that are there."""
    from rpa_shard.intake.errors import IntakeError
    from rpa_shard.maintain.redo import Redone
    from rpa_shard.maintain.redo import redo as send_back
    from rpa_shard.store.factory import open_ledger

    wanted, done, problem = _chosen(parsed), Redone(), ""
    folder = DataFolder.of(settings)
    not_found = dict.fromkeys(named_ids(parsed, wanted))
    with open_ledger(folder) as ledger:
        try:
            rows = _noting(_selected(ledger, wanted), not_found)
            send_back(folder, ledger, rows, done, download=parsed.download)
        except IntakeError as error:
            problem = str(error)
        for line in not_chosen(ledger, not_found):
            say(line)
    changes = done.changes
    if not problem or changes.done:
        fetched = f", {done.without_pdf} of them after another download" if parsed.download and done.without_pdf else ""
        print_lines([f"{changes.done} papers will be extracted again{fetched}: `run` does it"])
    left = {
        "without a PDF here and left: --download fetches them again": 0 if parsed.download else done.without_pdf,
        "waiting to be extracted anyway": changes.waiting,
        "changed meanwhile and left: repeat the command": changes.moved + changes.unknown,
        f"in work and left: {_when_free(folder)}": changes.held,
    }
    print_lines(f"{count} {what}" for what, count in left.items() if count)
    if problem:
        raise UsageError(problem)
    return SOME_FAILED if wanted.invalid or changes.held or changes.moved else OK


def _chosen(parsed: argparse.Namespace) -> Chosen:
    """What the person chose, which must be something. Raises UsageError."""
    wanted = chosen(parsed)
    if wanted.everything and not parsed.all:
        raise UsageError(
            f"{parsed.command} which papers? give ids, --file F or a condition such as --status failed; --all takes all"
        )
    if parsed.all and not wanted.everything:
        raise UsageError("--all takes all papers: leave it out, or leave out what chooses among them")
    return wanted


def _targets(ledger: Ledger, wanted: Chosen) -> Iterator[Target]:
    """The papers to change: the given ids as they are, so that those without a row count, too, or what is selected."""
    if wanted.ids is not None and wanted.selection == EVERY_PAPER:
        yield from map(Target, wanted.ids)
    else:
        yield from (Target(row.paper_id, row.changed_at) for row in _selected(ledger, wanted))


def _noting(rows: Iterator[PaperRow], not_found: dict[str, None]) -> Iterator[PaperRow]:
    """The rows, which are taken off the list of those that were not found."""
    for row in rows:
        not_found.pop(row.paper_id, None)
        yield row


def _selected(ledger: Ledger, wanted: Chosen) -> Iterator[PaperRow]:
    return ledger.select(wanted.selection, wanted.ids)


def _would_remove(ledger: Ledger, wanted: Chosen) -> Iterator[str]:
    """What a removal would do now."""
    found: Counter[str] = Counter()
    held = 0
    for row in _selected(ledger, wanted):
        found[row.status] += row.lease_id is None
        held += row.lease_id is not None
    states = ", ".join(f"{count} {status}" for status, count in sorted(found.items()) if count)
    yield f"would remove {found.total()} papers{f': {states}' if states else ''}"
    if held:
        yield f"{held} in work would be left"


def _when_free(folder: DataFolder) -> str:
    """What to do about papers that are held."""
    from rpa_shard.ipc.run_status import read_status

    run = read_status(folder.run.status_file)
    if run is not None and run.is_alive:
        return "repeat the command when the run has ended"
    return "a run was killed, and the next `run` frees them"
