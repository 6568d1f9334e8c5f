"""The limit of a run, divided among its shards: what each may take, and how many papers have ended.

Guarantee: the papers are those that a run without a limit would take first; each shard gets as many as it has of them,
and after its death what the history of its papers leaves of that, so all shards of a run together never take more.
Limit: papers that are added, removed or sent back meanwhile may take the place of others; what living shards have ended
is known from their reports.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from rpa_shard.ipc.account import LimitOfRun
from rpa_shard.ipc.allowance import Allowance
from rpa_shard.ipc.messages import MayTake
from rpa_shard.ipc.shard_report import Work
from rpa_shard.model.phase import Phase
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of

NOTHING = Work()


class Allowances:
    """The allowances of the shards of one run over `phases`: `divide`, then `give` to each shard that starts.

    Without a limit there are none: nothing is divided, and nothing given.
    """

    def __init__(self, folder: DataFolder, phases: Collection[Phase], limit: int | None) -> None:
        self._engine = engine_of(folder)
        self._phases = phases
        self._left = limit
        self._ended_before = 0
        self._begun = 0.0
        self._marks: dict[int, int] = {}
        # What each shard was to take of the present division, and what it had left when its process started.
        self._divided: dict[int, Allowance] = {}
        self._given: dict[int, Allowance] = {}

    def divide(self) -> None:
        """Divides what is left among the shards, of which none lives. Raises StoreError."""
        if self._left is None:
            return
        self._begun = self._begun or time.time()
        with self._engine.open_ledger() as ledger:
            shares = ledger.shares_of_queue(self._phases, self._left, self._begun)
            shards = range(ledger.layout.shards)
        if self._divided:
            self._ended_before += _total(self._divided) - self._left
        self._divided = {number: Allowance(shares.get(number, {})) for number in shards}
        self._given = dict(self._divided)
        self._marks = {number: self._engine.ended(number, None).mark for number in shards}

    def give(self, number: int) -> MayTake | None:
        """What a shard may take, of which no process lives; None without a limit. Raises StoreError."""
        if self._left is None:
            return None
        self._given[number] = self._left_of(number)
        return MayTake(self._given[number].papers, self._begun)

    def collect(self) -> None:
        """Finds out what is left, before papers move between shards, of which none lives. Raises StoreError."""
        if self._left is None:
            return
        self._left = sum(self._left_of(number).total for number in self._divided)

    def so_far(self, work: Mapping[int, Work]) -> LimitOfRun | None:
        """How far the run is; `work` is what the last process of each shard has done. None without a limit."""
        if self._left is None:
            return None
        papers = self._ended_before + _total(self._divided)
        left = {
            number: each.after(work.get(number, NOTHING).ended, self._phases) for number, each in self._given.items()
        }
        return LimitOfRun(papers=papers, ended=papers - _total(left))

    def _left_of(self, number: int) -> Allowance:
        ended = self._engine.ended(number, self._marks[number]).claims
        return self._divided[number].after(ended, self._phases)


def _total(allowances: Mapping[int, Allowance]) -> int:
    return sum(each.total for each in allowances.values())
