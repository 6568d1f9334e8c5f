"""What the nodes of a trial share: PostgreSQL, an object store that can fail, a mirror, and a proxy before each node.

Guarantee: all of it is on loopback and ends with the block; what is not installed is said, and replaced by what is
there. Limit: one of each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rpa_shard.chaos.plan import Plan
from rpa_shard.testing import s3_server
from rpa_shard.testing.flaky_http import FlakyHttp
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.postgres_server import PostgresServer
from rpa_shard.testing.proxy import Proxy, Route

DATABASE = "trial"
BUCKET = "papers"
STARTS = 3


@dataclass(slots=True)
class Servers:
    """The servers of a trial. `artifacts` is where papers' files are kept, `object_store` what stands before it.

    `setting` says what they are, for people; `arrivals` is the log of the mirror.
    """

    database: PostgresServer
    proxy: Proxy
    mirror: MirrorProcess
    arrivals: Path
    artifacts: str
    object_store: FlakyHttp | None
    variables: Mapping[str, str] = field(default_factory=dict)
    setting: list[str] = field(default_factory=list)

    @property
    def store(self) -> str:
        """The database, as one reaches it who is never cut off."""
        return self.database.url(DATABASE)

    @property
    def store_by_port(self) -> str:
        """The database, at the port that PGPORT names: each node has a route of its own."""
        return self.store.replace(f":{self.database.port}/", "/")

    def route(self, node: str) -> Route:
        """A way to the database for one node."""
        return self.proxy.route(node, "127.0.0.1", self.database.port)

    def knobs(self) -> dict[str, str]:
        """The variables of every node, except for its name, its folder and its route."""
        return {
            **self.variables,
            "RPA_V2_STORE": self.store_by_port,
            "RPA_V2_ARTIFACTS": self.artifacts,
            "RPA_V2_SOURCES": f"{self.mirror.url}/pdf/{{id}}",
        }


@contextmanager
def serving(root: Path, plan: Plan) -> Iterator[Servers]:
    """Starts all of them in `root`. The object store's variables are in this process's environment meanwhile.

    Raises NotInstalledError where there is no PostgreSQL.
    """
    with ExitStack() as opened:
        (root / "shelf").mkdir(parents=True, exist_ok=True)
        database = opened.enter_context(PostgresServer(root / "postgres"))
        database.create_database(DATABASE)
        artifacts, flaky, variables, said = _object_store(root, plan.seed, opened)
        opened.enter_context(_environment(variables))
        log = root / "arrivals.jsonl"
        yield Servers(
            database,
            opened.enter_context(Proxy()),
            opened.enter_context(MirrorProcess(root / "shelf", plan.faults, plan.seed, log)),
            log,
            artifacts,
            flaky,
            variables,
            ["rows               a PostgreSQL server of its own", f"papers' files      {said}"],
        )


def _object_store(root: Path, seed: int, opened: ExitStack) -> tuple[str, FlakyHttp | None, Mapping[str, str], str]:
    try:
        server = opened.enter_context(s3_server.S3Server(root / "s3"))
    except s3_server.NotInstalledError as error:
        (root / "shared").mkdir()
        return f"file://{root / 'shared'}", None, {}, f"a shared folder, which never fails ({error})"
    flaky = opened.enter_context(FlakyHttp(server.url, seed=seed))
    url = server.create_bucket(BUCKET)
    return url, flaky, server.environment(flaky.url), "an S3 server (SeaweedFS) that answers 503 at times"


def restart(database: PostgresServer) -> None:
    """Restarts it in order."""
    database.stop()
    start_again(database)


def start_again(database: PostgresServer) -> None:
    """Starts it after it was killed; its processes may take a moment to end."""
    for _ in range(STARTS):
        try:
            database.start()
        except RuntimeError:
            time.sleep(0.5)
        else:
            return
    database.start()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """This process's environment has these variables for the time of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
