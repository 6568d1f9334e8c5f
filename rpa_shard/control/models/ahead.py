"""What may be granted before the states of models are saved again: what is granted is saved first.

Guarantee: calls that were neither under way when the states were last saved nor allowed for then are not covered, and
must be saved before they are sent. So the file never knows of less than was sent. Limit: pure; what was allowed for and
not used counts as sent after a kill: about what a second takes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rpa_shard.control.models.governor import Grant
from rpa_shard.ipc.model_status import Spent

AHEAD_SECONDS = 1.0
# Of what counts in a window of a minute: what a second takes, and a quarter more.
SHARE = 48


class Ahead:
    """What the last save allows for. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._left: dict[str, Spent] = {}
        self._until = float("-inf")
        self._day = 0

    def covers(self, granted: Collection[Grant], needed: Collection[str], day: int, now: float) -> bool:
        """Whether these calls were allowed for, which uses that up; only `needed` models need it."""
        if now > self._until or day != self._day:
            return not any(grant.model in needed for grant in granted)
        for grant in granted:
            if grant.model in needed:
                left = self._left.get(grant.model, Spent()).minus(grant.need)
                if min(left.requests, left.input_tokens, left.output_tokens, left.micro_usd) < 0:
                    return False
                self._left[grant.model] = left
        return True

    def allow(self, counts: Mapping[str, Spent]) -> Mapping[str, Spent]:
        """What the next save allows for, by model, given what counts in the windows now."""
        return {name: _share(spent) for name, spent in counts.items()}

    def saved(self, allowed: Mapping[str, Spent], day: int, now: float) -> None:
        """The states have been saved, with what is granted now and what is allowed for."""
        self._left, self._until, self._day = dict(allowed), now + AHEAD_SECONDS, day


def _share(spent: Spent) -> Spent:
    return Spent(
        requests=-(-spent.requests // SHARE),
        input_tokens=-(-spent.input_tokens // SHARE),
        output_tokens=-(-spent.output_tokens // SHARE),
        micro_usd=-(-spent.micro_usd // SHARE),
    )
