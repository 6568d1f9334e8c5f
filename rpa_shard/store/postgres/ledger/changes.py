"""Changes of papers from outside a run: sending them back, taking them out.

Guarantee: a page of papers is one transaction, in which their rows are locked before anything is done, in the order of
their ids; so nothing is done to a paper that is held or has changed. Limit: the ids are in memory; papers that are
locked cannot be claimed until the page is done, and a run passes over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow

from rpa_shard.model.phase import INITIAL_STATUS, PHASES, PREP, Phase
from rpa_shard.store.changes import Before, Changes, Target, has_moved
from rpa_shard.store.postgres.ledger.session import Session, rows, written
from rpa_shard.store.postgres.shard.outcome_columns import storable
from rpa_shard.store.rows import PaperRow
from rpa_shard.system.failpoints import reach

# How many papers are changed in a transaction; fewer where files are removed in it, too.
PAGE_ROWS, PAGE_WITH_FILES = 5_000, 500


def redo(session: Session, targets: Sequence[Target], before: Before | None, moment: dict[str, Any]) -> Changes:
    """As `Ledger.redo`; `moment` is who and when, as the queries name them."""

    def work(connection: Connection[DictRow]) -> Changes:
        locked, found = _locked(connection, targets)
        ids = [paper_id for paper_id, status in locked.items() if status != INITIAL_STATUS]
        if ids:
            if before is not None:
                before(ids)
            written(connection, "redo", ids=ids, from_status=INITIAL_STATUS, phase=PREP.name, **moment)
        reach("before_change")
        return found + Changes(done=len(ids), waiting=len(locked) - len(ids))

    done = session.transaction(work)
    reach("after_change")
    return done


def remove(session: Session, targets: Sequence[Target], before: Before | None) -> Changes:
    """As `Ledger.remove`."""
    in_order = sorted(targets, key=lambda target: target.paper_id)
    size = PAGE_ROWS if before is None else PAGE_WITH_FILES
    pages = (in_order[start : start + size] for start in range(0, len(in_order), size))
    return sum((_remove_page(session, page, before) for page in pages), Changes())


def _remove_page(session: Session, targets: Sequence[Target], before: Before | None) -> Changes:
    def work(connection: Connection[DictRow]) -> Changes:
        locked, found = _locked(connection, targets)
        free = list(locked)
        if before is not None:
            named = list(dict.fromkeys(target.paper_id for target in targets))
            known = {row["id"] for row in rows(connection, "known_ids", ids=[each for each in named if _can_be(each)])}
            unknown = [paper_id for paper_id in named if paper_id not in known]
            if free or unknown:
                before(free + unknown)
        if free:
            written(connection, "remove", ids=free)
        reach("before_change")
        return found + Changes(done=len(free))

    done = session.transaction(work)
    reach("after_change")
    return done


def retry(session: Session, ids: Sequence[str], moment: dict[str, Any]) -> list[str]:
    """Sends those of the papers back that have failed; returns their ids."""
    phases = {
        "phases": [phase.name for phase in PHASES],
        "from_statuses": [phase.from_status.value for phase in PHASES],
    }

    def work(connection: Connection[DictRow]) -> list[str]:
        return [row["paper_id"] for row in rows(connection, "retry", ids=list(ids), **phases, **moment)]

    return session.transaction(work)


def requeue(session: Session, row: PaperRow, phase: Phase, detail: str, moment: dict[str, Any]) -> bool:
    """As `Ledger.requeue`."""
    wanted = {
        "id": row.paper_id,
        "status": row.status,
        "changed_at": row.changed_at,
        "from_status": phase.from_status,
        "phase": phase.name,
        "forgotten": [each.name for each in PHASES[PHASES.index(phase) :]],
        "detail": storable(detail),
    }
    return session.transaction(lambda connection: bool(rows(connection, "requeue", **wanted, **moment)))


def _locked(connection: Connection[DictRow], targets: Sequence[Target]) -> tuple[dict[str, str], Changes]:
    """The statuses of those papers that may be changed, by id, which are locked now; and how many may not."""
    wanted = {target.paper_id: target for target in targets}
    given = sorted(filter(_can_be, wanted))
    locked = rows(connection, "lock_targets", ids=given)
    # Looked up afterwards: a paper that is in neither answer has no row, and its files may be removed.
    known = len(rows(connection, "known_ids", ids=given))
    free = {row["id"]: row["status"] for row in locked if not has_moved(row["changed_at"], wanted[row["id"]])}
    left = Changes(held=known - len(locked), moved=len(locked) - len(free), unknown=len(wanted) - known)
    return free, left


def _can_be(paper_id: str) -> bool:
    """Whether PostgreSQL can hold such an id."""
    return storable(paper_id) == paper_id
