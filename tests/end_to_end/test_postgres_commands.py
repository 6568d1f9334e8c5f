"""Every command over a real PostgreSQL server, as people call it; what is wrong with the server is one line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.outcome import failed
from rpa_shard.testing.postgres_server import NotInstalledError, PostgresServer
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.rig import wait_for

PASSWORD = "not-to-be-seen"  # of a test's own server


@dataclass
class Terminal:
    """A person's terminal with a data folder and a database."""

    root: Path
    url: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> DataFolder:
        return DataFolder(self.root / "data", store=self.url, node="node-1")

    def start(self, *arguments: str, **knobs: str) -> subprocess.Popen[str]:
        knobs = {
            "RPA_V2_STORE": self.url, "RPA_V2_DATA_DIR": str(self.root / "data"), "RPA_V2_NODE": "node-1",
            "RPA_V2_SHARD_COUNT": "1", "RPA_V2_PHASES": "prep",
        } | self.environment | knobs  # fmt: skip
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RPA_", "PG"))}
        return subprocess.Popen(
            [sys.executable, "-m", "rpa_shard", *arguments],
            env=inherited | {name: value for name, value in knobs.items() if value},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that is killed at the end of the block, if it is still there."""
        with self.start(*arguments) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: str, **knobs: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **knobs)
        output, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        assert PASSWORD not in output + errors
        return process.returncode, output, errors


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Not below pytest's own folder, which the server's user may not enter."""
    with tempfile.TemporaryDirectory(prefix="rpa-postgres-") as root:
        try:
            with PostgresServer(Path(root) / "server") as running:
                yield running
        except NotInstalledError as error:
            pytest.skip(str(error))


@pytest.fixture
def terminal(server: PostgresServer, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, server.create_database(re.sub(r"\W", "", tmp_path.name.lower())))


def test_a_papers_life(terminal: Terminal) -> None:
    good, bad = terminal.root / "good.pdf", terminal.root / "bad.pdf"
    good.write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    bad.write_bytes(sample_pdf(Kind.BROKEN, "2401.00002"))
    assert terminal.run("status")[0] == 2, "there is nothing yet"
    assert terminal.run("add", str(good))[1] == "added 1, already known 0, invalid 0\n"
    assert re.search(r"local files +1 ", terminal.run("plan")[1])
    with terminal.running("run", "--daemon") as node:

        def counted() -> Mapping[str, int]:
            with open_ledger(terminal.folder) as ledger:
                return ledger.counts().by_status

        wait_for(lambda: counted() == {"prepped": 1}, "the first paper")
        assert terminal.run("add", str(good), str(bad))[1] == "added 1, already known 1, invalid 0\n"
        wait_for(lambda: counted() == {"prepped": 1, "failed": 1}, "both papers")
        node.send_signal(signal.SIGTERM)
        node.communicate(timeout=60)
    status = terminal.run("status")[1]
    database = terminal.url.rpartition("/")[2]
    assert f"database {database}" in status
    assert re.search(r"prepped +1\n", status)
    assert terminal.run("verify")[0] == 0
    listed = terminal.run("list")[1]
    assert "good.pdf  prepped" in listed
    assert "bad.pdf" in listed
    assert "prepped" in terminal.run("show", str(good))[1]
    exported = terminal.run("export", "--status", "prepped", "--out", "-")[1]
    (record,) = map(json.loads, exported.splitlines())
    assert record["id"].endswith("good.pdf")
    assert terminal.run("hosts")[0] == terminal.run("failures")[0] == 0
    assert terminal.run("retry", str(bad))[1] == "back in the queue: 1\n"
    assert terminal.run("redo", str(good))[1].startswith("1 papers will be extracted again")
    assert terminal.run("remove", str(bad))[1] == "removed 1 papers\n"
    assert json.loads(terminal.run("status", "--json")[1])["counts"]["by_status"] == {"pending": 1}


REFUSED: Mapping[str, tuple[str, str]] = {
    "another database": ("postgresql://rpa@127.0.0.1:{port}/nothing", "there is no such database: create it"),
    "a closed port": ("postgresql://rpa@127.0.0.1:{closed}/papers", "the server cannot be reached"),
    "a password": (f"postgresql://rpa:{PASSWORD}@127.0.0.1:{{port}}/papers", "without a password"),
}


@pytest.mark.parametrize(("url", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_one_line(terminal: Terminal, server: PostgresServer, url: str, why: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = url.format(port=server.port, closed=free.getsockname()[1])
        code, output, errors = terminal.run("status", RPA_V2_STORE=url)
    assert (code, output) == (2, "")
    assert why in errors.splitlines()[-1]
    assert len(errors.splitlines()) <= 2, "that it waits, and that it was in vain"


def test_a_password_comes_from_a_file(terminal: Terminal, server: PostgresServer) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'".encode())
        connection.execute(f"GRANT ALL ON DATABASE {terminal.url.rpartition('/')[2]} TO locked".encode())
    with psycopg.connect(terminal.url, autocommit=True) as connection:
        connection.execute("GRANT ALL ON SCHEMA public TO locked")
        (rules,) = connection.execute("SELECT current_setting('hba_file')").fetchone() or ("",)
        Path(rules).write_text("host all locked 127.0.0.1/32 scram-sha-256\n" + Path(rules).read_text())
        connection.execute("SELECT pg_reload_conf()")
    url = terminal.url.replace("rpa@", "locked@")

    def is_refused() -> bool:
        code, _, errors = terminal.run("status", RPA_V2_STORE=url)
        return code == 2 and "PGPASSFILE" in errors

    wait_for(is_refused, "the server's new rules")
    secret = terminal.root / "secret"
    secret.write_text(f"127.0.0.1:*:*:locked:{PASSWORD}\n")
    secret.chmod(0o600)
    assert terminal.run("add", "2401.00001", RPA_V2_STORE=url, PGPASSFILE=str(secret))[0] == 0


def test_add_outlives_a_server_that_is_killed(terminal: Terminal, server: PostgresServer) -> None:
    ids = terminal.root / "ids.txt"
    ids.write_text("".join(f"2401.{number:05}\n" for number in range(1, 30_001)))
    with terminal.running("add", "--file", str(ids)) as adding:
        with psycopg.connect(terminal.url, autocommit=True) as connection:

            def has_begun() -> bool:
                there = connection.execute("SELECT to_regclass('papers') IS NOT NULL").fetchone()
                return bool(there and there[0] and connection.execute("SELECT 1 FROM papers LIMIT 1").fetchone())

            wait_for(has_begun, "the first papers")
        server.stop(signal.SIGKILL)
        restarting = threading.Thread(target=server.start)
        restarting.start()
        output, errors = adding.communicate(timeout=90)
        restarting.join()
    assert (adding.returncode, output) == (0, "added 30000, already known 0, invalid 0\n"), errors
    assert "Traceback" not in errors
    with open_ledger(terminal.folder) as ledger:
        assert ledger.counts().by_status == {"pending": 30_000}


async def test_a_folder_moves_into_the_database(terminal: Terminal) -> None:
    in_folder = DataFolder(terminal.root / "data")
    assert terminal.run("add", "2401.00001", "2401.00002", RPA_V2_STORE="")[0] == 0
    async with engine_of(in_folder).open_store(0, 300.0) as store:
        (claim,) = await store.claim(PREP, 1)
        held = terminal.run("migrate", "--to", terminal.url, RPA_V2_STORE="")
        assert (held[0], "held by a run that died" in held[2]) == (2, True)
        await store.finish(claim, failed(PREP, Failure.BUG, "x"))
    code, output, errors = terminal.run("migrate", "--to", terminal.url, RPA_V2_STORE="")
    assert (code, errors) == (0, "")
    assert output.splitlines()[1] == f"from now on set RPA_V2_STORE={terminal.url}"
    for command in ("status", "run", "add"):
        code, output, errors = terminal.run(command, *["2401.00003"] * (command == "add"), RPA_V2_STORE="")
        assert (code, output, errors.count("\n")) == (2, "", 1), command
        assert terminal.url in errors
    assert json.loads(terminal.run("status", "--json")[1])["counts"]["by_status"] == {"pending": 1, "failed": 1}
