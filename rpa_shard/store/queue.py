"""The queue of all shards as one: which papers come first.

Guarantee: pure; every paper of a place comes before those of later places, and of those that share a place, each shard
gives its part, so that all shards have something to do. Limit: it counts papers, and does not name them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple, Self

from rpa_shard.model.phase import PHASES, Phase


class Place(NamedTuple):
    """A place in the queue: first come those whose time has come, later phases first, then by priority, then by time.

    Of those whose time is still to come only the time counts.
    """

    is_later: bool
    phases_before_last: int
    minus_priority: int
    next_attempt_at: float

    @classmethod
    def of(cls, phase: Phase, priority: int, next_attempt_at: float, now: float) -> Self:
        """The place of papers that `phase` would claim."""
        if next_attempt_at > now:
            return cls(True, 0, 0, next_attempt_at)
        return cls(False, len(PHASES) - PHASES.index(phase), -priority, next_attempt_at)


class Queued(NamedTuple):
    """Papers of a shard that share a place and a phase."""

    place: Place
    shard: int
    phase: str
    papers: int


def shares_of(queued: Iterable[Queued], papers: int) -> Mapping[int, Mapping[str, int]]:
    """How many of the first `papers` each shard has, by the name of the phase that would claim them."""
    shares: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for _, sharing in groupby(sorted(queued), key=lambda each: each.place):
        group = list(sharing)
        there = sum(each.papers for each in group)
        wanted = min(papers, there)
        papers -= wanted
        for each in group:
            taken = wanted * each.papers // there
            there, wanted = there - each.papers, wanted - taken
            if taken:
                shares[each.shard][each.phase] += taken
        if not papers:
            break
    return shares
