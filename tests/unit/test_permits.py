"""A shard's side of politeness."""

from __future__ import annotations

import asyncio
import time

import pytest

from rpa_shard.fetch.permits import Permits
from rpa_shard.ipc.messages import (
    Ending,
    HostBlocked,
    HostLimited,
    HostStates,
    PermitMessage,
    PermitReturned,
    PermitsGranted,
    PermitsWanted,
    RequestAnswered,
)
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.store.lease_validity import LeaseInDoubtError, LeaseValidity

HOST = "source.example"


def host(blocked: str | None = None) -> HostStatus:
    return HostStatus(
        policy=f"{HOST}=4/1@4", temporary=False, factor=1.0, closings=0, closed_seconds=None, blocked=blocked
    )


NOT_GOVERNED = HostStates({})
OPEN = HostStates({HOST: host()})
REFUSING = HostStates({HOST: host("HTTP 403")})


class Bench:
    def __init__(self, *governed: str) -> None:
        self.said: list[PermitMessage] = []
        self.now = 0.0
        self.leases = LeaseValidity(300.0, lambda: self.now)
        self.permits = Permits(governed, self.said.append, self.leases)
        self.inside = 0

    async def use(self, error: Exception | None = None) -> None:
        async with self.permits.permit(HOST):
            self.inside += 1
            if error is not None:
                raise error

    def grant(self, *ids: int, age_seconds: float = 0.0) -> None:
        granted_at = time.monotonic() - age_seconds
        self.permits.handle(PermitsGranted(HOST, ids, granted_at))


WANTED = PermitsWanted(HOST, 1)


def returned(permit: int, ending: Ending = "ok") -> PermitReturned:
    return PermitReturned(HOST, permit, ending)


