"""Commands for looking at papers: `list`, `show`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from rpa_shard.cli.output import (
    OK,
    SOME_FAILED,
    WRONG_USAGE,
    Counted,
    UsageError,
    columns_of_output,
    print_lines,
    say,
)
from rpa_shard.cli.selectors import chosen, named_ids, not_chosen, nothing_valid
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.rows import PaperRow

SHOWN = 20
# Of more papers than this it is not said how many there are: counting all might take long.
MOST_COUNTED = 10_000


def list_(parsed: argparse.Namespace, settings: Settings) -> int:
    """Lists the chosen papers, or counts them."""
    from rpa_shard.store.factory import engine_of, open_ledger

    wanted, folder = chosen(parsed), DataFolder.of(settings)
    named = named_ids(parsed, wanted)
    if nothing_valid(parsed, wanted, named):
        return WRONG_USAGE
    with open_ledger(folder) as ledger, engine_of(folder).open_catalogue() as catalogue:
        if parsed.count:
            papers = ledger.count_selected(wanted.selection, wanted.ids)
            print_lines([str(papers if parsed.limit is None else min(papers, parsed.limit))])
        else:
            rows = islice(ledger.select(wanted.selection, wanted.ids), parsed.limit)
            title_of = catalogue.title if catalogue is not None else lambda _: None
            listed = Counted(_listed(rows, title_of, as_json=parsed.json))
            print_lines(listed)
            if not listed.count and not wanted.invalid and not named:
                say("there are no papers" if wanted.everything else "no paper is chosen by that")
        unknown = [each for each in dict.fromkeys(named) if ledger.paper(each) is None]
        for line in not_chosen(ledger, unknown):
            say(line)
    return SOME_FAILED if wanted.invalid or unknown else OK


def _listed(rows: Iterable[PaperRow], title_of: Callable[[str], str | None], *, as_json: bool) -> Iterator[str]:
    from rpa_shard.observe import listing

    if as_json:
        return (json.dumps(listing.as_json(row, title_of(row.paper_id)), ensure_ascii=False) for row in rows)
    return listing.lines(rows, title_of, columns_of_output())


def show(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows the chosen papers."""
    from rpa_shard.observe.show import NotShownError, show_clean
    from rpa_shard.observe.show import show as show_paper
    from rpa_shard.store.factory import open_ledger

    wanted, folder = chosen(parsed), DataFolder.of(settings)
    if wanted.everything:
        raise UsageError("which papers? give an ID, or an option that chooses some, such as --reason not_found")
    named = named_ids(parsed, wanted)
    if nothing_valid(parsed, wanted, named):
        return WRONG_USAGE
    left, shown, wrong = set(named), 0, 0
    with open_ledger(folder) as ledger:
        rows = ledger.select(wanted.selection, wanted.ids)
        for row in islice(rows, SHOWN if parsed.limit is None else parsed.limit):
            left.discard(row.paper_id)
            try:
                lines = (show_clean if parsed.clean else show_paper)(folder, ledger, row.paper_id)
            except NotShownError as error:
                say(str(error))
                wrong += 1
                continue
            print_lines(["", *lines] if shown else lines)
            shown += 1
        _say_how_many_more(rows, left)
        for line in not_chosen(ledger, [each for each in named if each in left]):
            say(line)
            wrong += 1
    if not shown and not wrong and not wanted.invalid:
        say("no paper is chosen by that")
    if wrong and not shown:
        return WRONG_USAGE
    return SOME_FAILED if wrong or wanted.invalid else OK


def _say_how_many_more(rows: Iterator[PaperRow], left: set[str]) -> None:
    more = 0
    for row in islice(rows, MOST_COUNTED):
        left.discard(row.paper_id)
        more += 1
    if more:
        say(f"and {'at least ' if more == MOST_COUNTED else ''}{more} more: --limit N shows up to N papers")
