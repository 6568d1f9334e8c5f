"""Our client against a real engine: llama.cpp, with a tiny model of random weights, whose grammar forces valid JSON.

It is skipped unless the packages are there: `pip install "llama-cpp-python[server]" gguf`, which builds for minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aiohttp.test_utils import unused_port

from rpa_shard.config.llm import ModelAt
from tests.contract.test_asking import bench, question
from tests.rig import wait_for
from tests.tiny_model import CONTEXT_TOKENS, write_tiny_model

for package in ("llama_cpp", "gguf"):
    pytest.importorskip(package, reason=f"{package} is not installed: a real engine is optional")

MODEL = "tiny"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the server of llama-cpp-python."""
    folder = tmp_path_factory.mktemp("llama")
    write_tiny_model(folder / "tiny.gguf")
    port = unused_port()
    url = f"http://127.0.0.1:{port}/v1"
    options = {"model": folder / "tiny.gguf", "model_alias": MODEL, "n_ctx": CONTEXT_TOKENS, "n_threads": 1}
    options |= {"host": "127.0.0.1", "port": port}
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with Path(folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "llama_cpp.server", *arguments], stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(url) or process.poll() is not None, "the engine answers")
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/models").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("stream", [True, False])
async def test_a_grammar_forces_json(engine: str, stream: bool) -> None:
    """It refuses json_schema, which our client finds out; then its grammar allows nothing but JSON."""
    model = ModelAt(engine, MODEL, context_tokens=CONTEXT_TOKENS)
    async with bench(model, llm_stream=stream) as made:
        answer = await made.asker.ask(question())
        assert isinstance(json.loads(answer.text), dict)
        assert (answer.finish, answer.model) == ("complete", MODEL)
        assert answer.usage.output_tokens > 0
        assert [ending for ending, *_ in made.governor.ended()][-1] == "answered"


async def test_how_long_its_context_is_is_learned_from_its_error(engine: str) -> None:
    """In one piece: a stream of this server ends there without a word, which is a failure of the endpoint."""
    async with bench(ModelAt(engine, MODEL, context_tokens=10**6), llm_stream=False) as made:
        failure = await made.failure(question(document="A sentence of the paper. " * 1000))
        assert f"maximum context length is {CONTEXT_TOKENS} tokens" in failure.detail
        assert made.asker.context_tokens == CONTEXT_TOKENS