async def started(bench: Bench, number: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(bench.use()) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_a_host_that_is_not_governed() -> None:
    bench = Bench()
    await bench.use()
    assert bench.said == []


async def test_one_request_for_one_permit() -> None:
    bench = Bench(HOST)
    tasks = await started(bench, 3)
    assert bench.said == [WANTED] * 3
    bench.grant(1, 2)
    await asyncio.gather(*tasks[:2])
    assert bench.inside == 2
    assert bench.said[3:] == [returned(1), returned(2)]
    bench.grant(3, 4)
    await tasks[2]
    assert bench.said[5:] == [returned(4, "unused"), returned(3)]


async def test_a_stale_permit_goes_back_and_another_is_asked_for() -> None:
    bench = Bench(HOST)
    (task,) = await started(bench, 1)
    bench.grant(1, age_seconds=5.0)
    await asyncio.sleep(0)
    assert bench.inside == 0
    assert bench.said == [WANTED, returned(1, "unused"), WANTED]
    bench.grant(2)
    await task


async def test_no_request_while_a_lease_may_have_run_out() -> None:
    bench = Bench()
    bench.now += 400
    (task,) = await started(bench, 1)
    await bench.leases.doubted.wait()
    assert bench.inside == 0
    bench.leases.renewed(bench.leases.renewal_begins())
    await task
    assert bench.inside == 1


async def test_a_permit_that_comes_while_a_lease_may_have_run_out_goes_back() -> None:
    bench = Bench(HOST)
    (task,) = await started(bench, 1)
    bench.now += 400
    bench.grant(1)
    await bench.leases.doubted.wait()
    assert bench.said == [WANTED, returned(1, "unused")]
    bench.leases.renewed(bench.leases.renewal_begins())
    await asyncio.sleep(0)
    assert bench.said[2:] == [WANTED]
    bench.grant(2)
    await task
    assert bench.said[3:] == [returned(2)]


async def test_a_request_that_was_not_sent_has_not_used_its_permit() -> None:
    bench = Bench(HOST)
    task = asyncio.create_task(bench.use(LeaseInDoubtError()))
    await asyncio.sleep(0)
    bench.grant(1)
    with pytest.raises(LeaseInDoubtError):
        await task
    assert bench.said == [WANTED, returned(1, "unused")]


async def test_a_permit_that_grows_stale_before_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop may stall after the permit has arrived."""
    bench = Bench(HOST)
    (task,) = await started(bench, 1)
    bench.grant(1)
    now = time.monotonic() + 5.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    await asyncio.sleep(0)
    assert bench.inside == 0
    assert bench.said == [WANTED, returned(1, "unused"), WANTED]
    bench.grant(2)
    await task
    assert bench.inside == 1


async def test_a_cancelled_worker_wastes_no_permit() -> None:
    bench = Bench(HOST)
    early, late = await started(bench, 2)
    early.cancel()
    await asyncio.sleep(0)
    bench.grant(1)
    late.cancel()  # between the permit and its use
    await asyncio.gather(early, late, return_exceptions=True)
    assert bench.inside == 0
    assert bench.said[-1] == returned(1, "unused")


@pytest.mark.parametrize(
    ("failure", "ending"),
    [
        (Failure.NOT_FOUND, "ok"),
        (Failure.NETWORK, "failed"),
        (Failure.SERVER_ERROR, "failed"),
        (Failure.TIMEOUT, "failed"),
    ],
)
async def test_how_a_request_ended(failure: Failure, ending: Ending) -> None:
    bench = Bench(HOST)
    task = asyncio.create_task(bench.use(PaperError(failure, "so it was")))
    await asyncio.sleep(0)
    bench.grant(1)
    with pytest.raises(PaperError):
        await task
    assert bench.said[-1] == returned(1, ending)


async def test_a_refusal_stops_all_waiting_workers_at_once() -> None:
    bench = Bench(HOST)
    refused = asyncio.create_task(bench.use(PaperError(Failure.BLOCKED, "HTTP 403")))
    others = await started(bench, 3)
    bench.grant(1)
    for task in (refused, *others):
        with pytest.raises(PaperError, match="HTTP 403"):
            await task
    with pytest.raises(PaperError, match="HTTP 403"):
        await bench.use()
    assert bench.inside == 1
    assert bench.said[4:] == [HostBlocked(HOST, "HTTP 403"), returned(1, "failed")]
    bench.permits.handle(REFUSING)
    bench.permits.handle(OPEN)
    (task,) = await started(bench, 1)
    bench.grant(2)
    await task


async def test_a_refusal_outlives_what_crossed_it() -> None:
    """The supervisor's messages and permits from before it learned of the refusal."""
    bench = Bench(HOST)
    refused = asyncio.create_task(bench.use(PaperError(Failure.BLOCKED, "HTTP 403")))
    await asyncio.sleep(0)
    bench.grant(1)
    with pytest.raises(PaperError):
        await refused
    bench.permits.handle(OPEN)
    with pytest.raises(PaperError, match="HTTP 403"):
        await asyncio.wait_for(bench.use(), 1.0)
    bench.grant(2)
    assert bench.inside == 1


async def test_a_host_that_was_limited_is_governed_from_then_on() -> None:
    bench = Bench()
    with pytest.raises(PaperError):
        await bench.use(PaperError(Failure.RATE_LIMITED, "HTTP 429", retry_after_seconds=7.0))
    assert bench.said == [HostLimited(HOST, None, 7.0, "HTTP 429")]
    (task,) = await started(bench, 1)
    bench.permits.handle(NOT_GOVERNED)  # sent before the supervisor learned of it
    await asyncio.sleep(0)
    assert not task.done()
    bench.permits.handle(OPEN)
    assert not task.done()
    bench.permits.handle(NOT_GOVERNED)  # it has recovered and no longer needs permits
    await task
    assert bench.inside == 2


async def test_an_answer_is_reported_before_its_body_has_arrived() -> None:
    bench = Bench(HOST)

    async def use() -> None:
        async with bench.permits.permit(HOST) as permit:
            assert permit.governed
            permit.answered()
            assert bench.said == [WANTED, RequestAnswered(HOST, 7)]

    task = asyncio.create_task(use())
    await asyncio.sleep(0)
    bench.grant(7)
    await task
    assert bench.said[1:] == [RequestAnswered(HOST, 7), returned(7)]


async def test_answers_that_need_no_permit_are_not_reported() -> None:
    bench = Bench()
    async with bench.permits.permit(HOST) as permit:
        assert not permit.governed
        permit.answered()
    assert bench.said == []
