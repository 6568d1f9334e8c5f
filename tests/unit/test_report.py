"""The report: axes, plots, words, and pages that are complete, well formed and closed to the outside."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.account import Account, Cause, PastWait
from rpa_shard.ipc.run_status import Death, RunState, write_status
from rpa_shard.ipc.shard_report import FailedAttempt
from rpa_shard.model.distribution import Distribution
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PREP
from rpa_shard.observe.report import report
from rpa_shard.observe.report.axes import MAX_TIMES, bins, in_bytes, in_short, in_time, number_ticks, time_ticks
from rpa_shard.observe.report.figures import MAX_PARTS, Figures, gather, parts_for
from rpa_shard.observe.report.html import bar, element, text
from rpa_shard.observe.report.page import page
from rpa_shard.observe.report.words import heading, sentences, tiles
from rpa_shard.observe.snapshot import Snapshot
from rpa_shard.phases.finished import ResultCounts
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed, postponed
from rpa_shard.store.rows import Event
from tests.statuses import account, host_status, run_status, shard_status, work

DAY = 86_400.0
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
HOSTILE = "</td></svg><script src='http://evil.example/x.js'>alert(1)</script><img src=x onerror=y>&amp;\x00\u202e\"'"
# Elements without an end.
VOID = {"meta"}
PREPPED = Event(0, "prepped", "prep", 1, None)


def figures(**changes: Any) -> Figures:
    """A report on a run of two minutes that has ended."""
    status = run_status(started_at=NOON, written_at=NOON + 120, seconds=120.0, state=RunState.ENDED)
    given: dict[str, Any] = {
        "made_at": NOON + 180,
        "whole": False,
        "begins": NOON,
        "ends": NOON + 120,
        "parts": 4,
        "state": Snapshot("/data", False, account(), status),
        "hosts": {},
        "happened": {
            PREPPED: 5,
            PREPPED._replace(part=3, attempt=2): 2,
            Event(1, "postponed", "prep", 1, "network"): 3,
            Event(2, "failed", "prep", 1, "not_found"): 1,
            Event(2, "released", "prep", 1, None): 4,
        },
        "results": ResultCounts(7, {"pages": {12.0: 4, 3.0: 3}, "pdf_bytes": {1.2e6: 7}}, {"needs_ocr": 2}),
    }
    return Figures(**given | changes)


def without_a_run(**changes: Any) -> Figures:
    """A report on a folder in which nothing has run."""
    nothing = {"state": Snapshot("/data", False, Account(), None), "happened": {}, "results": ResultCounts(0, {}, {})}
    return figures(whole=True, **nothing | changes)


class Page(HTMLParser):
    """Reads a page, and notes what is wrong with it."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(content)
        self.close()
        self.wrong += [f"never closed: {each}" for each in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.wrong.append(f"an attribute twice: {tag}")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"closed too early or too late: {tag}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def content(self) -> str:
        return " ".join(self.texts)


def checked(content: str) -> Page:
    """The page, which is well formed, loads nothing and runs nothing, and describes its plots."""
    read = Page(content)
    assert read.wrong == []
    names = {tag for tag, _ in read.elements}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "use", "image"}
    for tag, attributes in read.elements:
        assert not {"src", "href", "xlink:href", "style", "action"} & attributes.keys(), tag
        assert not any(name.startswith("on") for name in attributes), tag
    assert not re.search(r"url\(|@import", content)
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in read.elements:
        if attributes.get("role") == "img":
            assert set((attributes["aria-labelledby"] or "").split()) <= set(ids), tag
    assert not re.search(r"\b(nan|inf|None)\b", re.sub(r"<style>.*</style>", "", content, flags=re.DOTALL))
    return read


# Axes.


