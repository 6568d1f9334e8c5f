"""What a run remembers of its past: what it has waited for, and what ended within the last hour.

Guarantee: pure, with the clock as an argument; a fixed amount of memory. Limit: as fine as the looks that are taken,
one a second; the hour is remembered by the minute.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping

from rpa_shard.ipc.account import Account, Cause, Limit, PastWait, Wait
from rpa_shard.ipc.run_status import LastHour
from rpa_shard.ipc.shard_report import Work

HOUR_SECONDS, MINUTE_SECONDS = 3600.0, 60.0
WAITS_KEPT = 50

Key = tuple[Cause, str]


class Waits:
    """What has been waited for. Times are Unix seconds."""

    def __init__(self) -> None:
        self._began: dict[Key, float] = {}
        self._seconds: dict[Key, float] = {}
        self._times: Counter[Key] = Counter()
        self._last_look: float | None = None
        # How long nothing was in work because everything had to wait.
        self.idle_seconds = 0.0

    @property
    def since(self) -> Mapping[Key, float]:
        """When each wait that lasts began."""
        return self._began

    def look(self, account: Account, now: float) -> None:
        """Takes in what is waited for now."""
        passed = 0.0 if self._last_look is None else max(0.0, now - self._last_look)
        self._last_look = now
        keys = {(wait.cause, wait.subject) for wait in account.waits}
        for key in keys:
            if key in self._began:
                self._seconds[key] += passed
            else:
                self._began[key] = now
                self._seconds.setdefault(key, 0.0)
                self._times[key] += 1
        for key in self._began.keys() - keys:
            del self._began[key]
        if account.limited_by is Limit.WAITING:
            self.idle_seconds += passed

    def past(self) -> tuple[PastWait, ...]:
        """What has been waited for, longest first; another turn at a host or a model is no wait to be told."""
        told = [key for key in self._times if key[0] not in (Cause.RATE, Cause.MODEL_RATE)]
        longest = sorted(told, key=lambda key: (-self._seconds[key], key))[:WAITS_KEPT]
        return tuple(
            PastWait(cause=key[0], subject=key[1], times=self._times[key], seconds=self._seconds[key])
            for key in longest
        )


def began_or_ended(before: Iterable[Wait], after: Iterable[Wait]) -> tuple[list[Wait], list[Wait]]:
    """The waits that have begun, and those that have ended."""
    old, new = ({(wait.cause, wait.subject): wait for wait in each} for each in (before, after))
    return [new[key] for key in new if key not in old], [old[key] for key in old if key not in new]


class Hour:
    """What has ended within the last hour."""

    def __init__(self, now: float) -> None:
        # The moment and the work by then, a minute apart; the first is what the hour is counted from.
        self._marks: deque[tuple[float, Work]] = deque([(now, Work())])

    def look(self, work: Work, now: float) -> LastHour:
        """The last hour, given all the work until now; `now` is in monotonic seconds."""
        if now - self._marks[-1][0] >= MINUTE_SECONDS:
            self._marks.append((now, _gist(work)))
            while len(self._marks) > 1 and self._marks[1][0] <= now - HOUR_SECONDS:
                self._marks.popleft()
        then, before = self._marks[0]
        return LastHour(
            seconds=now - then,
            completed=work.completed_claims - before.completed_claims,
            retried=_difference(work.retried, before.retried),
            failed=_difference(work.failed, before.failed),
        )


def _gist(work: Work) -> Work:
    """What an hour is counted from, without what takes memory."""
    return Work(ended=work.ended, retried=work.retried, failed=work.failed)


def _difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(after) - Counter(before))
