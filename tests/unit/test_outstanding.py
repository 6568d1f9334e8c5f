"""What the shards of a node wait for and hold, as a new governor is told."""

from __future__ import annotations

from rpa_shard.control.governors.reaching.outstanding import Outstanding
from rpa_shard.ipc.calls import CallEnded, CallForgotten, CallsGranted, CallWanted
from rpa_shard.ipc.messages import (
    HostBlocked,
    HostStates,
    Message,
    NoPdf,
    PermitReturned,
    PermitsGranted,
    PermitsWanted,
    RequestAnswered,
)
from rpa_shard.ipc.node_messages import EVERY_SHARD, CallHeld, Of, PermitHeld
from rpa_shard.ipc.run_status import HostStatus

HOST = "source.example"


def host(blocked: str | None = None) -> HostStatus:
    return HostStatus(policy="", temporary=False, factor=1.0, closings=0, closed_seconds=None, blocked=blocked)


def told(outstanding: Outstanding) -> list[tuple[int, Message] | PermitHeld | CallHeld]:
    content = list(outstanding.all_of_it())
    plain: list[tuple[int, Message] | PermitHeld | CallHeld] = []
    for each in content:
        assert isinstance(each, Of | PermitHeld | CallHeld)
        plain.append((each.shard, each.decoded()) if isinstance(each, Of) else each)
    return plain


def test_who_waits_is_repeated_until_it_is_granted() -> None:
    outstanding = Outstanding()
    for _ in range(3):
        outstanding.noted(1, PermitsWanted(HOST, 1))
    assert told(outstanding) == told(outstanding) == [(1, PermitsWanted(HOST, 3))]
    outstanding.told(1, PermitsGranted(HOST, (7, 8), 0.0))
    assert told(outstanding) == [
        PermitHeld(1, HOST, 7, False), PermitHeld(1, HOST, 8, False), (1, PermitsWanted(HOST, 1)),
    ]  # fmt: skip
    outstanding.noted(1, RequestAnswered(HOST, 7))
    outstanding.noted(1, PermitReturned(HOST, 8, "ok"))
    assert told(outstanding) == [PermitHeld(1, HOST, 7, True), (1, PermitsWanted(HOST, 1))]


def test_who_was_told_that_it_waits_in_vain_waits_no_more() -> None:
    outstanding = Outstanding()
    outstanding.noted(1, PermitsWanted(HOST, 1))
    outstanding.noted(1, PermitsWanted("other.example", 1))
    outstanding.told(EVERY_SHARD, HostStates({HOST: host(), "other.example": host("no")}))
    assert told(outstanding) == [(1, PermitsWanted(HOST, 1))]
    outstanding.told(EVERY_SHARD, HostStates({}))
    assert told(outstanding) == []


def test_calls_are_repeated_as_permits_are() -> None:
    outstanding = Outstanding()
    wanted = [CallWanted("m", number, 1, 2) for number in range(4)]
    for each in wanted:
        outstanding.noted(0, each)
    outstanding.told(0, CallsGranted("m", (0, 1)))
    outstanding.noted(0, CallEnded("m", 0, "answered", 1, 1))
    outstanding.noted(0, CallForgotten("m", 2))
    assert told(outstanding) == [CallHeld(0, "m", 1), (0, wanted[3])]


def test_a_shard_that_is_gone_wants_nothing_and_what_it_has_reported_stays() -> None:
    outstanding = Outstanding()
    outstanding.noted(1, PermitsWanted(HOST, 1))
    outstanding.noted(1, HostBlocked(HOST, "403"))
    outstanding.forget(1)
    assert told(outstanding) == [(1, HostBlocked(HOST, "403"))]


def test_a_report_is_repeated_until_it_has_been_acted_on() -> None:
    outstanding = Outstanding()
    refused, page = HostBlocked(HOST, "403"), NoPdf(1, HOST, None, "p", "x", "page", "says")
    outstanding.noted(1, refused)
    outstanding.sent_one()
    outstanding.noted(2, page)
    outstanding.sent_one()
    outstanding.acted(1)
    assert told(outstanding) == [(2, page)]
    outstanding.acted(0)
    assert told(outstanding) == [(2, page)]
    outstanding.acted(1)
    assert told(outstanding) == []