@given(st.floats(0, 1e15, allow_subnormal=False), st.booleans())
def test_ticks_of_numbers_are_round_and_reach_the_largest(most: float, whole: bool) -> None:
    ticks = number_ticks(most, whole=whole)
    assert ticks[0].at == 0
    assert 2 <= len(ticks) <= 6
    step = ticks[1].at
    assert f"{step:.0e}"[0] in "125"
    assert all(math.isclose(tick.at, number * step) for number, tick in enumerate(ticks))
    assert ticks[-1].at >= most * (1 - 1e-6)
    assert len(ticks) == 2 or ticks[-2].at < most
    assert not whole or all(tick.at == round(tick.at) for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (0, ["0", "1"]),
        (0.7, ["0", "0.2", "0.4", "0.6", "0.8"]),
        (4, ["0", "1", "2", "3", "4"]),
        (37, ["0", "10", "20", "30", "40"]),
        (4_100, ["0", "2k", "4k", "6k"]),
        (2_500_000, ["0", "1M", "2M", "3M"]),
    ],
)
def test_some_ticks_of_numbers(most: float, labels: list[str]) -> None:
    assert [tick.label for tick in number_ticks(most)] == labels


def test_what_counts_something_has_no_halves() -> None:
    assert [tick.label for tick in number_ticks(2, whole=False)] == ["0", "0.5", "1", "1.5", "2"]
    assert [tick.label for tick in number_ticks(2, whole=True)] == ["0", "1", "2"]


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.floats(0, 4e9), st.floats(7, 1000 * 365 * DAY), ZONES)
def test_ticks_of_time_are_in_order_and_few(begins: float, seconds: float, zone: timezone) -> None:
    ends = begins + seconds
    ticks = time_ticks(begins, ends, zone)
    assert 2 <= len(ticks) <= MAX_TIMES + 1
    times = [tick.at for tick in ticks]
    assert times == sorted(set(times))
    assert begins <= times[0] + 1e-5, "to the microsecond"
    assert times[-1] <= ends + 1e-5
    for at in times:
        moment = datetime.fromtimestamp(at, zone)
        assert moment.microsecond == 0
        assert seconds < 8 * DAY or (moment.hour, moment.minute, moment.second) == (0, 0, 0)


@pytest.mark.parametrize(
    ("begins", "seconds", "labels"),
    [
        (NOON, 0, []),
        (NOON + 0.5, 0.4, []),
        (NOON, 1, ["12:00:00", "12:00:01"]),
        (NOON + 2, 60, ["12:00:10", "12:00:20", "12:00:30", "12:00:40", "12:00:50", "12:01:00"]),
        (NOON, 3 * 3600, ["12:00", "12:30", "13:00", "13:30", "14:00", "14:30", "15:00"]),
        (NOON, 1.5 * DAY, ["12:00", "18:00", "02 Mar", "06:00", "12:00", "18:00", "03 Mar"]),
        (NOON, 9 * DAY, ["03 Mar", "05 Mar", "07 Mar", "09 Mar"]),
        (NOON, 200 * DAY, ["Apr 2026", "May 2026", "Jun 2026", "Jul 2026", "Aug 2026", "Sep 2026"]),
        (NOON, 3 * 365 * DAY, ["Jul 2026", "Jan 2027", "Jul 2027", "Jan 2028", "Jul 2028", "Jan 2029"]),
        (NOON, 30 * 365 * DAY, ["2030", "2035", "2040", "2045", "2050", "2055"]),
    ],
)
def test_some_ticks_of_time(begins: float, seconds: float, labels: list[str]) -> None:
    found = [tick.label for tick in time_ticks(begins, begins + seconds, UTC)]
    assert found == labels


def test_times_are_round_in_the_zone_that_is_given() -> None:
    zone = timezone(timedelta(hours=5, minutes=45))
    labels = [tick.label for tick in time_ticks(NOON, NOON + 2 * 3600, zone)]
    assert labels == ["18:00", "18:30", "19:00", "19:30"]


VALUES = st.one_of(st.just(0.0), st.floats(1e-5, 1e12))


@given(st.dictionaries(VALUES, st.integers(1, 1000), max_size=30))
def test_every_value_is_in_one_bin(counts: dict[float, int]) -> None:
    found = bins(counts, whole=False)
    assert sum(each.count for each in found) == sum(counts.values())
    assert all(one.below == other.least for one, other in pairwise(found))
    for each in found:
        inside = [n for value, n in counts.items() if each.least * (1 - 1e-8) <= value < each.below * (1 - 1e-8)]
        assert each.count == sum(inside)
    assert not found or (found[0].count and found[-1].count)
    assert not counts or found


