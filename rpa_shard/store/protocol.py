"""What a shard needs of its store.

Guarantee of every implementation: a claim is exclusive and charged; whatever ends it does so only while its lease
id still stands in the row (the fence); a written end is durable when the call returns. Limit: one store serves
one shard; papers of other shards are not its business.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import Phase
from rpa_shard.store.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Counts:
    """How many papers are in each status, and how many failed for good for which reason."""

    by_status: Mapping[str, int] = field(default_factory=dict)
    by_failure: Mapping[str, int] = field(default_factory=dict)


class Store(Protocol):
    """The papers of one shard."""

    async def claim(self, phase: Phase, limit: int) -> list[Claim]:
        """Up to `limit` papers whose time has come, highest priority first, then longest waiting."""

    async def next_attempt_at(self, phase: Phase) -> float | None:
        """When the next claim can succeed (Unix seconds, perhaps past), or None if nothing waits."""

    async def renew(self, claims: Collection[Claim]) -> set[str]:
        """Extends the leases; returns the lease ids that were lost."""

    async def reclaim_expired(self, held: Collection[str]) -> int:
        """Hands back papers whose lease ran out, but for the lease ids that the caller still holds; returns how many.

        The clock alone ends no lease of a living holder: it may have been set.
        """

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """Ends a claim; False if its lease was lost, and then nothing was written."""

    async def save_prep_result(self, claim: Claim, result: Mapping[str, Any]) -> bool:
        """`prepping` to `prepped`, under the fence."""

    async def save_expensive_result(self, claim: Claim, result: Mapping[str, Any]) -> bool:
        """`analyzing` to `analyzed`, under the fence."""

    async def save_wrap_result(self, claim: Claim, result: Mapping[str, Any]) -> bool:
        """`wrapping` to `done`, under the fence."""

    async def counts(self) -> Counts:
        """A recount of all papers."""
