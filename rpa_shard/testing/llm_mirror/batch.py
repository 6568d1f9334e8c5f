"""OpenAI's batches: files that are uploaded, batches that are made of them, and files of answers.

Guarantee: every line of a file of requests has one line among the answers or the errors. Limit: faults of connections
mean nothing here, and such requests are answered well; files are kept in memory, and limits do not apply.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from rpa_shard.testing.llm_mirror.answers.replies import CREATED, Refused, Written, in_one_piece
from rpa_shard.testing.llm_mirror.answers.requests import RequestError, parse_request
from rpa_shard.testing.llm_mirror.server import Behaviour, Endpoint

ENDPOINT = "/v1/chat/completions"
# A batch is seen at work for so long.
WORKING_SECONDS = 0.05


def answer_batch_file(behaviour: Behaviour, questions: Path, answers: Path) -> int:
    """Answers a file of requests, as `vllm run-batch` does; returns how many. Raises OSError and UnicodeDecodeError."""
    endpoint, number = Endpoint(behaviour), 0
    with questions.open(encoding="utf-8") as lines, answers.open("w", encoding="utf-8") as out:
        for line, _ in answered(endpoint, lines):
            out.write(line)
            number += 1
    return number


def answered(endpoint: Endpoint, lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """For each line of a file of requests the line with its answer, and whether it is an answer and no error."""
    for number, line in enumerate(filter(str.strip, lines), 1):
        custom_id, status, body = _answer(endpoint, line)
        response = {"status_code": status, "request_id": f"req_{number}", "body": body}
        error = None if status == 200 else body.get("error")
        made = {"id": f"batch_req_{number}", "custom_id": custom_id, "response": response, "error": error}
        yield json.dumps(made) + "\n", status == 200


def _answer(endpoint: Endpoint, line: str) -> tuple[str | None, int, dict[str, Any]]:
    custom_id: str | None = None
    try:
        asked = json.loads(line)
        custom_id = asked["custom_id"]
        if asked["url"] != ENDPOINT:
            raise RequestError(f"only {ENDPOINT} can be asked", "url")
        reply, _ = endpoint.reply_to(parse_request(asked["body"], custom_id or ""))
    except RequestError as error:
        reply = Refused(status=400, message=error.message, param=error.param)
    except (ValueError, KeyError, TypeError):
        reply = Refused(status=400, message="the line is no request: custom_id, method, url and body are expected")
    return (
        (custom_id, 200, in_one_piece(reply)) if isinstance(reply, Written) else (custom_id, reply.status, reply.body())
    )


@dataclass(slots=True)
class _Shelf:
    """The files and batches of one endpoint."""

    endpoint: Endpoint
    files: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    working: set[asyncio.Task[None]] = field(default_factory=set)

    async def upload(self, request: web.Request) -> web.Response:
        """`POST /v1/files`"""
        form = await request.post()
        file = form.get("file")
        if not isinstance(file, web.FileField):
            return _error(400, "a file is expected")
        return web.json_response(self._keep(file.file.read(), file.filename, str(form.get("purpose"))))

    def _keep(self, content: bytes, name: str, purpose: str) -> dict[str, Any]:
        made: dict[str, Any] = {
            "id": f"file-{len(self.files) + 1}",
            "object": "file",
            "bytes": len(content),
            "created_at": CREATED,
            "filename": name,
            "purpose": purpose,
            "status": "processed",
        }
        self.files[made["id"]] = made, content
        return made

    async def file(self, request: web.Request) -> web.Response:
        """`GET /v1/files/{id}`"""
        found = self.files.get(request.match_info["id"])
        return web.json_response(found[0]) if found else _error(404, "no such file")

    async def content(self, request: web.Request) -> web.Response:
        """`GET /v1/files/{id}/content`"""
        found = self.files.get(request.match_info["id"])
        return web.Response(body=found[1], content_type="application/jsonl") if found else _error(404, "no such file")

    async def create(self, request: web.Request) -> web.Response:
        """`POST /v1/batches`"""
        wanted = await request.json()
        if wanted.get("input_file_id") not in self.files or wanted.get("endpoint") != ENDPOINT:
            return _error(400, f"a file that was uploaded is expected, and the endpoint {ENDPOINT}")
        batch: dict[str, Any] = {
            "id": f"batch_{len(self.batches) + 1}",
            "object": "batch",
            "endpoint": ENDPOINT,
            "input_file_id": wanted["input_file_id"],
            "completion_window": wanted.get("completion_window", "24h"),
            "created_at": CREATED,
            "status": "validating",
            "metadata": wanted.get("metadata"),
        }
        self.batches[batch["id"]] = batch
        task = asyncio.create_task(self._work(batch))
        self.working.add(task)
        task.add_done_callback(self.working.discard)
        return web.json_response(batch)

    async def retrieve(self, request: web.Request) -> web.Response:
        """`GET /v1/batches/{id}`"""
        batch = self.batches.get(request.match_info["id"])
        return web.json_response(batch) if batch else _error(404, "no such batch")

    async def _work(self, batch: dict[str, Any]) -> None:
        batch["status"] = "in_progress"
        await asyncio.sleep(WORKING_SECONDS)
        content = self.files[batch["input_file_id"]][1].decode(errors="replace")
        made: dict[bool, list[str]] = {True: [], False: []}
        for line, is_answer in answered(self.endpoint, content.splitlines()):
            made[is_answer].append(line)
            await asyncio.sleep(0)
        for is_answer, name in ((True, "output"), (False, "error")):
            if made[is_answer]:
                kept = self._keep("".join(made[is_answer]).encode(), f"{batch['id']}_{name}.jsonl", "batch_output")
                batch[f"{name}_file_id"] = kept["id"]
        completed, failed = len(made[True]), len(made[False])
        batch["request_counts"] = {"total": completed + failed, "completed": completed, "failed": failed}
        batch["status"] = "completed"

    async def stop(self, _: web.Application) -> None:
        """Ends what is under way."""
        for task in self.working:
            task.cancel()


def _error(status: int, message: str) -> web.Response:
    return web.json_response(Refused(status=status, message=message).body(), status=status)


def add_batch_routes(application: web.Application, endpoint: Endpoint) -> None:
    """Gives an application the routes of files and batches."""
    shelf = _Shelf(endpoint)
    application.router.add_post("/v1/files", shelf.upload)
    application.router.add_get("/v1/files/{id}", shelf.file)
    application.router.add_get("/v1/files/{id}/content", shelf.content)
    application.router.add_post("/v1/batches", shelf.create)
    application.router.add_get("/v1/batches/{id}", shelf.retrieve)
    application.on_cleanup.append(shelf.stop)
