"""What a phase's runner must have besides `run`, for tests to which it does not matter."""

from __future__ import annotations

from collections.abc import Mapping

from rpa_shard.ipc.shard_report import Gauge
from rpa_shard.phases.runner import Result


class BareRunner:
    """A runner without slots, gauges, totals and tallies; a subclass has `run`."""

    @property
    def slots(self) -> Mapping[str, int]:
        return {}

    def summary(self, result: Result) -> str:
        return ""

    def gauges(self) -> Mapping[str, Gauge]:
        return {}

    def totals(self) -> Mapping[str, int]:
        return {}

    def tallies(self) -> Mapping[str, Mapping[str, int]]:
        return {}