@given(st.dictionaries(st.integers(0, 10**9), st.integers(1, 1000), min_size=1, max_size=30))
def test_bins_of_whole_numbers_all_hold_some(counts: dict[int, int]) -> None:
    found = bins({float(value): count for value, count in counts.items()}, whole=True)
    assert sum(each.count for each in found) == sum(counts.values())
    assert all(each.least.is_integer() and each.below.is_integer() and each.least < each.below for each in found)


def test_some_bins() -> None:
    assert [(each.least, each.below, each.count) for each in bins({0: 2, 1: 1, 4: 5}, whole=True)] == [
        (0.0, 1.0, 2),
        (1.0, 2.0, 1),
        (2.0, 3.0, 0),
        (3.0, 5.0, 5),
    ]
    assert [(each.least, each.below) for each in bins({0.016: 1, 0.02: 1}, whole=False)] == [
        (0.015, 0.02),
        (0.02, 0.03),
    ]
    assert bins({}, whole=True) == []
    assert [(each.least, each.count) for each in bins({0: 3}, whole=True)] == [(0.0, 3)]


def test_numbers_on_axes() -> None:
    assert [in_short(each) for each in (0, 0.25, 20, 1500, 3e6)] == ["0", "0.25", "20", "1.5k", "3M"]
    assert [in_time(each) for each in (0, 0.0015, 0.5, 20, 100, 1000, 7e4)] == [
        "0", "1.5 ms", "500 ms", "20 s", "100 s", "17 min", "19 h",
    ]  # fmt: skip
    assert [in_bytes(each) for each in (0, 7, 1500, 2e6, 5e9, 1e12)] == ["0 B", "7 B", "1.5 kB", "2 MB", "5 GB", "1 TB"]


# Figures.


def test_few_papers_are_counted_in_few_parts() -> None:
    assert parts_for(0.0, 0) == 1
    assert parts_for(0.9, 50) == 1
    assert parts_for(10.0, 50) == 20
    assert parts_for(10_000.0, 50) == 20
    assert parts_for(10_000.0, 500) == 100
    assert parts_for(1e8, 3_000_000) == MAX_PARTS


def test_what_happened_is_told_by_phase_attempt_and_reason() -> None:
    found = figures()
    assert found.completed() == {"prep": [5, 0, 0, 2]}
    assert found.completed_by_attempt() == {"prep": {1: 5, 2: 2}}
    assert found.failed() == {"network": [0, 3, 0, 0], "not_found": [0, 0, 1, 0]}
    assert found.failed_by_reason() == {"network": (0, 3), "not_found": (1, 0)}
    later = figures(happened={PREPPED: 1, Event(2, "analyzed", "analyze", 1, None): 3})
    assert later.completed() == {"prep": [1, 0, 0, 0], "analyze": [0, 0, 3, 0]}
    assert later.failed() == {}


@pytest.fixture
async def folder(tmp_path: Path) -> DataFolder:
    """Three papers: two prepped, one failed after a second attempt; one of the two failed later on."""
    made = DataFolder(tmp_path / "data")
    ids = ["2401.00001", "2401.00002", "2401.00003"]
    clock = [NOON]
    with open_ledger(made, Layout(200, 1)) as ledger:
        ledger.add(ids)
    async with engine_of(made).open_store(0, 60, lambda: clock[0]) as store:
        clock[0] = 2e9  # after the papers were added
        claims = await store.claim(PREP, 3)
        await store.finish(claims[0], completed(PREP, {"pages": 12, "flags": ["short"], "pdf_bytes": 123_456}))
        clock[0] += 10
        await store.finish(claims[1], completed(PREP, {"pages": 0, "flags": []}))
        await store.finish(claims[2], postponed(PREP, Failure.NETWORK, "x", 0.0, charged=True, suspect=False))
        clock[0] += 10
        (claim,) = await store.claim(PREP, 1)
        await store.finish(claim, failed(PREP, Failure.NOT_FOUND, HOSTILE))
        (claim,) = await store.claim(ANALYZE, 1)
        await store.finish(claim, failed(ANALYZE, Failure.BUG, "x"))
    return made


