"""Starting and ending the endpoint: in the running loop, until a signal, or in a process of its own.

Guarantee: as `rpa_shard.testing.serving` says. Limit: likewise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from rpa_shard.testing.faults import parse_faults
from rpa_shard.testing.llm_mirror.answers.faults import KINDS
from rpa_shard.testing.llm_mirror.batch import add_batch_routes
from rpa_shard.testing.llm_mirror.limits import parse_limits
from rpa_shard.testing.llm_mirror.server import Behaviour, Endpoint
from rpa_shard.testing.serving import MirrorError, Server, ServerProcess, end_with_parent, serve_until_signalled

MAX_BODY_BYTES = 2**28
WELL_BEHAVED = Behaviour()


def application(behaviour: Behaviour) -> web.Application:
    """The endpoint as an aiohttp application. Raises MirrorError."""
    if behaviour.log is not None:
        try:
            behaviour.log.open("a").close()
        except OSError as error:
            raise MirrorError(f"{behaviour.log}: {error.strerror}") from None
    endpoint = Endpoint(behaviour)
    made = web.Application(client_max_size=MAX_BODY_BYTES)
    made.cleanup_ctx.append(endpoint.run)
    made.router.add_get("/v1/models", endpoint.models)
    made.router.add_post("/v1/chat/completions", endpoint.chat)
    add_batch_routes(made, endpoint)
    return made


def behaviour_of(
    faults: str = "", seed: int = 0, limits: str = "", log: Path | str | None = None, **others: Any
) -> Behaviour:
    """The behaviour that options ask for, as texts and numbers; others are as in `Behaviour`. Raises ValueError."""
    if "models" in others:
        others["models"] = tuple(others["models"])
    return Behaviour(
        faults=parse_faults(faults, seed, KINDS),
        limits=parse_limits(limits),
        log=Path(log) if log is not None else None,
        **others,
    )


class LlmMirror(Server):
    """An endpoint in the running loop: `async with LlmMirror() as mirror: ... mirror.base_url`."""

    def __init__(self, behaviour: Behaviour = WELL_BEHAVED, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(application(behaviour), host, port)

    @property
    def base_url(self) -> str:
        """What comes before `/chat/completions`."""
        return f"{self.url}/v1"


def serve(host: str, port: int, announce: Callable[[str], None], behaviour: Behaviour = WELL_BEHAVED) -> None:
    """Serves until SIGINT or SIGTERM; `announce` gets the URL. Raises MirrorError."""
    serve_until_signalled(lambda: LlmMirror(behaviour, host, port), announce)


class LlmMirrorProcess(ServerProcess):
    """An endpoint in its own process, which ends with this one: `with LlmMirrorProcess() as mirror: ...`.

    Options are those of `behaviour_of`.
    """

    def __init__(self, port: int = 0, log: Path | None = None, **options: Any) -> None:
        behaviour_of(**options)  # so that a mistake is found here
        options["log"] = str(log) if log is not None else None
        super().__init__(__package__, [str(port), json.dumps(options)], "the mirror of a model's endpoint")

    @property
    def base_url(self) -> str:
        """What comes before `/chat/completions`."""
        return f"{self.url}/v1"


def main() -> None:
    """Serves as a process of its own; its arguments are a port, and options as JSON."""
    port, options = int(sys.argv[1]), json.loads(sys.argv[2])
    end_with_parent()
    try:
        serve("127.0.0.1", port, lambda url: print(url, flush=True), behaviour_of(**options))
    except MirrorError as error:
        sys.exit(f"mirror: {error}")
