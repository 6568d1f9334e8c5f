"""Choosing papers on the command line: the same arguments and options for every command that works on a set of them.

Guarantee: what is given becomes one `Selection` and a stream of canonical ids; memory does not grow with a list. Limit:
whether a paper exists is known only to the store.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rpa_shard.cli.output import UsageError, report
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PHASES, Status, phase_named
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.selection import Selection
from rpa_shard.system.program import program

_AGO = re.compile(r"(\d{1,6})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


def add_selector(sub: argparse.ArgumentParser) -> None:
    """Adds the arguments and options that choose papers; `chosen` reads them."""
    repeated: dict[str, Any] = {"action": "append", "default": []}
    sub.add_argument("ids", nargs="*", metavar="ID", help="only these papers")
    sub.add_argument(
        "--file", **repeated, metavar="F", help="only those in this list, in any format; - is standard input"
    )
    sub.add_argument("--column", metavar="NAME", help="the column (by name or number) or field of F that has the ids")
    sub.add_argument(
        "--status", **repeated, choices=[each.value for each in Status], metavar="S", help="only these: %(choices)s"
    )
    sub.add_argument(
        "--reason",
        **repeated,
        choices=[each.value for each in Failure],
        metavar="R",
        help="only papers whose last attempt failed for this reason: see `failures`",
    )
    sub.add_argument(
        "--phase",
        **repeated,
        choices=[each.name for each in PHASES],
        metavar="P",
        help="only papers that failed for good in this phase: %(choices)s",
    )
    sub.add_argument("--flag", **repeated, metavar="FLAG", help="only papers whose text has this flag, such as garbled")
    sub.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="only papers that changed since YYYY-MM-DD[THH:MM], or 30m, 2h, 7d ago",
    )
    sub.add_argument(
        "--category", **repeated, metavar="C", help="only papers in this category of the snapshot, such as cs.LG or cs"
    )
    sub.add_argument("--query", default="", metavar="WORDS", help="only papers with these words in their title")


@dataclass(slots=True)
class Chosen:
    """What a person chose: conditions, and ids, or None if none were given. `invalid` counts as the ids are read."""

    selection: Selection
    ids: Iterator[str] | None
    invalid: int = 0

    @property
    def everything(self) -> bool:
        """Whether nothing was given that chooses."""
        return self.ids is None and self.selection == Selection()


def chosen(parsed: argparse.Namespace) -> Chosen:
    """What the options of `add_selector` choose. Raises UsageError; reading the ids raises IntakeError."""
    from rpa_shard.intake.id_lines import ids_of

    if parsed.column and not parsed.file:
        raise UsageError("--column chooses a column of a list: give --file F too")
    selection = Selection(
        statuses=tuple(Status(each) for each in dict.fromkeys(parsed.status)),
        reasons=tuple(dict.fromkeys(parsed.reason)),
        failed_phases=tuple(phase_named(each) for each in dict.fromkeys(parsed.phase)),
        flags=tuple(dict.fromkeys(parsed.flag)),
        since=parsed.since,
        categories=tuple(dict.fromkeys(parsed.category)),
        words=parsed.query,
    )
    found = Chosen(selection, None)
    if parsed.ids or parsed.file:

        def note_invalid(line: str) -> None:
            found.invalid += 1
            report(line)

        found.ids = ids_of(parsed.ids, parsed.file, note_invalid, parsed.column)
    return found


def named_ids(parsed: argparse.Namespace, wanted: Chosen) -> list[str]:
    """The canonical ids that a person named one by one; none if there is a list too, which may be long."""
    if not parsed.ids or parsed.file or wanted.ids is None:
        return []
    named = list(wanted.ids)
    wanted.ids = iter(named)
    return named


def nothing_valid(parsed: argparse.Namespace, wanted: Chosen, named: list[str]) -> bool:
    """Whether a person named papers, and none of the names is one; that has been said."""
    return bool(wanted.invalid and not named and not parsed.file)


def not_chosen(ledger: Ledger, paper_ids: Iterable[str]) -> Iterator[str]:
    """A line for each paper that was named but is not among those that were chosen, which says why."""
    for paper_id in dict.fromkeys(paper_ids):
        row = ledger.paper(paper_id)
        if row is None:
            yield f"{paper_id} was never added: {program()} add {paper_id}"
        else:
            yield f"{paper_id} is {row.status}, and not one of those that the other options choose"


def moment(text: str) -> float:
    """A moment as Unix seconds: a day or a time of the local clock, or so long ago. Raises ArgumentTypeError."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return time.time() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write 2026-01-31, 2026-01-31T18:30, 2h or 7d"
        ) from None
