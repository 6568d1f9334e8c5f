"""Messages between supervisor and shard: each arrives as it was sent, and an invalid line affects no others."""

from __future__ import annotations

import json
import logging
from dataclasses import is_dataclass
from itertools import count, pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.control.placement.fork import describe
from rpa_shard.ipc.calls import (
    CallBegun,
    CallEnded,
    CallForgotten,
    CallsGranted,
    CallWanted,
    ModelLimited,
    ModelRefused,
    ModelStates,
)
from rpa_shard.ipc.messages import (
    VERSION,
    Broke,
    Drain,
    HostAnswered,
    HostBlocked,
    HostDoubted,
    HostLimited,
    HostStates,
    Inbox,
    Instead,
    MayTake,
    Message,
    MessageError,
    NoPdf,
    NoPdfNoted,
    Pause,
    PermitReturned,
    PermitsGranted,
    PermitsWanted,
    Reported,
    RequestAnswered,
    Resume,
    decode,
    encode,
)
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus, Spent
from rpa_shard.ipc.shard_report import BackOff, Gauge, LoopLag, ShardReport, ShardState, Work
from rpa_shard.model.distribution import Distribution
from rpa_shard.model.errors import StoreError
from tests.statuses import host_status, shard_report

MESSAGES: tuple[Message, ...] = (
    Drain(),
    Pause(),
    Resume(),
    MayTake({"prep": 3, "analyze": 0}, 1764000000.5),
    PermitsGranted("source.example", (1, 2**40), 12345.678),
    HostStates({"a.example": host_status(), "ü": host_status(blocked="HTTP 403\n", closed_seconds=0.0)}),
    Reported(ShardReport()),
    Reported(shard_report(outstanding=None, back_offs={"network": BackOff(3, 1e9, 2e9)})),
    Broke("OSError: [Errno 28] No space left on device\nand a second line\x00"),
    PermitsWanted("source.example", 3),
    RequestAnswered("source.example", 7),
    PermitReturned("source.example", 7, "unused"),
    HostLimited("source.example", None, None),
    HostLimited("source.example", 7, 0.5),
    HostLimited("source.example", 7, 0.5, "HTTP 429"),
    HostBlocked("source.example", "HTTP 403"),
    NoPdf(3, "source.example", None, "f00d", "beef", "promise", "HTTP 200: soon\n"),
    NoPdfNoted(3),
    HostDoubted("source.example"),
    HostAnswered("source.example", with_pdf=True),
    CallWanted("m at localhost:8000", 2**40, 8000, 1200),
    CallForgotten("m at localhost:8000", 1),
    CallBegun("m at localhost:8000", 1),
    CallEnded("m at localhost:8000", 1, "answered", 8123, 456),
    CallEnded("m at localhost:8000", 1, "failed", 0, 0, "HTTP 500: ü\n"),
    ModelLimited("m at localhost:8000", 1, None, "HTTP 429"),
    ModelLimited("m at localhost:8000", 1, 0.02, "HTTP 429"),
    ModelRefused("m at localhost:8000", 1, "HTTP 401"),
    CallsGranted("m at localhost:8000", (1, 2**40)),
    ModelStates(
        {"m at localhost:8000": ModelStatus(limits="requests=60", in_flight_limit=8, closed_seconds=0.0)},
        BudgetStatus(budget="usd=5", today=Spent(requests=1, micro_usd=7), spent_seconds=3600.0),
    ),
)
CLASSES = {each for group in get_args(Message) for each in (get_args(group) or (group,))}


def test_every_kind_of_message_is_here() -> None:
    assert {type(each) for each in MESSAGES} == CLASSES
    assert all(is_dataclass(each) for each in CLASSES)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: type(each).__name__)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == message


def test_a_line_says_its_version_and_kind() -> None:
    assert json.loads(encode(PermitsWanted("h", 3))) == {
        "version": VERSION,
        "kind": "permits_wanted",
        "body": {"host": "h", "count": 3},
    }


numbers = st.integers(0, 2**53)
seconds = st.floats(0, 1e9)
counts = st.dictionaries(st.text(), numbers, max_size=3)
texts = st.text(max_size=50)
reports = st.builds(
    ShardReport,
    state=st.sampled_from(ShardState),
    outstanding=st.none() | numbers,
    by_status=counts,
    by_failure=counts,
    back_offs=st.dictionaries(texts, st.builds(BackOff, numbers, seconds, seconds), max_size=3),
    workers=st.lists(texts, max_size=3).map(tuple),
    work=st.builds(
        Work,
        ended=st.dictionaries(texts, counts, max_size=2),
        retried=counts,
        totals=counts,
        durations=st.dictionaries(
            texts, st.builds(Distribution, st.dictionaries(st.integers(0, 240), numbers, max_size=3)), max_size=2
        ),
    ),
    gauges=st.dictionaries(texts, st.builds(Gauge, numbers, numbers), max_size=3),
    loop_lag=st.builds(LoopLag, p50_seconds=seconds, p99_seconds=seconds, max_seconds=seconds),
)
hosts = st.builds(
    host_status,
    policy=texts,
    temporary=st.booleans(),
    factor=seconds,
    closings=numbers,
    closed_seconds=st.none() | seconds,
    blocked=st.none() | texts,
)
messages = (
    st.sampled_from(MESSAGES)
    | st.builds(Reported, reports)
    | st.builds(HostStates, st.dictionaries(texts, hosts, max_size=3))
    | st.builds(PermitsGranted, texts, st.lists(numbers).map(tuple), seconds)
    | st.builds(HostLimited, texts, st.none() | numbers, st.none() | seconds, texts)
    | st.builds(
        NoPdf,
        numbers,
        texts,
        st.none() | numbers,
        texts,
        texts,
        st.sampled_from(get_args(Instead)),
        texts,
        st.booleans(),
    )
    | st.builds(NoPdfNoted, numbers)
    | st.builds(HostDoubted, texts)
    | st.builds(HostAnswered, texts, st.booleans())
    | st.builds(HostBlocked, texts, texts)
    | st.builds(Broke, texts)
)


