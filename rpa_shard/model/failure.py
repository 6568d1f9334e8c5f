"""Why an attempt at a paper failed.

Guarantee: every name that a row, a record, a log line or a command uses for a failure is defined here, once. Limit:
names only; what follows from a failure is policy (`rpa_shard.model.retry`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """The classes of failures. The values are stable: records, `retry --reason` and reports use them."""

    RATE_LIMITED = "rate_limited"
    BLOCKED = "blocked"
    SERVER_ERROR = "server_error"
    NETWORK = "network"
    TIMEOUT = "timeout"
    TOO_SLOW = "too_slow"
    TRUNCATED = "truncated"
    NOT_A_PDF = "not_a_pdf"
    UNEXPECTED = "unexpected"
    WRONG_PAPER = "wrong_paper"
    NOT_FOUND = "not_found"
    GONE = "gone"
    WITHDRAWN = "withdrawn"
    LEGAL = "legal"
    TOO_LARGE = "too_large"
    REDIRECT_LOOP = "redirect_loop"
    FORBIDDEN_REDIRECT = "forbidden_redirect"
    DISK_FULL = "disk_full"
    ARTIFACTS = "artifacts_unreachable"
    INTERRUPTED = "interrupted"
    BAD_PDF = "bad_pdf"
    EXTRACT_TIMEOUT = "extract_timeout"
    POISON = "poison"
    LLM_UNREACHABLE = "llm_unreachable"
    LLM_FAILED = "llm_failed"
    LLM_REJECTED = "llm_rejected"
    LLM_OVERLONG = "llm_overlong"
    LLM_CUT = "llm_cut"
    LLM_REFUSED = "llm_refused"
    LLM_EMPTY = "llm_empty"
    LLM_INVALID = "llm_invalid"
    LLM_ECHO = "llm_echo"
    LLM_JUDGED = "llm_judged"
    LLM_NO_TEXT = "llm_no_text"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Page:
    """What came instead of a PDF.

    `key` is the same for the same page, whatever changes in it from request to request; `says` is its text on one line.
    `is_promise`: it says that the PDF is being made.
    """

    key: str
    says: str
    is_promise: bool = False


class PaperError(Exception):
    """An attempt at one paper failed, with a failure class.

    `retry_after_seconds` is what the source asked for (a Retry-After header), if it did. `page` is what the source
    answered, if it was a page. `host` is the one that refused us (BLOCKED). `final`: another attempt would end in the
    same way, whatever the class allows.
    """

    def __init__(
        self,
        failure: Failure,
        detail: str,
        *,
        retry_after_seconds: float | None = None,
        page: Page | None = None,
        host: str = "",
        final: bool = False,
    ) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure = failure
        # The name of a file in it need not be text, which is all that the store and JSON hold.
        self.detail = detail.encode(errors="backslashreplace").decode()
        self.retry_after_seconds = retry_after_seconds
        self.page = page
        self.host = host
        self.final = final


class PhasePausedError(Exception):
    """An attempt was given up because its phase may not go on for now: the paper is handed back, free of charge.

    The phase claims nothing until it may go on, so this does not repeat itself.
    """
