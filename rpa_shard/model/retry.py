"""What follows from each failure: the table of policies, and the back-off computed from it.

Guarantee: every `Failure` has a policy; a delay never exceeds the policy's ceiling and grows with each attempt.
Limit: pure; it neither waits nor writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rpa_shard.model.failure import Failure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failing paper is tried, and how long it waits in between.

    `attempts` is the number of charged attempts after which the paper is failed for good: 1 means permanent.
    `charged` is False for waits that are not the paper's fault: they cost no attempt, so `attempts` never ends
    them. Delays are in seconds: the first one, doubled with every attempt, up to the longest.
    """

    attempts: int
    first_delay_seconds: float
    max_delay_seconds: float
    meaning: str
    charged: bool = True

    @property
    def permanent(self) -> bool:
        return self.charged and self.attempts == 1


def _permanent(meaning: str) -> RetryPolicy:
    return RetryPolicy(1, 0.0, 0.0, meaning)


POLICIES: Mapping[Failure, RetryPolicy] = MappingProxyType(
    {
        Failure.RATE_LIMITED: RetryPolicy(
            0, 60, 3600, "the source asked us to slow down (429, 503), or gives nobody a PDF for now", charged=False
        ),
        Failure.BLOCKED: _permanent(
            "the source refuses us (401, 403, a page for everybody): a person must find out why"
        ),
        Failure.SERVER_ERROR: RetryPolicy(6, 10, 900, "the source failed (5xx), or its answer was no proper HTTP"),
        Failure.NETWORK: RetryPolicy(8, 5, 600, "no connection: refused, reset, or the name does not resolve"),
        Failure.TIMEOUT: RetryPolicy(6, 10, 900, "no answer within the time-out"),
        Failure.TOO_SLOW: RetryPolicy(
            4, 30, 900, "the source sent more slowly than the minimum speed, or took longer than a download may"
        ),
        Failure.TRUNCATED: RetryPolicy(5, 5, 300, "the body ended early or was not as long as announced"),
        Failure.NOT_A_PDF: RetryPolicy(5, 30, 1800, "the answer was no PDF: often the PDF is still being made"),
        Failure.UNEXPECTED: RetryPolicy(2, 60, 60, "a status that will not change (204, 400, 406 …): asked once more"),
        Failure.WRONG_PAPER: RetryPolicy(3, 60, 3600, "the PDF's own arXiv stamp names another paper or version"),
        Failure.NOT_FOUND: _permanent("no source has the paper (404)"),
        Failure.GONE: _permanent("the source says that the paper is gone (410)"),
        Failure.WITHDRAWN: _permanent("the paper, or this version of it, was withdrawn and has no PDF"),
        Failure.LEGAL: _permanent("the paper is unavailable for legal reasons (451)"),
        Failure.TOO_LARGE: _permanent("the PDF is larger than the cap"),
        Failure.REDIRECT_LOOP: RetryPolicy(2, 60, 60, "more redirects than allowed"),
        Failure.FORBIDDEN_REDIRECT: RetryPolicy(
            2, 60, 60, "a redirect that must not be followed: perhaps to a network's login page"
        ),
        Failure.DISK_FULL: RetryPolicy(
            0,
            10,
            60,
            "the paper's files cannot be written: no room, a failing disk, no permission, no file descriptors",
            charged=False,
        ),
        Failure.ARTIFACTS: RetryPolicy(
            0,
            10,
            60,
            "the object store or shared folder (`RPA_V2_ARTIFACTS`) fails, or refuses us",
            charged=False,
        ),
        Failure.INTERRUPTED: RetryPolicy(
            0, 1, 60, "something else ended the process that was extracting the paper", charged=False
        ),
        Failure.BAD_PDF: _permanent("no engine can read the PDF"),
        Failure.EXTRACT_TIMEOUT: _permanent("extraction passed its deadline, even alone in its own process"),
        Failure.POISON: _permanent("extraction crashed its process, even alone in its own process"),
        Failure.LLM_UNREACHABLE: RetryPolicy(0, 10, 600, "no connection to any endpoint of a model", charged=False),
        Failure.LLM_FAILED: RetryPolicy(
            6, 10, 900, "the endpoint failed (5xx), stopped in the middle of an answer, or took too long"
        ),
        Failure.LLM_REJECTED: RetryPolicy(2, 60, 60, "the endpoint did not accept the question (400, 422 …)"),
        Failure.LLM_OVERLONG: _permanent("the paper does not fit into the model's context, even cut"),
        Failure.LLM_CUT: RetryPolicy(3, 5, 60, "the answer was cut at its longest allowed length"),
        Failure.LLM_REFUSED: RetryPolicy(2, 5, 60, "the model refused to answer, or a filter stopped the answer"),
        Failure.LLM_EMPTY: RetryPolicy(3, 5, 60, "the answer, or one of its sections, is empty or far too short"),
        Failure.LLM_INVALID: RetryPolicy(3, 5, 60, "the answer is no JSON, or does not fit the prompt's schema"),
        Failure.LLM_ECHO: RetryPolicy(3, 5, 60, "the answer repeats the prompt, or itself"),
        Failure.LLM_JUDGED: _permanent("the judge did not pass the report, even repaired"),
        Failure.LLM_NO_TEXT: _permanent("there is no text to ask about: a scan, or the paper's files are damaged"),
        Failure.BUG: RetryPolicy(2, 30, 30, "a defect of this program: please report it with the lines of the log"),
    }
)


def is_final(failure: Failure, attempt: int) -> bool:
    """Whether a paper whose `attempt` (from 1) ended in `failure` is failed for good."""
    policy = POLICIES[failure]
    return policy.charged and attempt >= policy.attempts


def delay_seconds(failure: Failure, attempt: int, jitter: float) -> float:
    """How long to wait before the next attempt: exponential, with jitter and a ceiling.

    `attempt` counts from 1; `jitter` in [0, 1) spreads the delay over its upper half, so that papers that
    failed together do not come back together ("equal jitter").
    """
    policy = POLICIES[failure]
    doublings = min(max(attempt - 1, 0), 32)
    full = min(policy.first_delay_seconds * 2.0**doublings, policy.max_delay_seconds)
    return full * (0.5 + jitter / 2)


def table_lines() -> list[str]:
    """The table for a terminal."""
    lines = [f"{'reason':<22} {'attempts':<10} {'waits between':<16} meaning"]
    for failure, policy in POLICIES.items():
        attempts = str(policy.attempts) if policy.charged else "no limit"
        waits = f"{policy.first_delay_seconds:g} to {policy.max_delay_seconds:g} s"
        lines.append(f"{failure.value:<22} {attempts:<10} {'-' if policy.permanent else waits:<16} {policy.meaning}")
    return lines
