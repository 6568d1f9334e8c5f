"""A shard's trust in hosts: few requests to those that give no PDFs, and what is reported."""

from __future__ import annotations

import asyncio

import pytest

from rpa_shard.fetch import trust as module
from rpa_shard.fetch.trust import ON_TRIAL, Trust
from rpa_shard.ipc.messages import HostAnswered, NoPdf, PermitMessage
from rpa_shard.model.failure import Failure, Page, PaperError
from tests.statuses import host_status

HOST = "source.example"
URL = f"https://{HOST}/1"
CAPTCHA = PaperError(Failure.NOT_A_PDF, "a page", page=Page("captcha", "HTTP 200: Are you a robot?"))
PDF = None


class Bench:
    """A shard with workers, and a supervisor that notes each report, unless told otherwise."""

    def __init__(self, *, notes: bool = True) -> None:
        self.said: list[PermitMessage] = []
        self.trust = Trust(self.hear)
        self.notes = notes
        self.running = 0
        self.most = 0

    def hear(self, message: PermitMessage) -> None:
        self.said.append(message)
        if isinstance(message, NoPdf) and self.notes:
            asyncio.get_running_loop().call_soon(self.trust.noted, message.number)

    def pages(self) -> list[NoPdf]:
        return [each for each in self.said if isinstance(each, NoPdf)]

    async def ask(self, error: PaperError | None = PDF, url: str = URL, *, until: asyncio.Event | None = None) -> None:
        async with self.trust.asking(HOST, url) as asking:
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await (asyncio.sleep(0) if until is None else until.wait())
                if error is not None:
                    raise error
                asking.gave_pdf()
                asking.gave_pdf()
            finally:
                self.running -= 1

    async def fails(self, error: PaperError) -> Failure:
        with pytest.raises(PaperError) as raised:
            await self.ask(error)
        return raised.value.failure

    def shut(self, **state: object) -> None:
        self.trust.take_in({HOST: host_status(**state)})


async def started(
    bench: Bench, number: int, until: asyncio.Event, error: PaperError | None
) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(bench.ask(error, until=until)) for _ in range(number)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_a_host_that_gives_pdfs_costs_no_message_and_waits_for_nobody() -> None:
    bench, until = Bench(), asyncio.Event()
    await bench.ask()
    tasks = await started(bench, 50, until, PDF)
    assert bench.running == 50
    until.set()
    await asyncio.gather(*tasks)
    assert bench.said == []


async def test_a_host_has_to_show_first_that_it_gives_pdfs() -> None:
    bench, until = Bench(), asyncio.Event()
    tasks = await started(bench, 50, until, PDF)
    assert bench.running == ON_TRIAL
    until.set()
    await asyncio.gather(*tasks)
    assert bench.said == []


@pytest.mark.parametrize("failure", [Failure.NOT_FOUND, Failure.TIMEOUT, Failure.NETWORK])
async def test_a_trial_ends_with_any_answer_that_says_nothing_bad(failure: Failure) -> None:
    bench, until = Bench(), asyncio.Event()
    assert await bench.fails(PaperError(failure, "so it was")) is failure
    tasks = await started(bench, 50, until, PDF)
    assert bench.running == 50
    until.set()
    await asyncio.gather(*tasks)
    assert bench.said == []


async def test_a_page_is_reported_and_only_a_pdf_ends_the_doubt() -> None:
    bench, until = Bench(), asyncio.Event()
    await bench.ask()
    assert await bench.fails(CAPTCHA) is Failure.NOT_A_PDF
    (report,) = bench.pages()
    assert (report.host, report.permit, report.page, report.instead) == (HOST, None, "captcha", "page")
    assert report.says == "HTTP 200: Are you a robot?"
    assert not report.on_trial, "many may have been under way"
    await bench.fails(CAPTCHA)
    assert [each.on_trial for each in bench.pages()] == [False, True]
    bench.said.pop()
    await bench.fails(PaperError(Failure.NOT_FOUND, "HTTP 404"))
    tasks = await started(bench, 50, until, PDF)
    assert bench.running == ON_TRIAL
    until.set()
    await asyncio.gather(*tasks)
    assert bench.said == [report, HostAnswered(HOST, with_pdf=True)], "one message, not fifty"


