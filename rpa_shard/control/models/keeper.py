"""Keeps what a governor of models knows for the next run: before permits are sent, now and then, and at the end.

Guarantee: what is granted is on file before `keeps` allows it to be sent. Limit: a killed process loses nothing, a loss
of power may lose what was spent within the last half minute: only then, and at the end, the disk is waited for.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from rpa_shard.control.governors.memory import Memory, UnsavedError
from rpa_shard.control.models.ahead import AHEAD_SECONDS, Ahead
from rpa_shard.control.models.governor import Grant, ModelGovernor
from rpa_shard.control.models.spending import Now

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
SAVE_DAY_SECONDS = 30.0


class Keeper:
    """Keeps the state of one governor in a memory."""

    def __init__(self, memory: Memory, governor: ModelGovernor, now: Now) -> None:
        self._memory = memory
        self._governor = governor
        self._ahead = Ahead()
        self._saved_at = self._day_saved_at = now.monotonic
        self._has_news = self._day_has_news = False
        self._can_save = True

    def restore(self, now: Now) -> None:
        """Gives the governor what the last run has kept."""
        found = self._memory.models()
        if found is not None:
            content, age_seconds = found
            self._governor.restore(content, age_seconds, AHEAD_SECONDS, now)

    def news(self) -> None:
        """Something has happened that the next run should know."""
        self._has_news = self._day_has_news = True

    def keeps(self, granted: Collection[Grant], now: Now, *, must: bool) -> bool:
        """Whether these calls may be sent: saves what is not on file yet. `must`: save in any case."""
        covered = not granted or self._covers(granted, now)
        due = self._has_news and now.monotonic - self._saved_at >= SAVE_SECONDS
        if must or due or not covered:
            covered = self._save(now, ahead=True) or covered
        if self._day_has_news and now.monotonic - self._day_saved_at >= SAVE_DAY_SECONDS:
            self._save_day(now)
        return covered

    def close(self, now: Now) -> None:
        """The run ends: keeps everything, and waits for the disk."""
        self._save(now, ahead=False)
        self._save_day(now)

    def _covers(self, granted: Collection[Grant], now: Now) -> bool:
        governor = self._governor
        return self._ahead.covers(granted, governor.counts(now), governor.day, now.monotonic)

    def _save(self, now: Now, *, ahead: bool) -> bool:
        """Saves everything, with `ahead` also what may be granted until the next time; False if that failed."""
        self._saved_at, self._has_news = now.monotonic, False
        allowed = self._ahead.allow(self._governor.counts(now)) if ahead else {}
        try:
            self._memory.save_models(self._governor.saved(allowed, now))
        except UnsavedError as error:
            if self._can_save:
                log.warning("%s cannot be written, so no model is asked: %s", error.place, error.why)
            self._can_save, self._has_news = False, True
            return False
        self._can_save = True
        self._ahead.saved(allowed, self._governor.day, now.monotonic)
        return True

    def _save_day(self, now: Now) -> None:
        self._day_saved_at, self._day_has_news = now.monotonic, False
        try:
            self._memory.save_day(self._governor.saved({}, now))
        except UnsavedError as error:
            log.warning("%s", error)
