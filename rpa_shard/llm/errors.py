"""What can be in the way of an answer, besides the failures of the paper (`rpa_shard.model.failure`).

Guarantee: none of these is ever a failure of a paper: whoever asks waits, asks another model, or pauses its phase.
Limit: names only; what a reply means is decided by `rpa_shard.llm.replies`.
"""

from __future__ import annotations

from rpa_shard.model.failure import Failure, PaperError

# Failures that are the endpoint's doing: another model may do better, and many in a row close the model.
ENDPOINT_FAILURES = frozenset({Failure.LLM_UNREACHABLE, Failure.LLM_FAILED})


class ModelLimitedError(Exception):
    """The endpoint asked us to slow down (429), and to wait for so many seconds if it said."""

    def __init__(self, detail: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class ModelRefusedError(Exception):
    """The endpoint refuses us until a person acts: no money, a wrong key, no such model."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ModelClosedError(Exception):
    """A model that was waited for was closed, and another one may be asked."""


class OverlongError(PaperError):
    """The question does not fit into the model's context, which has `allowed_tokens` if the endpoint says."""

    def __init__(self, detail: str, allowed_tokens: int | None = None) -> None:
        super().__init__(Failure.LLM_OVERLONG, detail)
        self.allowed_tokens = allowed_tokens
