"""How a failed attempt ends: for good, or with another attempt after a delay.

Guarantee: pure. A paper that killed its process or passed its deadline gets exactly one more attempt, alone in a child
process; a failure that is not the paper's fault costs no attempt. Limit: the table of policies is in
`rpa_shard.model.retry`; this module only applies it.
"""

from __future__ import annotations

from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.model.retry import POLICIES, delay_seconds, is_final
from rpa_shard.store.outcome import Outcome, failed, postponed

_KILLERS = frozenset({Failure.POISON, Failure.EXTRACT_TIMEOUT})


def verdict(claim: Claim, error: PaperError, jitter: float, delay_scale: float) -> Outcome:
    """The outcome of an attempt that ended in `error`. `jitter` in [0, 1); `delay_scale` multiplies back-offs."""
    failure = error.failure
    if failure in _KILLERS and not claim.suspect:
        return postponed(claim.phase, failure, error.detail, 0.0, charged=True, suspect=True)
    if error.final or is_final(failure, claim.attempt):
        return failed(claim.phase, failure, error.detail, suspect=failure in _KILLERS)
    delay = delay_seconds(failure, claim.attempt, jitter) * delay_scale
    if error.retry_after_seconds is not None:
        delay = max(delay, error.retry_after_seconds)
    return postponed(
        claim.phase, failure, error.detail, delay, charged=POLICIES[failure].charged, suspect=claim.suspect
    )
