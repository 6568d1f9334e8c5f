"""Leases of a shard that are in doubt at one moment."""

from __future__ import annotations

from rpa_shard.store.lease_validity import LeaseInDoubtError, LeaseValidity


class DoubtedOnce(LeaseValidity):
    """Leases that are in doubt at the look of this number, counted from 1, before a request is sent."""

    def __init__(self, at_look: int) -> None:
        super().__init__(300.0)
        self.looks = 0
        self._at_look = at_look

    def check(self) -> None:
        self.looks += 1
        if self.looks == self._at_look:
            raise LeaseInDoubtError
