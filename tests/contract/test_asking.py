"""Asking models over HTTP: the mirror of an endpoint with its faults, and servers with manners of their own."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from rpa_shard.config.llm import KeyPlace, ModelAt, Price, Structured
from rpa_shard.config.settings import Settings
from rpa_shard.ipc.calls import (
    CallBegun,
    CallEnded,
    CallMessage,
    CallsGranted,
    CallWanted,
    ModelLimited,
    ModelRefused,
    ModelStates,
)
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus
from rpa_shard.llm import client
from rpa_shard.llm.asking import Asker, open_asker
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.llm.question import Answer, Parameters, Question
from rpa_shard.model.failure import Failure, PaperError, PhasePausedError
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.testing.llm_mirror import MODEL, LlmMirror
from rpa_shard.testing.llm_mirror.log import read_calls
from rpa_shard.testing.llm_mirror.running import behaviour_of
from tests.doubted_leases import DoubtedOnce

SCHEMA = {
    "type": "object",
    "properties": {"why": {"type": "string"}},
    "required": ["why"],
    "additionalProperties": False,
}
SENTENCE = "The tides of small lakes follow the moon more closely than has been thought. "


def question(number: int = 0, document: str = SENTENCE * 20, most: int = 200) -> Question:
    return Question(
        paper_id=f"2401.{number:05}",
        step="analyze/why",
        prompt_sha256="p",
        input_sha256="i",
        system="You read papers.",
        document=document,
        instruction="Say why it matters.",
        schema=SCHEMA,
        parameters=Parameters(max_output_tokens=most),
    )


LEASES = LeaseValidity(math.inf)


class Governor:
    """Grants every call at once, unless its model was refused or has been closed."""

    def __init__(self, models: tuple[ModelAt, ...]) -> None:
        self.said: list[CallMessage] = []
        self.permits = CallPermits(self.take, LEASES)
        self.closed_after_limit: float | None = None
        self._states = {each.name: ModelStatus(limits="", in_flight_limit=9) for each in models}
        self._tell()

    def _tell(self) -> None:
        self.permits.handle(ModelStates(dict(self._states), BudgetStatus()))

    def take(self, message: CallMessage) -> None:
        self.said.append(message)
        loop = asyncio.get_running_loop()
        if isinstance(message, CallWanted):
            loop.call_soon(self.permits.handle, CallsGranted(message.model, (message.number,)))
        elif isinstance(message, ModelLimited) and self.closed_after_limit is not None:
            self._change(message.model, closed_seconds=self.closed_after_limit)
        elif isinstance(message, ModelRefused):
            self._change(message.model, blocked=message.detail)

    def _change(self, model: str, **changes: Any) -> None:
        self._states[model] = replace(self._states[model], **changes)
        asyncio.get_running_loop().call_soon(self._tell)

    def of(self, kind: type[CallMessage]) -> list[CallMessage]:
        return [each for each in self.said if isinstance(each, kind)]

    def ended(self) -> list[tuple[str, int, int]]:
        return [
            (each.ending, each.input_tokens, each.output_tokens) for each in self.said if isinstance(each, CallEnded)
        ]


@dataclass
class Bench:
    asker: Asker
    governor: Governor

    async def failure(self, asked: Question | None = None) -> PaperError:
        with pytest.raises(PaperError) as found:
            await self.asker.ask(asked or question())
        return found.value


@asynccontextmanager
async def bench(*models: ModelAt, leases: LeaseValidity = LEASES, **knobs: Any) -> AsyncIterator[Bench]:
    governor = Governor(models)
    given: dict[str, Any] = {"llm_stall_seconds": 10.0, "llm_deadline_seconds": 20.0} | knobs
    async with open_asker(Settings(llm_endpoints=models, **given), governor.permits, leases, "t1") as asker:
        yield Bench(asker, governor)


@asynccontextmanager
async def mirrored(
    faults: str = "",
    *,
    model: str = MODEL,
    log: Path | None = None,
    knobs: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Bench]:
    """A bench with the mirror, whose every question meets the faults."""
    behaviour = behaviour_of(faults, log=str(log) if log is not None else None, **options)
    async with LlmMirror(behaviour) as mirror, bench(ModelAt(mirror.base_url, model), **(knobs or {})) as made:
        yield made


async def test_a_call_is_not_sent_at_the_last_moment_if_a_lease_may_have_run_out(tmp_path: Path) -> None:
    log, leases = tmp_path / "calls", DoubtedOnce(2)  # the first is before the endpoint is asked what it has
    async with mirrored(log=log, knobs={"leases": leases}) as made:
        assert (await made.asker.ask(question())).finish == "complete"
        assert [ending for ending, *_ in made.governor.ended()] == ["unsent", "answered"]
    assert leases.looks == 3
    assert len(log.read_text().splitlines()) == 1


async def test_an_answer(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    async with mirrored(log=log) as made:
        answer = await made.asker.ask(question())
        (wanted, begun, ended) = made.governor.said
    (call,) = read_calls(log)
    assert json.loads(answer.text).keys() == {"why"}
    assert (answer.model, answer.finish, answer.says, answer.micro_usd) == (MODEL, "complete", "", 0)
    assert answer.request_id == call.id
    assert answer.request_id.startswith(f"{question().key}.t1.")
    assert (call.input_tokens, call.output_tokens) == (answer.usage.input_tokens, answer.usage.output_tokens)
    assert not answer.usage.estimated
    assert answer.asked_at <= answer.answered_at
    assert isinstance(wanted, CallWanted)
    assert isinstance(begun, CallBegun)
    assert call.input_tokens <= wanted.input_tokens < 2 * call.input_tokens
    assert wanted.output_tokens == 200
    assert ended == CallEnded(wanted.model, wanted.number, "answered", call.input_tokens, call.output_tokens)


async def test_an_answer_in_one_piece() -> None:
    async with mirrored(knobs={"llm_stream": False}) as made:
        answer = await made.asker.ask(question())
        assert json.loads(answer.text).keys() == {"why"}
        assert not answer.usage.estimated
        assert [type(each) for each in made.governor.said] == [CallWanted, CallBegun, CallEnded]


async def test_a_document_of_a_megabyte_and_surrogates() -> None:
    async with mirrored(context_tokens=10**7) as made:
        assert (await made.asker.ask(question(document=SENTENCE * 20_000 + "\ud800"))).finish == "complete"


@pytest.mark.parametrize(
    ("fault", "finish", "text"),
    [("cut", "cut", None), ("refusal", "refused", ""), ("filter", "refused", None), ("fence", "complete", None)],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_answers_of_no_use_are_answers(fault: str, finish: str, text: str | None, stream: bool) -> None:
    async with mirrored(f"{fault}*always", knobs={"llm_stream": stream}) as made:
        answer = await made.asker.ask(question())
        assert answer.finish == finish
        assert text is None or answer.text == text
        assert bool(answer.says) == (finish == "refused")
        assert [ending for ending, *_ in made.governor.ended()] == ["answered"]
        if fault == "fence":
            assert json.loads(answer.text).keys() == {"why"}


@pytest.mark.parametrize("fault", ["usage-missing", "usage-wrong"])
async def test_without_usage_an_estimate_counts(fault: str) -> None:
    async with mirrored(f"{fault}*always") as made:
        answer = await made.asker.ask(question())
        assert answer.usage.estimated
        assert made.governor.ended() == [("answered", answer.usage.input_tokens, answer.usage.output_tokens)]
        assert answer.usage.input_tokens > 300
        assert answer.usage.output_tokens > 10


@pytest.mark.parametrize(
    ("fault", "failure", "costs"),
    [
        ("500", Failure.LLM_FAILED, False),
        ("503", Failure.LLM_FAILED, False),
        ("drop", Failure.LLM_FAILED, True),
        ("error-in-stream", Failure.LLM_FAILED, True),
        ("stall", Failure.LLM_FAILED, True),
        ("hang", Failure.LLM_FAILED, True),
        ("400", Failure.LLM_REJECTED, False),
        ("overlong", Failure.LLM_OVERLONG, False),
    ],
)
async def test_failures(fault: str, failure: Failure, costs: bool) -> None:
    async with mirrored(f"{fault}*always", knobs={"llm_stall_seconds": 0.3}) as made:
        error = await made.failure()
        assert error.failure is failure
        assert "\n" not in error.detail
        ((ending, input_tokens, _),) = made.governor.ended()
        assert ending == ("failed" if failure is Failure.LLM_FAILED else "answered")
        assert (input_tokens > 0) == costs


@pytest.mark.parametrize("fault", ["hang", "slow"])
async def test_the_deadline(fault: str) -> None:
    async with mirrored(f"{fault}*always", knobs={"llm_deadline_seconds": 0.3}) as made:
        error = await made.failure()
        assert (error.failure, error.detail) == (Failure.LLM_FAILED, "no answer within 0.3 s")


async def test_an_answer_in_one_piece_that_did_not_come_may_have_cost_all_of_it() -> None:
    async with mirrored("hang", knobs={"llm_deadline_seconds": 0.3, "llm_stream": False}) as made:
        assert (await made.failure()).failure is Failure.LLM_FAILED
        ((ending, input_tokens, output_tokens),) = made.governor.ended()
        assert (ending, input_tokens > 300, output_tokens) == ("failed", True, 200)


@pytest.mark.parametrize("kind", ["429", "429=7", "429=date", "429=500ms", "429=reset"])
async def test_limits_cost_the_paper_nothing(kind: str) -> None:
    async with mirrored(kind) as made:
        assert (await made.asker.ask(question())).finish == "complete"
        (limited,) = made.governor.of(ModelLimited)
        assert isinstance(limited, ModelLimited)
        expected = {"429": None, "429=7": 7.0, "429=500ms": 0.5, "429=reset": 1.5}
        assert limited.retry_after_seconds == expected.get(kind, pytest.approx(2.0, abs=1.1))
        assert len(made.governor.of(CallEnded)) == 1


@pytest.mark.parametrize("fault", ["401", "402", "403", "404"])
async def test_a_refusal_pauses_the_phase(fault: str) -> None:
    async with mirrored(f"{fault}*always") as made:
        with pytest.raises(PhasePausedError, match=fault):
            await made.asker.ask(question())
        assert len(made.governor.of(ModelRefused)) == 1
        with pytest.raises(PhasePausedError):
            await made.asker.ask(question(1))
        assert len(made.governor.of(CallWanted)) == 1


async def test_nobody_listens() -> None:
    async with bench(ModelAt(f"http://127.0.0.1:{unused_port()}/v1", "m")) as made:
        assert (await made.failure()).failure is Failure.LLM_UNREACHABLE
        assert made.governor.ended() == [("failed", 0, 0)]


@pytest.mark.parametrize("fault", ["500*always", "429=60*always", "402*always", "drop*always"])
async def test_another_model_is_asked_if_one_fails(fault: str) -> None:
    other = behaviour_of(models=["other"])
    async with (
        LlmMirror(behaviour_of(fault)) as bad,
        LlmMirror(other) as good,
        bench(ModelAt(bad.base_url, MODEL), ModelAt(good.base_url, "other", price=Price(1.0, 10.0))) as made,
    ):
        made.governor.closed_after_limit = 60.0
        answer = await made.asker.ask(question())
        assert answer.model == "other"
        assert answer.micro_usd == answer.usage.input_tokens + 10 * answer.usage.output_tokens
        assert [each.model.split()[0] for each in made.governor.of(CallWanted)] == [MODEL, "other"]


async def test_the_last_failure_counts_if_no_model_is_left() -> None:
    async with LlmMirror(behaviour_of("500*always")) as bad:
        nobody = ModelAt(f"http://127.0.0.1:{unused_port()}/v1", "m")
        async with bench(nobody, ModelAt(bad.base_url, MODEL)) as made:
            assert (await made.failure()).failure is Failure.LLM_FAILED


@pytest.mark.parametrize(("structured", "requests"), [("json_schema", 1), ("json_object", 3), ("none", 4)])
async def test_what_a_server_has_of_structure_is_found_out_once(
    structured: Structured, requests: int, tmp_path: Path
) -> None:
    log = tmp_path / "calls"
    async with mirrored(structured=structured, log=log) as made:
        answers = await asyncio.gather(*(made.asker.ask(question(number)) for number in range(10)))
    assert all(json.loads(answer.text).keys() == {"why"} for answer in answers)
    assert Counter(call.status for call in read_calls(log)) == Counter({200: 10, 400: requests - 1})


async def test_the_context_that_an_endpoint_says_counts_if_it_is_smaller() -> None:
    async with mirrored(context_tokens=2000) as made:
        assert made.asker.context_tokens == 2000
    async with mirrored(context_tokens=10**6) as made:
        assert made.asker.context_tokens == 32_768


async def test_a_question_that_was_too_long_is_made_again_if_the_endpoint_says_only_now_how_long_it_may_be() -> None:
    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return error("This model's maximum context length is 300 tokens.")

    async with odd(answering) as (_, made):
        found = await made.failure()
        assert (found.failure, made.asker.context_tokens) == (Failure.LLM_REJECTED, 300)
        assert (await made.failure(question(document="short", most=10))).failure is Failure.LLM_OVERLONG


async def test_a_cancelled_question_returns_its_permit() -> None:
    async with mirrored("hang") as made:
        task = asyncio.create_task(made.asker.ask(question()))
        while not made.governor.of(CallWanted):
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        ((ending, input_tokens, _),) = made.governor.ended()
        assert ending == "given_up"
        assert input_tokens > 0


Answering = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Odd:
    """A server with manners of its own."""

    answering: Answering
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        return await self.answering(request, body)


@asynccontextmanager
async def odd(answering: Answering, key: KeyPlace | None = None, **knobs: Any) -> AsyncIterator[tuple[Odd, Bench]]:
    served = Odd(answering)
    application = web.Application()
    application.router.add_post("/v1/chat/completions", served.handle)
    async with (
        TestServer(application) as server,
        bench(ModelAt(f"{server.make_url('/v1')}", "m", key), **knobs) as made,
    ):
        yield served, made


def completion(text: str = '{"why": "so"}') -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def error(message: str, status: int = 400) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)


async def streamed(request: web.Request, *pieces: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


async def in_one_piece(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    return web.json_response(completion())


async def test_a_server_that_ignores_stream() -> None:
    async with odd(in_one_piece) as (served, made):
        answer = await made.asker.ask(question())
    assert served.bodies[0]["stream"] is True
    assert (answer.text, answer.usage.estimated) == ('{"why": "so"}', True)


async def test_a_server_that_streams_unasked() -> None:
    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        assert "stream" not in body
        chunk = {"choices": [{"delta": {"content": "{}"}, "finish_reason": "stop"}]}
        return await streamed(request, b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")

    async with odd(answering, llm_stream=False) as (_, made):
        assert (await made.asker.ask(question())).text == "{}"


async def test_a_server_that_wants_everything_otherwise() -> None:
    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if "max_tokens" in body:
            return error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if "stream_options" in body:
            return error("extra fields not permitted: stream_options", 422)
        if "response_format" in body:
            return error("'response_format' is not supported")
        return web.json_response(completion())

    async with odd(answering) as (served, made):
        await asyncio.gather(*(made.asker.ask(question(number)) for number in range(3)))
        assert len(served.bodies) == 8
        assert len(made.governor.of(CallWanted)) == 8
        assert made.governor.ended()[:5] == [("answered", 0, 0)] * 5
    assert '"required": ["why"]' in served.bodies[-1]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"choices": []}, "without a chat completion"),
        ({"object": "list"}, "without a chat completion"),
        ({"choices": 7}, "no chat completion"),
        ({"error": {"message": "upstream failed", "code": 502}}, "upstream failed"),
    ],
)
async def test_no_answer_in_a_success(content: Any, says: str) -> None:
    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(content)

    async with odd(answering) as (_, made):
        found = await made.failure()
        assert found.failure is Failure.LLM_FAILED
        assert says in found.detail


async def test_a_limit_in_the_middle_of_a_stream() -> None:
    calls: list[int] = []

    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        calls.append(1)
        if len(calls) > 1:
            return web.json_response(completion())
        return await streamed(request, b'data: {"error": {"message": "slow down", "code": 429}}\n\n')

    async with odd(answering) as (_, made):
        assert (await made.asker.ask(question())).finish == "complete"
        assert len(made.governor.of(ModelLimited)) == 1


async def test_a_stream_that_does_not_close_is_at_its_end_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "END_SECONDS", 0.05)

    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunk = {"choices": [{"delta": {"content": "{}"}, "finish_reason": "stop"}]}
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")
        await asyncio.sleep(30)
        return response

    async with odd(answering) as (_, made):
        assert (await made.asker.ask(question())).text == "{}"


async def test_a_redirect_is_not_followed() -> None:
    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        raise web.HTTPPermanentRedirect("https://elsewhere.example/v1")

    async with odd(answering) as (_, made):
        with pytest.raises(PhasePausedError, match=r"elsewhere\.example"):
            await made.asker.ask(question())


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with odd(in_one_piece) as (proxy, direct):
        (endpoint,) = direct.asker.models
        monkeypatch.setenv("http_proxy", f"http://{endpoint.place}")
        async with bench(ModelAt("http://models.example/v1", "m")) as made:
            assert (await made.asker.ask(question())).place == "models.example"
    assert [headers["Host"] for headers in proxy.headers] == ["models.example"]
    assert proxy.bodies[0]["model"] == "m"


KEY = "sk-secret-0123456789"


@pytest.fixture
def key(tmp_path: Path) -> Iterator[KeyPlace]:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    yield KeyPlace("file", str(path))


async def test_the_key_is_sent_and_shown_nowhere(key: KeyPlace, caplog: pytest.LogCaptureFixture) -> None:
    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return error(f"no money on {request.headers['Authorization']}", 402)

    caplog.set_level("DEBUG")
    async with odd(answering, key) as (served, made):
        with pytest.raises(PhasePausedError) as paused:
            await made.asker.ask(question())
        said = repr(made.governor.said)
    assert served.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert served.headers[0]["X-Client-Request-Id"].startswith(question().key)
    for shown in (str(paused.value), said, caplog.text):
        assert KEY not in shown
    assert "[key]" in said


async def test_without_a_key_no_header_is_sent() -> None:
    async with odd(in_one_piece) as (served, made):
        await made.asker.ask(question())
    assert "Authorization" not in served.headers[0]


async def test_what_a_filter_keeps_back_is_a_refused_answer() -> None:
    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(
            {"error": {"message": "the prompt was filtered", "code": "content_filter"}}, status=400
        )

    async with odd(answering) as (_, made):
        answer: Answer = await made.asker.ask(question())
        assert (answer.finish, answer.text) == ("refused", "")
        assert "the prompt was filtered" in answer.says
        assert made.governor.ended() == [("answered", 0, 0)]


async def test_reservations_follow_what_is_measured() -> None:
    async def answering(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion() | {"usage": {"prompt_tokens": 150, "completion_tokens": 5}})

    async with odd(answering) as (_, made):
        for number in range(40):
            await made.asker.ask(question(number))
        wanted = [each.input_tokens for each in made.governor.said if isinstance(each, CallWanted)]
    assert wanted[0] > 300
    assert 150 <= wanted[-1] < 225
