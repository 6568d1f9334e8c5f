"""Where the view's figures come from: the run's status, and the store while no run is on.

Guarantee: only reads; opens the store only while no run is on, for no longer than a count takes, and spends at most a
small share of its time on counting; survives whatever happens to the run and to the folder, and says what is wrong.
Limit: at rest, changes of the store are seen a few seconds later.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.run_status import RunStatus, read_status
from rpa_shard.model.errors import StoreError
from rpa_shard.observe.snapshot import hosts_at_rest, snapshot
from rpa_shard.observe.top.watched import Watched
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.system.program import program

RECOUNT_SECONDS = 10.0
# A count that takes long is made the less often.
MAX_COUNTING_SHARE = 0.005


class NoRunError(Exception):
    """There is nothing to watch; the message is one line."""


class Source:
    """Looks at a data folder. Used by one thread at a time."""

    def __init__(self, folder: DataFolder, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._version: tuple[int, ...] | None = None
        self._run: RunStatus | None = None
        self._at_rest: Watched | None = None
        self._next_count = 0.0

    def look(self) -> Watched:
        """The folder now. Raises NoRunError before the first run."""
        problem = self._read_status()
        run = self._run
        if run is None:
            raise NoRunError(
                f"no run was ever made in {self._folder.root}: start one with {program()} run, then watch it"
            )
        if run.is_on:
            self._at_rest = None
            watched = self._of(run, on=True)
        else:
            watched = self._counted(run)
        return replace(watched, age_seconds=run.written.seconds_since(), problem=problem or watched.problem)

    def paper(self, paper_id: str) -> list[str]:
        """All that is known of a paper, or why nothing is, in lines. For any thread."""
        # Imported here: it brings all that a run needs, and a person wants to see something at once.
        from rpa_shard.observe.show import NotShownError, show

        try:
            with open_ledger(self._folder) as ledger:
                return show(self._folder, ledger, paper_id)
        except (NotShownError, StoreError, OSError) as error:
            return [str(error)]

    def _read_status(self) -> str:
        """Reads the status if it has changed; returns what is wrong with it, if anything is."""
        path = self._folder.run.status_file
        try:
            found = os.stat(path)  # noqa: PTH116  # a look a second costs as little as it can
        except OSError as error:
            return f"status.json: {error.strerror}"
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if version != self._version:
            run = read_status(path)
            if run is None:
                return "status.json is of another version of the program"
            self._version, self._run = version, run
        return ""

    def _of(self, run: RunStatus, *, on: bool) -> Watched:
        return Watched(
            folder=str(self._folder.root), on=on, account=run.account, run=run, hosts=run.hosts, hosts_at=run.written_at
        )

    def _counted(self, run: RunStatus) -> Watched:
        """The folder at rest, counted now or a short while ago."""
        began = time.monotonic()
        if self._at_rest is not None and self._at_rest.run == run and began < self._next_count:
            return self._at_rest
        try:
            with open_ledger(self._folder) as ledger:
                found = snapshot(self._folder, ledger, self._settings)
            watched = replace(self._of(run, on=False), account=found.account)
        except (StoreError, OSError) as error:
            watched = replace(self._of(run, on=False), problem=str(error))
        watched = replace(watched, hosts=hosts_at_rest(self._folder), hosts_at=time.time())
        now = time.monotonic()
        self._at_rest, self._next_count = watched, now + max(RECOUNT_SECONDS, (now - began) / MAX_COUNTING_SHARE)
        return watched
