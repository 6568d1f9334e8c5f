"""How long an endpoint asks us to wait, in any of the forms in use.

Guarantee: pure; a wait is positive and at most `MAX_PAUSE_SECONDS`, or None: absent, past, malformed or 0. Limit: of
several limits that were reached, the one that lasts longest counts; if none is known to be, the one that ends first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS

_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_DURATION = re.compile(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d{1,12})?)s)?(?:(\d{1,9}(?:\.\d{1,12})?)ms)?",
    re.ASCII,
)
_UNIT_SECONDS = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
# A number from here on is no duration but a Unix time, in seconds or in milliseconds.
_UNIX_SECONDS, _UNIX_MILLISECONDS = 1e9, 1e12
_RESET = re.compile(r"reset(?=-|$)")


def wait_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """How long the headers of a reply, which have names in lower case, ask us to wait; `now` is Unix seconds."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    asked = _bounded(milliseconds / 1000 if milliseconds is not None else None)
    asked = asked or _bounded(_seconds(headers.get("retry-after", ""), now))
    return asked or _until_reset(headers, now)


def _until_reset(headers: Mapping[str, str], now: float) -> float | None:
    reached: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        if "ratelimit" not in name or not _RESET.search(name):
            continue
        seconds = _bounded(_seconds(value, now))
        if seconds is not None:
            remaining = _number(headers.get(_RESET.sub("remaining", name), ""))
            (reached if remaining == 0 else others).append(seconds)
    return max(reached) if reached else min(others, default=None)


def _seconds(value: str, now: float) -> float | None:
    """A duration or a point in time, as seconds from now on."""
    value = value.strip()
    number = _number(value)
    if number is not None:
        if number >= _UNIX_MILLISECONDS:
            return number / 1000 - now
        return number - now if number >= _UNIX_SECONDS else number
    match = _DURATION.fullmatch(value) if value else None
    if match is not None:
        return sum(float(part or 0) * unit for part, unit in zip(match.groups(), _UNIT_SECONDS, strict=True))
    return _date(value, now)


def _date(value: str, now: float) -> float | None:
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            when = parse(value)
            return when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _number(value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _bounded(seconds: float | None) -> float | None:
    return min(seconds, MAX_PAUSE_SECONDS) if seconds is not None and seconds > 0 else None