def received(stream: bytes, cuts: list[int]) -> list[Message]:
    """What arrives of a stream that comes in the pieces between `cuts`."""
    inbox = Inbox()
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [each for begin, end in pairwise(places) for each in inbox.feed(stream[begin:end])]


@given(st.lists(messages, max_size=8), st.lists(st.integers(0, 2**16), max_size=20))
def test_messages_arrive_complete_and_in_order_however_they_are_split(sent: list[Message], cuts: list[int]) -> None:
    assert received(b"".join(map(encode, sent)), cuts) == sent


def test_byte_by_byte() -> None:
    stream = b"".join(map(encode, MESSAGES))
    assert received(stream, list(range(len(stream)))) == list(MESSAGES)


def test_half_a_message_does_not_arrive() -> None:
    inbox = Inbox()
    assert inbox.feed(encode(Drain()) + encode(Broke("x"))[:-1]) == [Drain()]
    assert inbox.feed(b"") == []
    assert inbox.feed(b"\n") == [Broke("x")]


def line(**changes: Any) -> bytes:
    """A message to drain, except for what is changed."""
    return json.dumps({"version": VERSION, "kind": "drain", "body": {}} | changes).encode()


NO_MESSAGES = [
    (line(version=VERSION + 1), f"a message of version {VERSION + 1}, but this program uses version {VERSION}"),
    (line(version=VERSION + 1, kind="unheard_of", body=7), f"a message of version {VERSION + 1}"),
    (line(kind="unheard_of"), "unknown kind of message: 'unheard_of'"),
    (line(kind="Drain"), "unknown kind of message: 'Drain'"),
    (line(kind="x\n" * 10_000), "unknown kind of message: 'x"),
    (line(kind="permits_wanted"), "not a message: "),
    (line(kind="permits_wanted", body={"host": 7, "count": 1}), "not a message: "),
    (line(kind="permit_returned", body={"host": "h", "permit": 1, "ending": "lost"}), "not a message: "),
    (line(kind="reported", body={"report": {"state": "asleep"}}), "not a message: "),
    (line(body=[]), "not a message: "),
    (line(version="1"), "not a message: "),
    (b"", "not a message: "),
    (b"{}", "not a message: "),
    (b"null", "not a message: "),
    (b"[1, 2", "not a message: "),
    (b"Traceback (most recent call last):", "not a message: "),
    (b"\x00\xff\xfe", "not a message: "),
    (line(kind="broke", body={"cause": "X"}).replace(b"X", b"\xff"), "not a message: "),
    (line(kind="\udc80").replace(b"\\udc80", b"\xff"), "not a message: "),
    (b"[" * 100_000, "not a message: "),
    (line(body="X").replace(b'"X"', b"[" * 100_000), "not a message: "),
    (encode(Broke("cut short"))[:-9], "not a message: "),
]


@pytest.mark.parametrize(("none", "why"), NO_MESSAGES, ids=count())
def test_an_invalid_message_is_reported_and_skipped(none: bytes, why: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MessageError, match="^" + why):
        decode(none)
    stream = encode(Pause()) + none + b"\n" + encode(Resume())
    assert Inbox().feed(stream) == [Pause(), Resume()]
    ((_, level, said),) = caplog.record_tuples
    assert level == logging.ERROR
    assert said.startswith(f"skipped a message: {why}")
    assert len(said) < 500, "garbage does not flood the log"
    assert "\n" not in said


@given(st.lists(st.binary(max_size=40).filter(lambda each: b"\n" not in each), max_size=5))
def test_whatever_the_bytes_are_the_messages_around_them_arrive(noise: list[bytes]) -> None:
    stream = b"".join(encode(PermitsWanted("h", number)) + each + b"\n" for number, each in enumerate(noise))
    assert Inbox().feed(stream) == [PermitsWanted("h", number) for number in range(len(noise))]


def test_why_a_shard_broke_can_be_said_whatever_its_files_are_called() -> None:
    """Regression: a path that is not valid text could not be sent, and the cause was lost."""
    inner = StoreError("/data\udcff/shards:\n is damaged")
    cause = describe(ExceptionGroup("several", [ExceptionGroup("inner", [inner]), ValueError("later")]))
    assert cause == "StoreError: /data\\udcff/shards: is damaged"
    assert decode(encode(Broke(cause))) == Broke(cause)
