"""The mirror of a model's endpoint as a process and as a command."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from rpa_shard.cli import main
from rpa_shard.testing.llm_mirror import MODEL, LlmMirror, LlmMirrorProcess, behaviour_of
from rpa_shard.testing.llm_mirror.answers.requests import ChatRequest, parse_request
from rpa_shard.testing.llm_mirror.log import read_calls
from rpa_shard.testing.llm_mirror.server import Endpoint
from rpa_shard.testing.serving import MirrorError
from tests.rig import wait_for_async

QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "What is it?"}]}


async def test_a_process_ends_with_its_user(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    with LlmMirrorProcess(log=log, faults="429=2*1", pieces=3) as running:
        async with httpx.AsyncClient() as client:
            answers = [await client.post(f"{running.base_url}/chat/completions", json=QUESTION) for _ in range(2)]
    assert [each.status_code for each in answers] == [429, 200]
    assert [(each.fault, each.status, each.is_beyond) for each in read_calls(log)] == [
        ("429", 429, False),
        (None, 200, False),
    ]
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", int(running.url.rsplit(":", 1)[1]))


def test_mistakes_are_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        LlmMirrorProcess(faults="html")
    with pytest.raises(ValueError, match="is no limit"):
        LlmMirrorProcess(limits="calls=3")
    with pytest.raises(MirrorError, match="No such file"):
        LlmMirror(behaviour_of(log=tmp_path / "no" / "log"))


async def test_calls_at_a_time(tmp_path: Path) -> None:
    """Two are under way, a third is one too many; when one has left, there is room."""
    log = tmp_path / "calls.jsonl"
    behaviour = behaviour_of("stall*2", limits="in_flight=2", log=log)
    async with LlmMirror(behaviour) as mirror, httpx.AsyncClient(base_url=mirror.base_url) as client:

        async def ask() -> int:
            return (await client.post("/chat/completions", json=QUESTION)).status_code

        async with client.stream("POST", "/chat/completions", json=QUESTION) as first:
            async with client.stream("POST", "/chat/completions", json=QUESTION) as second:
                assert (first.status_code, second.status_code, await ask()) == (200, 200, 429)

            async def has_room() -> bool:
                return await ask() == 200

            await wait_for_async(has_room, "the one that has left makes room")
    calls = read_calls(log)
    assert {(each.fault, each.in_flight) for each in calls if each.status == 429} == {("beyond in_flight", 3)}
    assert [each.fault for each in calls if not each.answered and each.status == 200] == ["stall", "stall"]
    assert [each.in_flight for each in calls if each.answered] == [2]


def about(document: str, instruction: str, schema: dict[str, Any]) -> ChatRequest:
    messages = [{"role": "user", "content": document}, {"role": "user", "content": instruction}]
    format_ = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    return parse_request({"model": MODEL, "messages": messages, "response_format": format_})


def test_questions_about_a_document_share_a_fault() -> None:
    endpoint = Endpoint(behaviour_of("cut:50%,repair:50%", faults_by="document"))
    met: dict[str, list[str]] = {}
    for number in range(40):
        document = f"This is what was read at pier {number}."
        for step in ("Why?", "How?", "What?", "Who?", "Where?", "When?", "Judge."):
            verdict = {"properties": {"verdict": {"enum": ["PASS", "REPAIR"]}}} if step == "Judge." else {}
            _, fault = endpoint.reply_to(about(document, step, verdict))
            if fault is not None:
                met.setdefault(document, []).append(f"{fault} {step}")
    assert all(len(each) == 1 for each in met.values()), "each document meets one fault, once"
    found = {each for (each,) in met.values()}
    assert {each for each in found if each.startswith("repair")} == {"repair Judge."}
    assert len({each for each in found if each.startswith("cut")}) > 2, "in any of the questions"


async def test_what_is_no_request_is_answered_so() -> None:
    async with LlmMirror() as mirror, httpx.AsyncClient(base_url=mirror.base_url) as client:
        for content in (b"{", b"[]", b'{"model": "m"}'):
            answer = await client.post("/chat/completions", content=content)
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_batch_is_answered_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions, answers = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    line = {"custom_id": "q1", "method": "POST", "url": "/v1/chat/completions", "body": QUESTION}
    questions.write_text(json.dumps(line) + "\n\nnonsense\n" + json.dumps({**line, "url": "/v1/embeddings"}) + "\n")
    assert main(["llm-mirror", "--faults", "refusal", "--batch", str(questions), str(answers)]) == 0
    assert capsys.readouterr().out == f"answered 3 requests: {answers}\n"
    answered, nonsense, elsewhere = map(json.loads, answers.read_text().splitlines())
    assert answered["response"]["body"]["choices"][0]["message"]["refusal"]
    assert (answered["custom_id"], answered["error"]) == ("q1", None)
    assert (nonsense["custom_id"], nonsense["response"]["status_code"]) == (None, 400)
    assert "only /v1/chat/completions" in elsewhere["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--faults", "html:3%"], "no such fault: 'html:3%'; known are HTTP statuses, hang, stall"),
        (["--limits", "requests=none"], "'requests=none' is no limit: write requests=N, "),
        (["--log", "/nowhere/at/all"], "/nowhere/at/all: No such file or directory"),
        (["--batch", "/nowhere/in", "/nowhere/out"], "/nowhere/in: No such file or directory"),
    ],
)
def test_mistakes_of_the_command_are_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["llm-mirror", "--port", "0", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


async def test_a_port_that_is_taken_is_one_line() -> None:
    async with LlmMirror() as mirror:
        port = int(mirror.url.rsplit(":", 1)[1])
        with pytest.raises(MirrorError, match="cannot listen on"):
            async with LlmMirror(port=port):
                pass