def test_the_whole_history_is_gathered(folder: DataFolder) -> None:
    with open_ledger(folder) as ledger:
        found = gather(folder, ledger, Settings(), 2e9 + 100, whole=False)
    assert found.whole, "there is no run to report on"
    assert (found.begins, found.ends, found.parts) == (2e9, 2e9 + 20, 20)
    assert {phase: sum(counts) for phase, counts in found.completed().items()} == {"prep": 2}
    assert found.failed_by_reason() == {"bug": (1, 0), "network": (0, 1), "not_found": (1, 0)}
    assert found.results.papers == 2
    assert found.results.flags == {"short": 1}
    counted = {name: dict(counts) for name, counts in found.results.figures.items()}
    assert counted == {"pages": {12: 1, 0: 1}, "pdf_bytes": {1.2e5: 1}, "text_bytes": {}, "references": {}}


def test_a_run_is_gathered_without_what_was_before(folder: DataFolder) -> None:
    status = run_status(started_at=2e9 + 5, written_at=2e9 + 15, state=RunState.ENDED, seconds=10.0)
    write_status(folder.run.status_file, status)
    with open_ledger(folder) as ledger:
        last, everything = (gather(folder, ledger, Settings(), 2e9 + 100, whole=whole) for whole in (False, True))
    assert (last.whole, last.begins, last.ends) == (False, 2e9 + 5, 2e9 + 15)
    assert {phase: sum(counts) for phase, counts in last.completed().items()} == {"prep": 1}
    assert last.failed_by_reason() == {"network": (0, 1)}
    assert (everything.whole, everything.begins, everything.ends) == (True, 2e9, 2e9 + 20)
    assert everything.results.papers == 2


def test_a_clock_that_was_set_back_leaves_no_time(folder: DataFolder) -> None:
    write_status(folder.run.status_file, run_status(started_at=2e9, written_at=1.9e9, state=RunState.ENDED))
    with open_ledger(folder) as ledger:
        found = gather(folder, ledger, Settings(), 2e9, whole=False)
    assert (found.begins, found.ends, found.parts) == (2e9, 2e9, 1)
    checked(page(found, UTC))


def test_a_report_of_a_folder_is_made_of_text(folder: DataFolder) -> None:
    attempt = FailedAttempt(NOON, "2401.00003", "prep", 2, "not_found", HOSTILE, True)
    write_status(folder.run.status_file, run_status(failures=(attempt,), started_at=2e9, written_at=2e9 + 100))
    with open_ledger(folder) as ledger:
        for whole in (False, True):
            read = checked(report(folder, ledger, Settings(), whole=whole))
            assert "<script src=" in read.content
            assert "2401.00003" in read.content


# Pages.


def section_titles(content: str) -> list[str]:
    return re.findall(r"<h2>([^<]+?)(?: <small>|</h2>)", content)


def test_a_folder_without_papers() -> None:
    content = page(without_a_run(), UTC)
    read = checked(content)
    assert section_titles(content) == []
    assert "Nothing has happened in this folder yet." in read.content
    assert "No runs yet" in read.content


def test_a_run_has_all_its_sections() -> None:
    status = run_status(
        started_at=NOON,
        written_at=NOON + 120,
        state=RunState.ENDED,
        waited=(PastWait(cause=Cause.HOST, subject="slow.example", times=2, seconds=40.0),),
        idle_seconds=30.0,
        deaths=(Death(0, NOON + 10, "killed by signal 9"),),
        failures=(FailedAttempt(NOON + 5, "2401.00007", "prep", 1, "network", "reset", False),),
        shards=(shard_status(restarts=1),),
    )
    hosts = {
        "slow.example": host_status(closed_seconds=250.0, why="asked for a pause"),
        "shut.example": host_status(blocked="HTTP 403"),
        "open.example": host_status(factor=0.5),
        "probed.example": host_status(closed_seconds=0.0),
    }
    content = page(figures(state=Snapshot("/data", False, account(), status), hosts=hosts), UTC)
    read = checked(content)
    assert section_titles(content) == [
        "Pace over time", "Failures over time", "Failures by reason", "Latency by stage", "Papers", "Sizes", "Waits",
        "Hosts", "Shards", "The last failures",
    ]  # fmt: skip
    for shown in ("Run of 2026-03-01 12:00", "12:02:00", "needs_ocr", "source.example", "killed by signal 9", "4.2 min",
                  "refuses us", "a probe decides", "50%", "For 30 s nothing else was left to do.", "140 ms",
                  "Times are UTC."):  # fmt: skip
        assert shown in read.content, shown


