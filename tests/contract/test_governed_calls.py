"""Askers of several shards and the governor of models, against an endpoint that enforces its limits."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from rpa_shard.config.llm import CallLimits, ModelAt
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.memory import FileMemory
from rpa_shard.control.models.broker import CallBroker
from rpa_shard.ipc.calls import CallMessage, CallsGranted, ModelStates
from rpa_shard.ipc.messages import ToShard
from rpa_shard.llm.asking import Asker, open_asker
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.model.failure import PaperError, PhasePausedError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.testing.llm_mirror import MODEL, LlmMirror
from rpa_shard.testing.llm_mirror.log import LoggedCall, read_calls
from rpa_shard.testing.llm_mirror.running import behaviour_of
from tests.contract.test_asking import question

TURN_SECONDS = 0.002
PATIENCE_SECONDS = 20.0
LEASES = LeaseValidity(math.inf)


class Supervisor:
    """The governor, and the shards that it grants calls."""

    def __init__(self, settings: Settings, shards: int) -> None:
        self.broker = CallBroker(settings, FileMemory(DataFolder.of(settings).run))
        self.permits = [CallPermits(self._link(number), LEASES) for number in range(shards)]

    def _link(self, number: int) -> Callable[[CallMessage], None]:
        return lambda message: self.broker.handle(number, message)

    def send(self, number: int, message: ToShard) -> None:
        assert isinstance(message, CallsGranted | ModelStates)
        self.permits[number].handle(message)

    async def run(self) -> None:
        for number in range(len(self.permits)):
            self.send(number, self.broker.states())
        while True:
            self.broker.act(range(len(self.permits)), self.send)
            await asyncio.sleep(TURN_SECONDS)


@asynccontextmanager
async def run(
    tmp_path: Path, limits: CallLimits, enforced: str, faults: str = "", shards: int = 3
) -> AsyncIterator[tuple[Supervisor, Sequence[Asker]]]:
    """Askers of several shards; the endpoint enforces its limits, and logs."""
    behaviour = behaviour_of(faults, limits=enforced, log=str(tmp_path / "calls"), latency_seconds=0.02)
    async with AsyncExitStack() as opened:
        mirror = await opened.enter_async_context(LlmMirror(behaviour))
        settings = Settings(
            phases=("analyze",),
            data_dir=tmp_path,
            llm_endpoints=(ModelAt(mirror.base_url, MODEL, limits=limits),),
            llm_close_seconds=0.1,
            llm_stall_seconds=5.0,
        )
        DataFolder(tmp_path).run.root.mkdir(parents=True, exist_ok=True)
        supervisor = Supervisor(settings, shards)
        governing = asyncio.create_task(supervisor.run())
        opened.callback(governing.cancel)
        yield (
            supervisor,
            [
                await opened.enter_async_context(open_asker(settings, permits, LEASES, f"s{number}"))
                for number, permits in enumerate(supervisor.permits)
            ],
        )


async def ask_until_answered(asker: Asker, number: int) -> None:
    """As a worker does: a failed paper comes again, one that was handed back, too."""
    while True:
        with suppress(PaperError, PhasePausedError):
            await asker.ask(question(number))
            return
        await asyncio.sleep(0.01)


def beyond(calls: Sequence[LoggedCall]) -> list[LoggedCall]:
    return [call for call in calls if call.is_beyond]


def answered(calls: Sequence[LoggedCall]) -> list[str]:
    return sorted(call.key for call in calls if call.answered is not None)


async def test_calls_under_way_use_all_that_is_allowed_and_no_more(tmp_path: Path) -> None:
    async with run(tmp_path, CallLimits(in_flight=5), "in_flight=5") as (_, askers), asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(ask_until_answered(askers[number % 3], number) for number in range(90)))
    calls = read_calls(tmp_path / "calls")
    assert beyond(calls) == []
    assert answered(calls) == sorted(question(number).key for number in range(90))
    assert max(call.in_flight for call in calls) == 5


async def test_limits_and_failures_lose_no_question(tmp_path: Path) -> None:
    faults = "429=500ms:5%,500:5%,503:5%,drop:5%,error-in-stream:5%,usage-wrong:5%"
    async with (
        run(tmp_path, CallLimits(in_flight=20), "in_flight=20", faults) as (supervisor, askers),
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        await asyncio.gather(*(ask_until_answered(askers[number % 3], number) for number in range(60)))
        ((_, status),) = supervisor.broker.states().models.items()
    calls = read_calls(tmp_path / "calls")
    assert beyond(calls) == []
    assert answered(calls) == sorted(question(number).key for number in range(60))
    assert (status.under_way, status.wanted) == (0, 0)
    assert status.in_flight_limit < 20, "each pause that it asked for has halved it"


@pytest.mark.parametrize(
    ("measure", "most"), [("requests", 10), ("input_tokens", 5000), ("output_tokens", 1500)]
)  # fmt: skip
async def test_no_window_has_more_than_is_allowed(measure: str, most: int, tmp_path: Path) -> None:
    """So much is asked at once that the limit is used up, but for less than a call; the rest waits."""
    limits = CallLimits(**{f"{measure}_per_minute": most})
    async with run(tmp_path, limits, f"{measure}={most}") as (supervisor, askers):
        tasks = [asyncio.create_task(ask_until_answered(askers[number % 3], number)) for number in range(40)]
        async with asyncio.timeout(PATIENCE_SECONDS):
            await nothing_moves(supervisor)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    calls = read_calls(tmp_path / "calls")
    took = {
        "requests": len(calls),
        "input_tokens": sum(call.input_tokens for call in calls),
        "output_tokens": sum(call.output_tokens for call in calls),
    }[measure]
    assert beyond(calls) == []
    assert most * 0.8 <= took <= most


async def nothing_moves(supervisor: Supervisor) -> None:
    """Waits until calls wait, and none has been under way for some turns of the supervisor."""
    at_rest = 0
    while at_rest < 20:
        ((_, status),) = supervisor.broker.states().models.items()
        at_rest = 0 if status.under_way or not status.wanted else at_rest + 1
        await asyncio.sleep(5 * TURN_SECONDS)
