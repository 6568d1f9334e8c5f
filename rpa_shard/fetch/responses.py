"""What an HTTP response means for a download: pure rules, without a connection.

Guarantee: every status has one meaning, a failure class or none; a Retry-After of any form is seconds or None. Limit:
status and headers only; `rpa_shard.fetch.pages` reads pages and `rpa_shard.fetch.body` checks PDFs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS, polite_url
from rpa_shard.fetch.pages import page_words, read_page, says_try_again, says_withdrawn
from rpa_shard.model.failure import Failure, PaperError

_SLOW_DOWN = (429, 503, 509, 529)
# 407 and 511 come from a proxy or a network that wants a person to log in.
_REFUSALS = (401, 403, 407, 511)
# Errors of the client by their number, which another request may not meet.
_PASSING = (408, 423, 425)
# Errors of the server by their number, which every request will meet.
_LASTING = (501, 505, 506, 510)
_STATUS_FAILURES = {
    202: Failure.NOT_A_PDF,  # it is being made
    404: Failure.NOT_FOUND,
    410: Failure.GONE,
    451: Failure.LEGAL,
    **dict.fromkeys(_SLOW_DOWN, Failure.RATE_LIMITED),
    **dict.fromkeys(_REFUSALS, Failure.BLOCKED),
    **dict.fromkeys(_PASSING, Failure.SERVER_ERROR),
    **dict.fromkeys(_LASTING, Failure.UNEXPECTED),
}
# Headers by which services say that a page is a captcha, whatever its status.
CHALLENGE_HEADERS = ("cf-mitigated", "x-amzn-waf-action")
ACCEPTED = 202
# Their pages say only what the status says.
_SAYING_NOTHING = (Failure.NOT_FOUND, Failure.GONE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:(\d{1,18})|\*)", re.ASCII)


def is_redirect(status: int) -> bool:
    return status in _REDIRECTS


def redirect_target(url: str, location: str | None) -> str:
    """Where a redirect of `url` leads, rewritten to the host meant for programs. Raises PaperError."""
    if not location:
        raise PaperError(Failure.UNEXPECTED, f"a redirect without a target from {url}")
    try:
        target = urljoin(url, location.encode().decode())  # bytes that are not text raise here
        parts = urlsplit(target)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise PaperError(Failure.FORBIDDEN_REDIRECT, f"a redirect to an invalid URL: {location[:200]!r}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise PaperError(Failure.FORBIDDEN_REDIRECT, f"a redirect to {parts.scheme or 'nothing'}: {location[:200]!r}")
    return polite_url(target)


def failure_of_status(status: int) -> Failure:
    """What a status other than success means. What nobody has defined will not change, unless the server failed."""
    default = Failure.SERVER_ERROR if 500 <= status <= 599 else Failure.UNEXPECTED
    return _STATUS_FAILURES.get(status, default)


def status_error(status: int, url: str, retry_after: str, page: bytes, *, is_challenge: bool = False) -> PaperError:
    """What a status other than success means; `page` is the beginning of the response's body.

    `is_challenge`: the response has one of `CHALLENGE_HEADERS`.
    """
    failure = failure_of_status(status)
    read = read_page(status, page)
    read = replace(read, is_promise=not is_challenge and (status == ACCEPTED or read.is_promise))
    if failure in (Failure.NOT_FOUND, Failure.GONE) and says_withdrawn(page):
        failure = Failure.WITHDRAWN
    elif failure is Failure.NOT_FOUND and says_try_again(page):
        failure, read = Failure.NOT_A_PDF, replace(read, is_promise=True)
    detail = f"HTTP {status} from {url}"
    words = page_words(page)
    if failure not in _SAYING_NOTHING and words:
        detail += f": {words}"
    return PaperError(failure, detail, retry_after_seconds=parse_retry_after(retry_after), page=read)


def not_a_pdf(status: int, url: str, page: bytes, *, is_challenge: bool = False) -> PaperError:
    """What a success means whose body is no PDF; `page` is its beginning."""
    read = read_page(status, page)
    if is_challenge:
        read = replace(read, is_promise=False)
    return PaperError(Failure.NOT_A_PDF, f"a page instead of a PDF from {url}: {read.says}", page=read)


def parse_retry_after(value: str) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or date, RFC 9110 10.2.3), at most MAX_PAUSE_SECONDS.

    Absent, past, malformed or 0 is None.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            when = parsedate_to_datetime(value)
            seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(seconds, MAX_PAUSE_SECONDS) if seconds > 0 else None


def part_of(content_range: str) -> tuple[int | None, int | None]:
    """A partial response's first byte and the total length, by its Content-Range header; None: unknown."""
    match = _CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2] else None


def validator_of(etag: str, last_modified: str) -> str | None:
    """A validator for If-Range which guarantees that two parts belong to one body: a strong ETag, else a date."""
    etag, last_modified = etag.strip(), last_modified.strip()
    if not (etag.isascii() and last_modified.isascii()):
        return None
    if etag.startswith('"'):
        return etag
    return None if etag else last_modified or None