async def test_a_pdf_from_a_host_that_another_shard_doubts_is_reported_once() -> None:
    bench, until = Bench(), asyncio.Event()
    bench.trust.doubt("never.asked.example")
    await bench.ask()
    bench.trust.doubt(HOST)
    tasks = await started(bench, 50, until, PDF)
    assert bench.running == 50, "it is no reason to ask for less here"
    until.set()
    await asyncio.gather(*tasks)
    assert bench.said == [HostAnswered(HOST, with_pdf=True)]


async def test_pages_for_everybody_are_asked_for_few_at_a_time() -> None:
    bench = Bench()
    found = await asyncio.gather(*(bench.ask(CAPTCHA, f"{URL}{each}") for each in range(30)), return_exceptions=True)
    assert all(isinstance(each, PaperError) for each in found)
    assert bench.most == ON_TRIAL
    assert len({report.paper for report in bench.pages()}) == len({report.number for report in bench.pages()}) == 30


async def test_a_report_that_is_not_noted_holds_its_place() -> None:
    bench = Bench(notes=False)
    tasks = [asyncio.create_task(bench.ask(CAPTCHA)) for _ in range(10)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(bench.pages()) == ON_TRIAL
    for number in range(1, 11):
        bench.trust.noted(number)
        for _ in range(5):
            await asyncio.sleep(0)
    await asyncio.wait(tasks)
    assert len(bench.pages()) == 10


async def test_a_supervisor_that_is_gone_stops_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOTED_WITHIN_SECONDS", 0.01)
    assert await Bench(notes=False).fails(CAPTCHA) is Failure.NOT_A_PDF


async def test_a_page_from_a_host_that_is_shut_costs_no_attempt() -> None:
    bench = Bench()
    bench.shut(closed_seconds=0.0)
    assert await bench.fails(CAPTCHA) is Failure.RATE_LIMITED
    assert await bench.fails(PaperError(Failure.SERVER_ERROR, "HTTP 500")) is Failure.SERVER_ERROR
    assert [report.instead for report in bench.pages()] == ["page", "error"]
    assert await bench.fails(PaperError(Failure.NOT_FOUND, "HTTP 404")) is Failure.NOT_FOUND
    assert bench.said[-1] == HostAnswered(HOST, with_pdf=False)
    await bench.ask()
    assert bench.said[-1] == HostAnswered(HOST, with_pdf=True)
    bench.trust.take_in({HOST: host_status()})
    assert await bench.fails(CAPTCHA) is Failure.NOT_A_PDF


async def test_a_refusal_counts_only_where_another_host_refuses() -> None:
    bench = Bench()
    await bench.fails(PaperError(Failure.BLOCKED, "HTTP 403", host=HOST))
    assert bench.said == [], "it has been reported already"
    await bench.fails(PaperError(Failure.BLOCKED, "HTTP 403", host="login.example"))
    assert [report.host for report in bench.pages()] == [HOST]


async def test_a_cancelled_worker_gives_its_place_back() -> None:
    bench, until = Bench(), asyncio.Event()
    tasks = await started(bench, 3 * ON_TRIAL, until, CAPTCHA)
    for task in tasks[: 2 * ON_TRIAL]:
        task.cancel()
    await asyncio.wait(tasks[: 2 * ON_TRIAL])
    until.set()
    found = await asyncio.gather(*tasks[2 * ON_TRIAL :], return_exceptions=True)
    assert all(isinstance(each, PaperError) for each in found)
    assert bench.running == 0


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HOSTS", 10)
    trust = Trust(lambda _: None)
    for number in range(1000):
        async with trust.asking(f"host {number}", "url") as asking:
            asking.gave_pdf()
    assert len(trust._hosts) <= 10