@pytest.mark.parametrize(
    ("seconds", "parts", "unit"),
    [
        (1, 2, "s"),
        (30 * 60, 4, "min"),
        (20 * 3600, 4, "h"),
        (3 * 365 * DAY, 200, "day"),
        (300 * 365 * DAY, 200, "day"),
    ],
)
def test_the_pace_has_a_suitable_unit(seconds: float, parts: int, unit: str) -> None:
    happened = {PREPPED: 10, PREPPED._replace(part=parts - 1): 7}
    content = page(figures(ends=NOON + seconds, parts=parts, happened=happened), UTC)
    checked(content)
    assert f">Papers per {unit}<" in content


def test_one_paper_in_no_time() -> None:
    content = page(without_a_run(happened={PREPPED: 1}, begins=NOON, ends=NOON, parts=1), UTC)
    read = checked(content)
    assert section_titles(content) == ["Papers"]
    assert "1 paper has been through prep." in read.content


def test_reasons_that_are_rare_are_shown_together() -> None:
    reasons = [each.value for each in Failure][:8]
    happened = {Event(1, "failed", "prep", 1, reason): 10 + number for number, reason in enumerate(reasons)}
    content = page(figures(happened=happened), UTC)
    checked(content)
    plot = content.partition("Failures over time")[2].partition("</section>")[0]
    assert plot.count('<path class="s') == 6
    assert "others" in plot
    by_reason = content.partition("Failures by reason")[2].partition("</section>")[0]
    assert all(reason in by_reason for reason in reasons)


def test_two_phases_have_a_legend() -> None:
    happened = {PREPPED: 3, Event(1, "analyzed", "analyze", 1, None): 2}
    read = checked(page(figures(happened=happened), UTC))
    assert "2 papers have been through analyze" in read.content


def test_the_plot_shows_the_numbers() -> None:
    content = page(figures(happened={PREPPED: 30, PREPPED._replace(part=3): 60}, parts=4), UTC)
    outline = re.search(r'<path class="s0" d="M([^"]+)Z"', content)
    assert outline
    points = [tuple(map(float, point.split())) for point in outline[1].split("L")]
    heights = [y for _, y in points[:8]]
    # Half as high in the first part as in the last, nothing in between; the field ends 26 above the lower edge.
    assert heights[0] == heights[1]
    assert heights[2] == heights[5] == 210 - 26
    assert math.isclose(184 - heights[0], (184 - heights[6]) / 2, abs_tol=0.2)
    assert all(y == 184 for _, y in points[8:])
    assert [x for x, _ in points[:8]] == sorted(x for x, _ in points[:8])


HOSTILE_TEXTS = st.one_of(st.just(HOSTILE), st.text(max_size=60))


@given(HOSTILE_TEXTS, HOSTILE_TEXTS, HOSTILE_TEXTS)
def test_no_text_becomes_part_of_the_page(one: str, two: str, three: str) -> None:
    status = run_status(
        cause=one,
        waited=(PastWait(cause=Cause.HOST, subject=two, times=1, seconds=9.0),),
        deaths=(Death(0, NOON, three),),
        failures=(FailedAttempt(NOON, one, two, 1, three, one, True),),
        work=work(
            tallies={"source": {one: 1, "b": 2}},
            durations={two: Distribution({100: 7}, 0.9, 0.14)},
            totals={three or "x": 5},
        ),
    )
    state = Snapshot(one, False, account(text=two), status)
    hosts = {three: host_status(blocked=one), "b": host_status(closed_seconds=1.0, why=two)}
    results = ResultCounts(1, {two or "x": {3.0: 1}}, {one: 1})
    happened: Mapping[Event, int] = {Event(0, "failed", two, 1, three or "x"): 1}
    content = page(figures(state=state, hosts=hosts, results=results, happened=happened), UTC)
    plain = page(figures(state=Snapshot("a", False, account(text="b"), status), hosts=hosts, happened=happened), UTC)
    checked(content)
    checked(plain)
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", content)


