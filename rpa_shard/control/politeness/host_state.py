"""The state of one governed host.

Guarantee: a request counts at its host from its grant until it is known to have arrived, and from then on by that time.
Limit: what the state allows is the governor's decision.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.ipc.run_status import HostStatus

# What a shard sent before it died, and what a run sent before it ended, arrives within this.
LAST_WORDS_SECONDS = 0.2


def temporary_policy(host: str) -> HostPolicy:
    """The policy for a host without a published rate that asked us to slow down."""
    return HostPolicy(host, 10, 1.0, 64)


@dataclass(slots=True)
class HostState:
    """One governed host. Times are monotonic seconds.

    Requests with permits in `unanswered` may arrive at any moment; `arrived` has the latest time at which each earlier
    one did. `undecided` is a probe that was answered, while it is not known yet whether its paper's PDF comes. `rests`:
    it is closed for answers that may be no fault of its own, and opens at the rate that it had.
    """

    policy: HostPolicy
    arrived: deque[float]
    unanswered: set[int] = field(default_factory=set)
    temporary: bool = False
    wanted: dict[int, int] = field(default_factory=dict)
    lent: dict[int, tuple[int, float]] = field(default_factory=dict)
    closed_until: float | None = None
    closings: int = 0
    probe: int | None = None
    undecided: int | None = None
    rests: bool = False
    factor: float = 1.0
    calm_since: float = 0.0
    blocked: str | None = None
    why: str | None = None

    def note_arrival(self, permit: int, at: float) -> None:
        """The request of a permit has arrived by now; its window starts here."""
        if permit in self.unanswered:
            self.unanswered.remove(permit)
            self.arrived.append(max(at, self.arrived[-1]))

    def give_up(self, permit: int, now: float) -> None:
        """No report on a permit will come any more: its request may just have been sent."""
        del self.lent[permit]
        self.note_arrival(permit, now + LAST_WORDS_SECONDS)
        if self.probe == permit:
            self.probe = None

    def adopt(self, shard: int, permit: int, now: float, *, answered: bool) -> None:
        """A request is under way that was granted before."""
        self.lent[permit] = (shard, now)
        if not answered:
            self.unanswered.add(permit)


def changes(before: Mapping[str, HostStatus], after: Mapping[str, HostStatus]) -> Iterator[str]:
    """The hosts whose state has changed in a way that matters to a person."""
    for host in {**before, **after}:
        if _gist(before.get(host)) != _gist(after.get(host)):
            yield host


def _gist(host: HostStatus | None) -> tuple[object, ...]:
    if host is None:
        return ()
    return (host.blocked, host.closed_seconds is None, host.closings, host.factor)
