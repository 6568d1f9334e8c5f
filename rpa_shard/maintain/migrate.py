"""Moving all papers with their results, histories and places in the queue from one store into another.

Guarantee: may be killed at any point and run again; at every moment at most one of the two stores can be used, and the
source is given up only after the target was counted. Limit: no run is on meanwhile and nobody holds a paper; papers'
files and the catalogue stay where they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

from rpa_shard.model.errors import StoreError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import movable_store
from rpa_shard.store.moving import FOLDER, Mark, MovableStore, Totals, refusal
from rpa_shard.system.failpoints import reach

SAID_EVERY = 100_000


def migrate(folder: DataFolder, to: str, say: Callable[[str], None]) -> list[str]:
    """Moves the papers of a folder to the database at the URL `to`, or from its database to FOLDER; what to print.

    Raises StoreError.
    """
    if to == FOLDER and folder.store is None:
        raise StoreError("the papers are in the data folder already: RPA_V2_STORE names the database to move them from")
    if to != FOLDER and folder.store not in (None, to):
        raise StoreError("RPA_V2_STORE names another database: papers are moved from the data folder only")
    in_folder, in_database = replace(folder, store=None), replace(folder, store=folder.store if to == FOLDER else to)
    source, target = (in_database, in_folder) if to == FOLDER else (in_folder, in_database)
    leaving = movable_store(source)
    if leaving.mark() is None and leaving.layout() is None:
        raise StoreError(f"no papers in {leaving.shown} yet, so there is nothing to move")
    folder.root.mkdir(parents=True, exist_ok=True)
    with folder.run.run_lock():
        return move(leaving, movable_store(target), say)


def move(source: MovableStore, target: MovableStore, say: Callable[[str], None]) -> list[str]:
    """The same between any two stores."""
    layout, mark = source.layout(), source.mark()
    if mark is not None and (not mark.leaves or mark.other != target.place):
        raise refusal(source.shown, mark)
    given = mark or Mark(uuid.uuid4().hex, True, target.place)
    _check_target(target, given)
    if not given.complete:
        assert layout is not None
        source.set_mark(given)
        try:
            _check_source(source)
        except StoreError:
            source.set_mark(mark)
            raise
        reach("move_begun")
        target.set_mark(Mark(given.move, False, source.place))
        target.make(layout)
        _copy(source, target, say)
        source.set_mark(replace(given, complete=True))
        reach("move_counted")
    there = target.totals()
    mark_there = target.mark()
    if mark_there is not None and mark_there.move == given.move:
        target.set_mark(None)
    reach("move_opened")
    source.retire()
    from_now_on = "work there without RPA_V2_STORE" if target.place == FOLDER else f"set RPA_V2_STORE={target.place}"
    return [
        f"{there.papers} papers and {there.lines} lines of history are in {target.shown} now",
        f"from now on {from_now_on}",
    ]


def _check_target(target: MovableStore, given: Mark) -> None:
    """A target is empty, or has what an earlier attempt left there."""
    mark, there = target.mark(), target.totals()
    if mark is not None and mark.move == given.move:
        return
    if given.complete:
        return  # It was opened since, and works.
    if mark is not None and not (mark.leaves and mark.complete and not there.papers):
        raise refusal(target.shown, mark)
    if there.papers:
        raise StoreError(f"{target.shown} has {there.papers} other papers: papers are moved into an empty one only")


def _check_source(source: MovableStore) -> None:
    """Nobody works on it."""
    there = source.totals()
    if there.nodes:
        raise StoreError(f"nodes are at work on {source.shown}: {', '.join(there.nodes)}: `drain` them first")
    if there.held:
        raise StoreError(
            f"{there.held} papers of {source.shown} are held by a run that died: `run` takes them back, "
            "end it with Ctrl-C, then move them"
        )


def _copy(source: MovableStore, target: MovableStore, say: Callable[[str], None]) -> None:
    papers = 0
    for page in source.pages():
        target.take_in(page)
        reach("moved_page")
        if papers // SAID_EVERY != (papers + len(page)) // SAID_EVERY:
            say(f"{papers + len(page)} papers are copied")
        papers += len(page)
    before, after = source.totals(), target.totals()
    if _kept(before) != _kept(after):
        raise StoreError(
            f"{target.shown} has {after.papers} papers and {after.lines} lines of history, {source.shown} has "
            f"{before.papers} and {before.lines}: nothing was given up; please report it"
        )


def _kept(totals: Totals) -> tuple[int, int]:
    return totals.papers, totals.lines