def test_text_is_text() -> None:
    assert text('<a href="x">&\u202e\x1b') == "&lt;a href=&quot;x&quot;&gt;&amp;\\u202e\\x1b"
    assert len(text("x" * 10_000)) < 500
    assert element("p", "<b>", class_='"', id="") == '<p class="&quot;"><b></p>'


def test_a_bar_has_a_part_for_each_number() -> None:
    drawn = Page(bar([1, 3], 8))
    parts = [(each["x"], each["width"]) for tag, each in drawn.elements if tag == "rect"]
    assert parts == [("0.00%", "12.50%"), ("12.50%", "37.50%")]


# Words.


def told(**changes: Any) -> list[str]:
    return list(sentences(figures(**changes), UTC))


def told_of(**changes: Any) -> list[str]:
    """The sentences on a run with these changes to its status, in which nothing happened to papers."""
    ended = run_status(
        started_at=NOON, written_at=NOON + 120, seconds=120.0, state=RunState.ENDED, work=work(durations={})
    )
    state = Snapshot("/data", False, account(), replace(ended, **changes))
    return told(state=state, happened={})


def test_a_run_in_sentences() -> None:
    assert told() == [
        "The run began at 2026-03-01 12:00:00 and ended after 2.0 min.",
        "7 papers have been through prep, 3.5 papers/min; 2 of them needed more than one attempt.",
        "1 paper has failed for good, all for not found (no source has the paper (404)).",
        "3 attempts failed and left the paper for another one, all for network (no connection: refused, reset, or the "
        "name does not resolve).",
        "The longest stage was download: up to 138 ms for half of the attempts, and 138 ms for 99 % of them.",
    ]


def test_how_a_run_ended_is_told() -> None:
    assert told_of() == ["The run began at 2026-03-01 12:00:00 and ended after 2.0 min."]
    assert told_of(state=RunState.RUNNING) == ["The run began at 2026-03-01 12:00:00 and was killed after 2.0 min."]
    assert told_of(cause="shard 1 died 5 times") == [
        "The run began at 2026-03-01 12:00:00 and stopped after 2.0 min: shard 1 died 5 times."
    ]
    on = Snapshot("/data", True, account(), run_status(started_at=NOON, work=work(durations={})))
    assert told(state=on, happened={}) == ["The run began at 2026-03-01 12:00:00 and is on, for 2.0 min now."]


def test_waits_and_deaths_are_told() -> None:
    waits = [
        PastWait(cause=cause, subject=subject, times=1, seconds=200.0)
        for cause, subject in (
            (Cause.BACK_OFF, "server_error"),
            (Cause.DISK, "/data"),
            (Cause.RESTART, "shard 1"),
            (Cause.HOST, "a.example"),
            (Cause.REFUSAL, "b.example"),
        )
    ]
    short = PastWait(cause=Cause.HOST, subject="c.example", times=1, seconds=0.2)
    found = told_of(waited=(*waits, short), idle_seconds=12.0, shards=(shard_status(restarts=2),), handed_back=1)
    assert found[1:] == [
        "Papers waited 3.3 min for another attempt after server error, 3.3 min for room in /data, 3.3 min for shard 1 "
        "to start again, and for 2 more.",
        "For 12 s nothing else was left to do.",
        "2 shards died; 1 paper went back to the queue.",
    ]


def test_all_runs_in_sentences() -> None:
    found = without_a_run(happened={PREPPED: 2}, begins=NOON, ends=NOON + 10)
    assert heading(found, UTC) == "All runs"
    assert list(sentences(found, UTC)) == [
        "This is what happened from 2026-03-01 12:00:00 to 2026-03-01 12:00:10.",
        "2 papers have been through prep, 12.0 papers/min.",
    ]


def test_the_first_figures() -> None:
    shown = tiles(figures())
    assert shown == {
        "papers": "12", "done": "7", "failed for good": "0", "open": "5", "time": "2.0 min", "pace": "3.0 papers/s",
        "downloaded": "10.0 kB", "pages": "70",
    }  # fmt: skip
    assert Counter(tiles(without_a_run()).values()) == {"0": 3}
