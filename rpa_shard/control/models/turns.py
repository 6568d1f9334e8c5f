"""Calls that wait for a model: whose turn is next.

Guarantee: calls of one shard are served in the order in which they came, shards in turn; a call at the head keeps its
place until it is served or forgotten, so smaller ones never overtake it. Each operation takes constant time. Limit:
whether the head may go is decided elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """A call that waits, with the tokens that are to be reserved for it."""

    shard: int
    number: int
    input_tokens: int
    output_tokens: int


class Turns:
    """The calls that wait for one model."""

    def __init__(self) -> None:
        # OrderedDict, because the first key of a dict from which many were taken is slow to find.
        self._by_shard: OrderedDict[int, OrderedDict[int, Turn]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, turn: Turn) -> None:
        """A call waits; one that waits already does not wait twice."""
        waiting = self._by_shard.setdefault(turn.shard, OrderedDict())
        self._count += turn.number not in waiting
        waiting[turn.number] = turn

    def head(self) -> Turn | None:
        """The call whose turn it is."""
        for waiting in self._by_shard.values():
            return next(iter(waiting.values()))
        return None

    def take(self) -> Turn | None:
        """Takes out the call whose turn it is; the next turn is another shard's."""
        turn = self.head()
        if turn is not None:
            self._by_shard.move_to_end(turn.shard)
            self.forget(turn.shard, turn.number)
        return turn

    def forget(self, shard: int, number: int) -> None:
        """A call waits no longer."""
        waiting = self._by_shard.get(shard)
        if waiting is not None and waiting.pop(number, None) is not None:
            self._count -= 1
            if not waiting:
                del self._by_shard[shard]

    def forget_shard(self, shard: int) -> None:
        """None of a shard's calls waits any longer."""
        self._count -= len(self._by_shard.pop(shard, ()))
