"""The head of the screen: title, account, bar, pace.

Guarantee: pure; every line fits the width. Limit: a long account is cut after a few lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rpa_shard.control.sentences import LIMITS, duration, rate
from rpa_shard.ipc.account import Account
from rpa_shard.ipc.run_status import RunState
from rpa_shard.observe.top.stages import shares
from rpa_shard.observe.top.text import Line, Span, columns, cut, line, padded, width_of, wrapped
from rpa_shard.observe.top.watched import Watched

# A status that is older was not written when it should have been.
STALE_SECONDS = 5.0
ACCOUNT_LINES = 3
BARS = " ▁▂▃▄▅▆▇█"
GOOD, WARN, BAD = "green", "yellow", "bold red"


def title(watched: Watched, width: int) -> Line:
    """Which folder, and how the run is."""
    words, style = _state(watched)
    room = width - columns(words) - 2
    folder = f"rpa-shard  {watched.folder}"
    if room < len("rpa-shard"):
        return cut(line(words, style), width)
    return padded((*padded(line(folder, "bold"), room), Span("  "), *line(words, style)), width)


def _state(watched: Watched) -> tuple[str, str]:
    run = watched.run
    if watched.problem:
        return watched.problem, BAD
    if not watched.on:
        ended = "ended" if run.state is RunState.ENDED else "was killed"
        return f"no run is on; the last {ended} {duration(watched.age_seconds)} ago", WARN
    if watched.age_seconds > STALE_SECONDS and run.state is not RunState.RESIZING:
        return f"no news for {duration(watched.age_seconds)}", BAD
    state = run.state.replace("_", " ")
    return f"{state} for {duration(run.seconds)}", WARN if run.paused or run.state is not RunState.RUNNING else GOOD


def account_lines(account: Account, width: int) -> list[Line]:
    """The account in its own words, on a few lines."""
    parts = [line(part) for part in account.text.split(" · ") if part]
    lines = wrapped(parts, width, " · ")
    if len(lines) <= ACCOUNT_LINES:
        return lines
    return [*lines[: ACCOUNT_LINES - 1], cut((*lines[ACCOUNT_LINES - 1], Span(" …")), width)]


def bar(account: Account, width: int) -> Line:
    """What is done, failed, in work, waiting and queued, as shares of the width."""
    parts = (
        ("█", GOOD, account.done), ("█", "red", account.failed), ("▓", "cyan", account.in_work),
        ("▒", WARN, account.waiting), ("░", "dim", account.queued),
    )  # fmt: skip
    counts = Counter({str(at): papers for at, (_, _, papers) in enumerate(parts)})
    places = Counter(shares(counts, map(str, range(len(parts))), width))
    spans = tuple(Span(sign * places[str(at)], style) for at, (sign, style, _) in enumerate(parts) if places[str(at)])
    return padded(spans, width) if spans else (Span("░" * width, "dim"),)


def sparkline(rates: Sequence[float], width: int) -> str:
    """The last rates, the newest at the right; the highest fills its cell."""
    shown = [max(0.0, each) for each in rates[-width:]] if width > 0 else []
    highest = max(shown, default=0.0)
    if not highest:
        return BARS[1] * len(shown)
    return "".join(BARS[max(1, round(each / highest * (len(BARS) - 1)))] if each else BARS[1] for each in shown)


def pace_lines(watched: Watched, width: int) -> list[Line]:
    """The pace of the last minute, in a picture and in numbers, and what limits it."""
    rates = watched.run.rates
    if not watched.on:
        return [line(f"the last run made {rate(rates.whole_run)} in {duration(watched.run.seconds)}", "dim")]
    limit = LIMITS[watched.account.limited_by]
    numbers = [
        line(f"{rate(rates.last_10_seconds)} over 10 s"),
        line(f"{_number(rates.last_60_seconds)} over 60 s"),
        line(f"{_number(rates.whole_run)} over the run"),
        line(limit, "bold"),
    ]
    used = sum(width_of(each) + 2 for each in numbers)
    picture = sparkline(rates.recent, min(60, width - used if width - used >= 10 else width))
    parts = [(Span(picture, "cyan"),)] if picture else []
    return wrapped([*parts, *numbers], width)


def _number(per_second: float) -> str:
    return rate(per_second).removesuffix(" papers/s")
