"""An account in words, at any width, and what is told when a wait begins or ends."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.control.sentences import duration, in_columns, in_one_line, rate, time_of_day, wait_in_words
from rpa_shard.ipc.account import Account, Cause, Limit, Wait
from rpa_shard.observe.announcements import Announcer
from tests.statuses import account

NOW = time.mktime((2026, 11, 26, 13, 0, 0, 0, 0, -1))


def wait(cause: Cause = Cause.HOST, **changes: Any) -> Wait:
    usual: dict[str, Any] = {
        "cause": cause,
        "subject": "export.arxiv.org",
        "papers": 88,
        "since": NOW,
        "until": NOW + 34 * 60,
        "why": "asked for a pause: HTTP 429",
    }
    return Wait(**usual | changes)


def paused(**changes: Any) -> Account:
    """A run that waits."""
    usual: dict[str, Any] = {
        "total": 128,
        "done": 35,
        "failed": 5,
        "in_work": 0,
        "queued": 0,
        "waiting": 88,
        "waits": (wait(),),
        "limited_by": Limit.WAITING,
        "left_seconds": None,
    }
    return in_one_line(account(**usual | changes), NOW)


def test_what_is_waited_for_and_until_when() -> None:
    assert paused().text == "31 % · 35 done · 5 failed · 88 waiting: export.arxiv.org asked for a pause until 13:34"
    more = paused(waits=(wait(), wait(Cause.BACK_OFF, subject="network", papers=3)))
    assert more.text.endswith("asked for a pause until 13:34 and 1 more")


def test_it_fits_into_whatever_room_there_is() -> None:
    assert in_columns(paused(), NOW, 200) == paused().text
    assert in_columns(paused(), NOW, 60) == "31 % · 88 waiting: export.arxiv.org until 13:34"
    assert in_columns(paused(), NOW, 40) == "31 % · 88 waiting until 13:34"
    assert in_columns(paused(), NOW, 14) == "31 % · 40/128"
    assert in_columns(paused(), NOW, 5) == "31 %"
    works = in_one_line(account(total=12_000, done=7, in_work=200, queued=11_793), NOW)
    assert in_columns(works, NOW, 40) == "0 % · 7/12,000 · 2 s left"


@given(st.integers(0, 120), st.integers(0, 10**7), st.integers(0, 10**7), st.sampled_from(Limit))
def test_no_line_is_wider_than_the_terminal(columns: int, done: int, waiting: int, limit: Limit) -> None:
    made = paused(total=done + 5 + waiting, done=done, waiting=waiting, limited_by=limit)
    assert len(in_columns(made, NOW, columns)) <= max(columns, len("100 %"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (wait(Cause.BACK_OFF, subject="rate_limited", until=NOW + 9), "rate limited, next attempt at 13:00:09"),
        (wait(Cause.RESTART, subject="shard 3", until=NOW + 2), "shard 3 died and starts again at 13:00:02"),
        (wait(Cause.DISK, why="1 MB free for /data", until=None), "1 MB free for /data"),
        (wait(Cause.REFUSAL, until=None), "export.arxiv.org refuses us"),
        (
            wait(Cause.RATE, why="it allows 4 requests in 1 s"),
            "their turn at export.arxiv.org: it allows 4 requests in 1 s",
        ),
        (
            wait(Cause.MODEL, why="asked for a pause: HTTP 429", until=None),
            "export.arxiv.org asked for a pause: one call is to show whether it is over",
        ),
        (
            wait(Cause.BUDGET, why="the day's budget is spent", until=NOW + 9),
            "the day's budget is spent until 13:00:09",
        ),
        (
            wait(until=None),
            "export.arxiv.org asked for a pause: one request is to show whether it is over",
        ),
        (wait(until=NOW + 86_400), "export.arxiv.org asked for a pause until 27 Nov 13:00"),
    ],
)
def test_each_cause_has_its_words(given: Wait, words: str) -> None:
    assert wait_in_words(given, NOW) == words


def test_every_cause_has_words() -> None:
    assert all(wait_in_words(wait(cause), NOW) for cause in Cause)


def test_units_that_suit() -> None:
    assert [rate(each) for each in (120, 3.94, 0.5, 0.01)] == [
        "120 papers/s",
        "3.9 papers/s",
        "30.0 papers/min",
        "36.0 papers/h",
    ]
    assert [duration(each) for each in (3, 119, 150, 8000, 200_000, 3e6)] == [
        "3 s",
        "119 s",
        "2.5 min",
        "2.2 h",
        "2.3 days",
        "35 days",
    ]
    assert time_of_day(NOW + 90, NOW) == "13:01:30"


def told(*accounts: Account) -> list[list[str]]:
    announcer = Announcer()
    return [list(announcer.changes(each, NOW)) for each in accounts]


def test_a_wait_is_told_when_it_begins_and_when_it_ends() -> None:
    assert told(paused(), paused(), account()) == [
        ["export.arxiv.org asked for a pause: HTTP 429: 88 papers wait, until 13:34"],
        [],
        ["export.arxiv.org is asked again"],
    ]
    disk = paused(waits=(wait(Cause.DISK, subject="/data", why="1 MB free for /data"),))
    assert told(disk, account()) == [
        ["paused: 1 MB free for /data: free some space and it resumes"],
        ["enough space again: resuming"],
    ]
    gone = paused(waits=(wait(Cause.RESTART, subject="shard 3", until=NOW + 2),))
    assert told(gone, account()) == [["shard 3 died and starts again at 13:00:02"], ["shard 3 works again"]]


def test_models_and_their_budget_are_told_like_hosts() -> None:
    model = "qwen3 at 127.0.0.1:8000"
    closed = paused(waits=(wait(Cause.MODEL, subject=model, why="HTTP 429: slow down"),))
    assert told(closed, account()) == [
        [f"{model} is left alone: HTTP 429: slow down: 88 papers wait, until 13:34"],
        [f"{model} is asked again"],
    ]
    spent = paused(waits=(wait(Cause.BUDGET, subject="the day's budget", why="the day's budget is spent (usd=5)"),))
    assert told(spent, account()) == [
        ["paused: the day's budget is spent (usd=5): 88 papers wait, until 13:34"],
        ["a new day and its budget: models are asked again"],
    ]
    refused = account(waits=(wait(Cause.MODEL_REFUSAL, subject=model, why="HTTP 402", until=None, papers=0),))
    assert told(refused) == [[f"{model} refuses us: HTTP 402; once that is settled, start a run again"]]
    assert told(account(waits=(wait(Cause.MODEL_RATE, subject=model),)), account()) == [[], []]


def test_a_refusal_says_what_to_do() -> None:
    refused = account(waits=(wait(Cause.REFUSAL, why="HTTP 403", until=None, papers=0),))
    assert told(refused) == [
        ["export.arxiv.org refuses us: HTTP 403; once you know why: hosts --reopen export.arxiv.org"]
    ]


def test_back_offs_are_told_once_if_nothing_else_is_left_to_do() -> None:
    backs_off = (wait(Cause.BACK_OFF, subject="network", papers=88, until=NOW + 9),)
    stalls, works = paused(waits=backs_off), account(waits=backs_off)
    finished = paused(waits=backs_off, done=36, waiting=87)
    line = "nothing to do but wait: {} papers: network, next attempt at 13:00:09"
    assert told(works, stalls, works, stalls, finished) == [[], [line.format(88)], [], [], [line.format(87)]]
