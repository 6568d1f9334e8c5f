"""The head of the screen: title, account, bar, pace.

Guarantee: pure; every line fits the width. Limit: a long account is cut after a few lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rpa_shard.control.sentences import duration, rate
from rpa_shard.ipc.account import Account
from rpa_shard.ipc.run_status import RunState
from rpa_shard.observe.top.stages import shares
from rpa_shard.observe.top.text import Line, Span, columns, cut, line, padded, wrapped, wrapped_text
from rpa_shard.observe.top.watched import Watched

# A status that is older was not written when it should have been.
STALE_SECONDS = 5.0
ACCOUNT_LINES = 3
# A picture of the pace that would be narrower gets a line of its own.
MIN_PICTURE = 10
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
    lines = [line(each) for each in wrapped_text(account.text, width)]
    if len(lines) <= ACCOUNT_LINES:
        return lines
    return [*lines[: ACCOUNT_LINES - 1], padded((*lines[ACCOUNT_LINES - 1], Span(" " * width)), width)]


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
    """The pace of the last minute, in a picture and in numbers."""
    rates = watched.run.rates
    if not watched.on:
        return [line(f"the last run made {rate(rates.whole_run)} in {duration(watched.run.seconds)}", "dim")]
    numbers = f"{_number(rates.last_10_seconds)} papers/s in 10 s, {_number(rates.last_60_seconds)} in 60 s"
    if len(longer := f"{numbers}, {_number(rates.whole_run)} in all") <= width:
        numbers = longer
    room = width - columns(numbers) - 2
    picture = sparkline(rates.recent, min(len(rates.recent), room if room >= MIN_PICTURE else width))
    return wrapped([(Span(picture, "cyan"),), line(numbers)] if picture else [line(numbers)], width)


def _number(per_second: float) -> str:
    if not per_second:
        return "0"
    return f"{per_second:.0f}" if per_second >= 10 else f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2f}"
