"""Commands for failures, damage and changes: `verify`, `repair`, `retry`, `hosts`, `failures`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from rpa_shard.cli.output import OK, SOME_FAILED, WRONG_USAGE, in_columns, print_lines, say
from rpa_shard.cli.selectors import chosen, named_ids, not_chosen, nothing_valid
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.rows import PaperRow


def verify(parsed: argparse.Namespace, settings: Settings) -> int:
    """Recounts the store against the files."""
    from rpa_shard.maintain.verify import verify as recount
    from rpa_shard.maintain.verify import verify_some
    from rpa_shard.store.factory import open_ledger

    folder, wanted = DataFolder.of(settings), chosen(parsed)
    named = named_ids(parsed, wanted)
    if nothing_valid(parsed, wanted, named):
        return WRONG_USAGE
    how, left = {"hashes": parsed.hashes, "fix": parsed.fix}, set(named)
    with open_ledger(folder) as ledger:
        if wanted.everything:
            found = recount(folder, ledger, **how)
        else:

            def rows() -> Iterator[PaperRow]:
                for row in ledger.select(wanted.selection, wanted.ids):
                    left.discard(row.paper_id)
                    yield row

            found = verify_some(folder, ledger, rows(), **how)
            for line in not_chosen(ledger, [each for each in named if each in left]):
                say(line)
    print_lines([json.dumps(found.as_json())] if parsed.json else found.lines())
    return OK if found.clean and not left and not wanted.invalid else SOME_FAILED


def repair(parsed: argparse.Namespace, settings: Settings) -> int:
    """Rebuilds files of the store that are damaged."""
    from rpa_shard.maintain.repair import repair as repair_folder

    done = repair_folder(DataFolder.of(settings), say)
    print_lines(done.lines())
    return OK if done.complete else SOME_FAILED


def retry(parsed: argparse.Namespace, settings: Settings) -> int:
    """Sends failed papers back to the phase in which they failed."""
    from rpa_shard.store.factory import open_ledger

    wanted = chosen(parsed)
    named = named_ids(parsed, wanted)
    if nothing_valid(parsed, wanted, named):
        return WRONG_USAGE
    left, moved = set(named), 0
    with open_ledger(DataFolder.of(settings)) as ledger:
        for paper_id in ledger.retry(wanted.selection, wanted.ids):
            left.discard(paper_id)
            moved += 1
    print_lines([f"back in the queue: {moved}"])
    phases, reasons = [phase.name for phase in wanted.selection.failed_phases], wanted.selection.reasons
    why = (f" in {' or '.join(phases)}" if phases else "") + (f" with {' or '.join(reasons)}" if reasons else "")
    for each in dict.fromkeys(each for each in named if each in left):
        say(f"{each}: not failed{why}, left as it is")
    return SOME_FAILED if wanted.invalid else OK


def hosts(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows governed hosts, or asks to reopen one."""
    from rpa_shard.config.host_policy import plain_host
    from rpa_shard.maintain.reopen import reopen
    from rpa_shard.observe.hosts import host_lines, known_hosts

    folder = DataFolder.of(settings)
    if parsed.reopen:
        print_lines(reopen(folder, [plain_host(each) for each in parsed.reopen]))
    else:
        print_lines(in_columns(host_lines(known_hosts(folder, settings))))
    return OK


def failures(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows every failure class and what follows from it."""
    from rpa_shard.model.retry import table_lines

    print_lines(table_lines())
    return OK
