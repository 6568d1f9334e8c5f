"""The lines of `top`: whatever a run reports, at any size, and whatever key is pressed."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpa_shard.ipc.account import Account, Cause, Limit, Wait
from rpa_shard.ipc.run_status import Death, Rates, RunState, RunStatus
from rpa_shard.ipc.shard_report import FailedAttempt, Gauge, PaperInWork, ShardState
from rpa_shard.observe.top import head, lists, sections
from rpa_shard.observe.top.lists import Item, Order
from rpa_shard.observe.top.screen import HELP, Screen, draw, snapshot
from rpa_shard.observe.top.stages import cells, legend, looks, shares
from rpa_shard.observe.top.table import Cell, Column, table
from rpa_shard.observe.top.text import (
    Line,
    Span,
    beside,
    columns,
    cut,
    cut_text,
    in_encoding,
    line,
    padded,
    plain,
    printable,
    width_of,
    wrapped,
    wrapped_text,
)  # fmt: skip
from rpa_shard.observe.top.view import Reach, Tab, View, pressed, settled
from rpa_shard.observe.top.watched import Watched
from tests.statuses import account, host_status, run_status, shard_report, shard_status

NOW = 1_700_000_000.0
SIZES = ((40, 24), (80, 24), (200, 50), (120, 30), (80, 60))
STAGES = ("idle", "download slot", "permit", "download", "extract slot", "extract", "slow slot", "slow", "commit")


def watched(run: RunStatus | None = None, **changes: Any) -> Watched:
    run = run or run_status(written_at=NOW)
    known: dict[str, Any] = {
        "folder": "/data", "on": True, "account": run.account, "run": run, "hosts": run.hosts, "hosts_at": NOW,
    }  # fmt: skip
    return Watched(**known | changes)


def busy_run(papers: int = 60, shards: int = 2, workers_each: int = 100) -> RunStatus:
    """A run in which much is going on."""
    waits = (
        Wait(cause=Cause.HOST, subject="source.example", papers=70, since=NOW, until=NOW + 60, why="asked for a pause"),
        Wait(cause=Cause.BACK_OFF, subject="not_found", papers=7, since=NOW, until=NOW + 30, why="it has none yet"),
        Wait(cause=Cause.REFUSAL, subject="other.example", papers=3, since=NOW, until=None, why="HTTP 403"),
        Wait(cause=Cause.RATE, subject="third.example", papers=9, since=NOW, until=None, why="it allows 4"),
    )
    found = []
    for number in range(shards):
        in_work = tuple(
            PaperInWork(f"24{number:02}.{at:05}", "prep", STAGES[1 + at % 8], at / 10, float(at), 1 + at % 2)
            for at in range(papers // shards)
        )
        report = shard_report(
            workers=tuple(STAGES[at % len(STAGES)] for at in range(workers_each)), in_work=in_work, held=workers_each
        )
        found.append(shard_status(number=number, report=report))
    failures = tuple(
        FailedAttempt(NOW + at, f"2305.{at:05}", "prep", 1, "not_found", "HTTP 404 from a source", at % 2 == 0)
        for at in range(9)
    )
    return run_status(
        written_at=NOW,
        account=account(waiting=77, waits=waits, limited_by=Limit.RATE),
        rates=Rates(3.0, 0.5, 12.0, 0.1, tuple(float(at % 7) for at in range(60))),
        failures=failures,
        shard_count=shards,
        shards=tuple(found),
        hosts={
            "source.example": host_status(closed_seconds=60.0, why="asked for a pause"),
            "other.example": host_status(blocked="HTTP 403"),
            "third.example": host_status(factor=0.5, wanted=4, under_way=2),
        },
    )


def text_of(screen: Screen) -> str:
    return "\n".join(plain(each) for each in screen.lines)


# Lines


def test_columns_of_wide_and_combining_characters() -> None:
    assert [columns(each) for each in ("abc", "", "漢字", "e\u0301", "a\u200bb", "…")] == [3, 0, 4, 1, 2, 1]


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc\td\u00a0e\x00") == "a?[31mb c d e?"
    assert plain(line("x\x1b]0;y\x07")) == "x?]0;y?"


def test_signs_that_an_encoding_lacks() -> None:
    assert in_encoding("5 % · ██▓ ▁█ é", "utf-8") == "5 % · ██▓ ▁█ é"
    assert in_encoding("5 % · ██▓ ▁█", "ascii") == "5 % . ##+ _#"


@pytest.mark.parametrize(
    ("width", "expected"), [(10, "abcdef"), (6, "abcdef"), (5, "abcd…"), (2, "a…"), (1, "…"), (0, "")]
)
def test_cut(width: int, expected: str) -> None:
    assert cut_text("abcdef", width) == expected
    assert plain(cut((Span("abc", "red"), Span("def")), width)) == expected


@given(st.lists(st.text(max_size=12)), st.integers(0, 30))
def test_a_cut_or_padded_line_fits(texts: list[str], width: int) -> None:
    spans = tuple(Span(each) for each in texts)
    assert width_of(cut(spans, width)) <= width
    assert width_of(padded(spans, width)) in (width, width_of(cut(spans, width)))
    assert width_of(padded(spans, width)) <= width


@given(st.text(max_size=200), st.integers(1, 40))
def test_wrapped_text_keeps_every_word_and_fits(text: str, width: int) -> None:
    lines = wrapped_text(text, width)
    assert "".join(lines).replace(" ", "") == printable(text).replace(" ", "")
    assert all(columns(each) <= max(width, 2) for each in lines)


def test_wrapped_text_keeps_how_it_begins() -> None:
    assert wrapped_text("  one two three", 9, "  ") == ["  one two", "  three"]
    assert wrapped_text("abcdefgh", 4, " ") == ["abcd", " efg", " h"]


@given(st.lists(st.text(max_size=12), max_size=20), st.integers(1, 40))
def test_wrapped_parts_fit_and_stay_in_order(texts: list[str], width: int) -> None:
    lines = wrapped([(Span(each),) for each in texts], width)
    assert all(width_of(each) <= width for each in lines)
    if all(columns(each) <= width for each in texts):
        assert "".join(span.text for each in lines for span in each if span.text != "  ") == "".join(
            each for each in texts if each != "  "
        )


def test_lines_side_by_side() -> None:
    both = beside([line("left one")], [line("a"), line("b")], 6)
    assert [plain(each) for each in both] == ["left …  a", "        b"]


# Tables


def test_columns_give_way_by_rank_and_the_elastic_one_is_cut() -> None:
    given_columns = (Column("id"), Column("n", right=True), Column("why", rank=1, elastic=True), Column("x", rank=2))
    rows = [[Cell("2401.00001"), Cell("5"), Cell("a long explanation"), Cell("more")]]
    shown = {width: [plain(each) for each in table(given_columns, rows, width).lines] for width in (60, 30, 20, 10)}
    assert shown[60] == ["2401.00001  5  a long explanation  more"]
    assert shown[30] == ["2401.00001  5  a long e…  more"]
    assert shown[20] == ["2401.00001  5"]
    assert shown[10] == ["2401.0000…"]


@settings(max_examples=40)
@given(
    st.lists(st.builds(Column, st.text(max_size=8), st.integers(0, 4), st.booleans(), st.booleans()), min_size=1),
    st.data(),
    st.integers(1, 90),
)
def test_a_table_fits(given_columns: list[Column], data: st.DataObject, width: int) -> None:
    cell = st.builds(Cell, st.text(max_size=20))
    rows = data.draw(st.lists(st.lists(cell, min_size=len(given_columns), max_size=len(given_columns)), max_size=5))
    made = table(given_columns, rows, width)
    assert len(made.lines) == len(rows)
    assert all(width_of(each) <= width for each in (made.titles, *made.lines))


# Stages


def test_the_letters_of_todays_stages() -> None:
    shown = {name: look.letter for name, look in looks(STAGES).items()}
    assert shown == {
        "commit": "C", "download": "D", "extract": "E", "slow": "S",
        "download slot": "d", "extract slot": "e", "permit": "p", "slow slot": "s", "idle": "·",
    }  # fmt: skip
    assert "dim" in looks(STAGES)["permit"].style


@given(st.sets(st.text(min_size=1, max_size=10), max_size=25))
def test_any_names_get_letters_of_their_own(names: set[str]) -> None:
    shown = looks(names)
    letters = [look.letter for look in shown.values()]
    assert shown.keys() == names
    assert len(set(letters)) == len(letters)
    assert all(columns(each) == 1 for each in letters)
    assert shown == looks(sorted(names, reverse=True))


def test_more_names_than_letters() -> None:
    letters = Counter(look.letter for look in looks(f"stage {number}" for number in range(50)).values())
    assert letters.pop("?") == 50 - 36
    assert set(letters.values()) == {1}


def test_cells_and_legend() -> None:
    shown = looks(["download", "idle"])
    assert [span.text for span in cells(["download", "download", "idle", "download"], shown)] == ["DD", "·", "D"]
    assert [plain(each) for each in legend(Counter(download=1200, idle=0), shown)] == ["D 1,200 download"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2000)), st.integers(1, 300))
def test_shares_show_everybody_who_is_there(counts: dict[str, int], size: int) -> None:
    given_shares = shares(Counter(counts), "abcdef", size)
    present = [name for name in "abcdef" if counts.get(name)]
    assert len(given_shares) == (size if present else 0)
    assert given_shares == sorted(given_shares)
    if size >= len(present):
        assert set(given_shares) == set(present)


# Parts


def test_the_bar_shows_shares() -> None:
    whole = account(total=100, done=40, failed=10, in_work=20, waiting=20, queued=10)
    assert plain(head.bar(whole, 10)) == "████" + "█" + "▓▓" + "▒▒" + "░"
    assert plain(head.bar(Account(), 10)) == "░" * 10
    assert plain(head.bar(account(total=3_000_000, done=1, in_work=0, queued=2_999_999), 10))[0] == "█"


@pytest.mark.parametrize(
    ("rates", "width", "expected"),
    [
        ((), 5, ""), ((0.0, 0.0), 5, "▁▁"), ((1.0, 2.0, 4.0), 5, "▂▄█"), ((9.0, 1.0, 2.0), 2, "▄█"), ((1.0,), 0, ""),
        ((0.001, 8.0), 5, "▁█"), ((-1.0, 1.0), 5, "▁█"),
    ],
)  # fmt: skip
def test_the_sparkline(rates: tuple[float, ...], width: int, expected: str) -> None:
    assert head.sparkline(rates, width) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "running for 100 s"),
        ({"on": False, "run": run_status(state=RunState.ENDED), "age_seconds": 240.0}, "no run is on; the last ended"),
        ({"on": False, "age_seconds": 240.0}, "the last was killed 4.0 min ago"),
        ({"age_seconds": 9.0}, "no news for 9 s"),
        ({"age_seconds": 9.0, "run": run_status(state=RunState.RESIZING)}, "resizing for 100 s"),
        ({"problem": "status.json: No such file or directory"}, "status.json: No such file or directory"),
    ],
)
def test_the_title_says_how_the_run_is(changes: dict[str, Any], expected: str) -> None:
    shown = plain(head.title(watched(**changes), 100))
    assert expected in shown
    assert shown.startswith("rpa-shard  /data")
    assert width_of(head.title(watched(**changes), 20)) <= 20


def test_a_long_account_is_cut_after_a_few_lines() -> None:
    lines = head.account_lines(account(text=" · ".join(["56 waiting: a host asked for a pause"] * 9)), 40)
    assert len(lines) == head.ACCOUNT_LINES
    assert plain(lines[-1]).endswith("…")
    assert max(map(width_of, lines)) <= 40


def test_waits_say_until_when_and_why() -> None:
    section = sections.waits(watched(busy_run()), NOW, 120)
    shown = [plain(each) for each in section.body]
    assert section.note == "a host's allowed rate limits the pace · 77 papers wait"
    assert time.strftime("%H:%M:%S", time.localtime(NOW + 60)) in shown[0]
    assert "asked for a pause" in shown[0]
    assert shown[1].startswith("not found")
    assert "you act" in shown[2]
    assert shown[3].startswith("turn at third.example")


def test_hosts_are_open_closed_or_refuse_us() -> None:
    shown = "\n".join(plain(each) for each in sections.hosts(watched(busy_run()), NOW, 150).body)
    until = time.strftime("%H:%M:%S", time.localtime(NOW + 60))
    assert f"closed until {until}" in shown
    assert "refuses us" in shown
    assert "open at 50%" in shown
    assert "4 a second, 4 at once" in shown
    assert "download 2 of 64" in shown
    later = sections.hosts(watched(busy_run()), NOW + 90, 150)
    assert "asks once" in "\n".join(plain(each) for each in later.body)
    assert later.note == "2 shut"


def test_many_workers_are_shown_by_shares() -> None:
    run = busy_run(shards=50, workers_each=20)
    complete = sections.workers(run, 80)
    assert sum(plain(each).count("D") for each in complete.body) == sum(
        shard.report.workers.count("download") for shard in run.shards
    )
    short = sections.workers(run, 80, 4)
    assert len(short.body) == 4
    assert short.note == "1,000 (a cell for each 3.1)"
    assert [plain(each) for each in short.head] == [plain(each) for each in complete.head]


def test_fifty_shards_are_summed_up_and_the_troubled_come_first() -> None:
    run = busy_run(shards=50, workers_each=4)
    troubled = [
        replace(shard, state=ShardState.DEAD, restarts=2) if shard.number == 33 else shard for shard in run.shards
    ]
    run = replace(run, shards=tuple(troubled), deaths=(Death(33, NOW, "killed by signal 9"),))
    section = sections.shards(watched(run), 120, urgent_first=True)
    assert section.note == "1 dead, 49 ready"
    assert plain(section.head[0]) == "shard 33 died: killed by signal 9"
    assert plain(section.head[1]).startswith("200 held, 0 % CPU, 4.5 GB")
    assert plain(section.body[0]).split()[:2] == ["33", "dead"]
    in_order = sections.shards(watched(run), 120)
    assert [plain(each).split()[0] for each in in_order.body] == [str(number) for number in range(50)]


# Lists


def test_papers_are_sorted_by_what_was_chosen() -> None:
    found = [
        PaperInWork("2401.00001", "prep", "download", 1.0, 9.0, 1),
        PaperInWork("2401.00002", "prep", "extract", 2.0, 2.0, 1),
        PaperInWork("2401.00003", "prep", "download", 3.0, 3.0, 1),
    ]
    run = run_status(shards=(shard_status(report=shard_report(in_work=tuple(found))),))
    sorted_by = {order: [each.paper_id[-1] for each in lists.papers_in_work(run, order)] for order in Order}
    assert sorted_by == {
        Order.TIME: ["1", "3", "2"],
        Order.STAGE: ["3", "1", "2"],
        Order.ID: ["1", "2", "3"],
    }


def test_failures_come_newest_first_and_say_what_follows() -> None:
    found = lists.failures_newest_first(busy_run())
    assert [each.at for each in found] == sorted((each.at for each in found), reverse=True)
    shown = [plain(each) for each in lists.failures(found, None, 120, 50).body]
    assert "for good" in shown[0]
    assert "attempt 2 later" in shown[1]


# The screen


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("tab", list(Tab))
def test_every_tab_at_every_size(tab: Tab, width: int, height: int) -> None:
    for run in (busy_run(), busy_run(shards=50, workers_each=20), run_status(written_at=NOW)):
        for on in (True, False):
            screen = draw(watched(run, on=on), View(tab=tab), width, height, NOW)
            assert len(screen.lines) == height
            assert max(map(width_of, screen.lines)) <= width
            assert plain(screen.lines[-1]).rstrip().endswith("q" if width < 50 else "q quit")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_everything_that_matters_is_on_the_first_screen(width: int, height: int) -> None:
    shown = text_of(draw(watched(busy_run()), View(), width, height, NOW))
    for words in ("58 %", "Waits", "Workers", "Shards", "Papers in work", "Failures", "source.example", "download"):
        assert words in shown
    assert ("Hosts and slots" if height > 40 or (width == 120 and height > 33) else "") in shown


def test_without_a_run_there_are_no_workers_and_no_papers_in_work() -> None:
    shown = text_of(draw(watched(busy_run(), on=False), View(), 80, 24, NOW))
    assert "Workers" not in shown
    assert "in work  " not in shown
    assert "Failures" in shown


def test_help_and_a_paper_are_pages() -> None:
    assert "Keys" in text_of(draw(watched(), View(help=True), 80, 24, NOW))
    page = ["paper     2401.00001", *(f"line {number}" for number in range(50))]
    screen = draw(watched(), View(opened="2401.00001", page_top=10**6), 80, 24, NOW, page)
    assert "line 49" in text_of(screen)
    assert screen.view.page_top == screen.reach.last_top == 51 - 23


def test_the_help_fits_a_small_screen() -> None:
    assert max(len(each) for each in HELP if each.startswith("  1")) <= 80


def test_the_snapshot_has_everything_once() -> None:
    shown = [plain(each) for each in snapshot(watched(busy_run()), 80, NOW)]
    assert max(map(len, shown)) <= 80
    for words in ("Waits", "Workers", "Hosts and slots", "Shards", "Papers in work", "Failures"):
        assert sum(each.startswith(words) for each in shown) == 1
    assert "… and 50 more" in shown


# Keys


def after(keys: str, view: View | None = None, run: RunStatus | None = None, size: tuple[int, int] = (80, 24)) -> View:
    """The view after some keys, each pressed on the screen that the one before has left."""
    here = watched(run or busy_run())
    screen = draw(here, view or View(), *size, NOW)
    for key in keys.split():
        screen = draw(here, pressed(screen.view, key, screen.reach), *size, NOW)
    return screen.view


def test_keys_choose_tabs() -> None:
    assert [after(key).tab for key in "1 2 3 4 5 6 7 0".split()] == [*Tab, Tab.ALL, Tab.ALL]
    assert after("tab tab").tab is Tab.SHARDS
    assert after("shift+tab").tab is after("left").tab is Tab.FAILURES
    assert after("right right right right right right").tab is Tab.ALL


def test_keys_move_through_papers_and_then_failures() -> None:
    papers = lists.papers_in_work(busy_run(), Order.TIME)
    assert after("down").chosen == Item(papers[0].paper_id)
    assert after("down j k").chosen == Item(papers[0].paper_id)
    assert after("up").chosen == after("end").chosen == Item("2305.00000", NOW)
    assert after("5 end").chosen == Item(papers[-1].paper_id)
    assert after("6 down").chosen == Item("2305.00008", NOW + 8)
    assert after("6 end home").chosen == Item("2305.00008", NOW + 8)
    assert after("down escape").chosen is None


def test_keys_sort_open_and_go_back() -> None:
    assert [after("s " * times).order for times in range(4)] == [Order.TIME, Order.STAGE, Order.ID, Order.TIME]
    assert after("enter").opened is None
    assert after("6 down enter").opened == "2305.00008"
    assert after("6 down enter escape") == after("6 down")
    assert after("question_mark").help
    assert after("h escape") == after("")
    # Other keys of the tabs do nothing while a page is open.
    assert after("down enter 3 s").tab is Tab.ALL


def test_what_is_chosen_stays_chosen_while_the_list_changes() -> None:
    items = [Item("a"), Item("b"), Item("c")]
    view = settled(View(chosen=Item("b"), row=1), items)
    assert settled(view, [Item("b"), Item("x")]) == replace(view, row=0)
    assert settled(view, [Item("x"), Item("y"), Item("z")]).chosen == Item("y")
    assert settled(view, [Item("x")]).chosen == Item("x")
    assert settled(view, []).chosen is None


def test_shards_and_workers_scroll() -> None:
    run = busy_run(shards=50, workers_each=20)
    here = watched(run)
    screen = draw(here, after("3 end", run=run), 80, 24, NOW)
    assert re.search(r"^ +49  ready", text_of(screen), re.MULTILINE)
    assert after("3 end pagedown down", run=run) == after("3 end", run=run)
    assert after("3 end home", run=run).top == 0
    assert after("3 pagedown pageup", run=run).top == 0


# Whatever a run reports

words = st.text(max_size=24)
stages = st.one_of(st.sampled_from(STAGES), words.filter(bool))
papers_in_work = st.builds(PaperInWork, words, words, stages, st.floats(0, 1e6), st.floats(0, 1e6), st.integers(1, 20))
failed_attempts = st.builds(
    FailedAttempt, st.floats(0, 2e9), words, words, st.integers(1, 9), words, st.text(max_size=200), st.booleans()
)
waits = st.builds(
    Wait, cause=st.sampled_from(Cause), subject=words, papers=st.integers(0, 3_000_000), since=st.floats(0, 2e9),
    until=st.one_of(st.none(), st.floats(0, 2e9)), why=st.text(max_size=200),
)  # fmt: skip
accounts = st.builds(
    account, total=st.integers(0, 10**7), done=st.integers(0, 10**7), failed=st.integers(0, 10**6),
    in_work=st.integers(0, 1000), queued=st.integers(0, 10**7), waiting=st.integers(0, 10**7),
    waits=st.lists(waits, max_size=6).map(tuple), limited_by=st.sampled_from(Limit), text=st.text(max_size=300),
)  # fmt: skip
reports = st.builds(
    shard_report, workers=st.lists(stages, max_size=40).map(tuple), held=st.integers(0, 100),
    in_work=st.lists(papers_in_work, max_size=12).map(tuple),
    gauges=st.dictionaries(words, st.builds(Gauge, st.integers(0, 99), st.integers(0, 99)), max_size=4),
)  # fmt: skip
shard_states = st.builds(shard_status, report=reports, state=st.sampled_from(ShardState), restarts=st.integers(0, 99))
host_states = st.builds(
    host_status, policy=st.one_of(words, st.just("source.example=1/3@1")), factor=st.floats(0, 1),
    closed_seconds=st.one_of(st.none(), st.floats(0, 1e6)), blocked=st.one_of(st.none(), words), why=words,
)  # fmt: skip
runs = st.builds(
    lambda found, **changes: run_status(
        shards=tuple(replace(each, number=at) for at, each in enumerate(found)), **changes
    ),
    st.lists(shard_states, max_size=12),
    account=accounts,
    state=st.sampled_from(RunState),
    paused=st.booleans(),
    failures=st.lists(failed_attempts, max_size=20).map(tuple),
    rates=st.builds(
        Rates, *[st.floats(0, 1e5)] * 4, st.lists(st.floats(0, 1e5), max_size=60).map(tuple)
    ),
    deaths=st.lists(st.builds(Death, st.integers(0, 99), st.floats(0, 2e9), words), max_size=2).map(tuple),
    hosts=st.dictionaries(words, host_states, max_size=4),
)  # fmt: skip
anything = st.builds(
    watched,
    run=runs,
    on=st.booleans(),
    folder=words,
    age_seconds=st.floats(0, 1e6),
    problem=st.one_of(st.just(""), words),
)
keys = st.sampled_from(
    "1 2 3 4 5 6 9 tab shift+tab left right up down j k pageup pagedown space home end g G enter escape s "
    "question_mark h f1 backspace x".split()
)


def is_chosen(spans: Line) -> bool:
    return any(span.style == lists.CHOSEN_STYLE for span in spans)


@settings(max_examples=40, deadline=None)
@given(anything, st.lists(keys, max_size=8), st.sampled_from([40, 80, 200]) | st.integers(20, 220), st.integers(8, 70))
def test_any_status_at_any_size_after_any_keys(here: Watched, pressed_keys: list[str], width: int, height: int) -> None:
    view, reach = View(), Reach()
    for key in ["", *pressed_keys]:
        screen = draw(here, pressed(view, key, reach) if key else view, width, height, NOW, ["a page", "of two"])
        view, reach = screen.view, screen.reach
        assert len(screen.lines) == height
        assert max(map(width_of, screen.lines)) <= width
        assert all(plain(each).isprintable() for each in screen.lines)
        if not view.has_page:
            assert any(map(is_chosen, screen.lines)) == (view.chosen is not None)
    printed = snapshot(here, width, NOW)
    assert max(map(width_of, printed)) <= width
    assert all(plain(each).isprintable() for each in printed)
