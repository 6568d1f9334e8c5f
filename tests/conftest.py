"""Fixtures for tests with real processes: a mirror of sample papers, a rig with its own data folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.s3_server import NotInstalledError, S3Server, program
from rpa_shard.testing.sample_papers import Collection, Kind, demo_collection, sample_pdf, write_collection
from tests.rig import Rig

# No deadline for examples: their time depends on the machine.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")


@pytest.fixture(scope="session", autouse=True)
def postgres_ends() -> Iterator[None]:
    """A PostgreSQL server that any test has started ends with the tests."""
    yield
    postgres = sys.modules.get("tests.postgres")
    if postgres is not None:
        postgres.SERVER.stop()


@pytest.fixture(scope="session")
def collection() -> Collection:
    return demo_collection(60)


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory, collection: Collection) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mirror")
    write_collection(folder, collection)
    with MirrorProcess(folder) as process:
        yield process.url


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One S3 server for the whole test process; each test makes a bucket of its own."""
    try:
        program()
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    """A sample paper of two columns."""
    path = tmp_path / "paper.pdf"
    path.write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    return path


@pytest.fixture
def rig(tmp_path: Path, mirror: str) -> Iterator[Rig]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RPA_V2_")}
    root = tmp_path / "data"
    made = Rig(
        root,
        environment
        | {
            "RPA_V2_DATA_DIR": str(root),
            "RPA_V2_SOURCES": f"{mirror}/pdf/{{id}}",
            "RPA_V2_SHARD_COUNT": "2",
            "RPA_V2_RETRY_DELAY_SCALE": "0.01",
            "RPA_V2_LOG_LEVEL": "info",
        },
    )
    yield made
    made.end()


@pytest.fixture
def queued(rig: Rig, collection: Collection) -> Rig:
    """A rig with the whole collection queued."""
    with open_ledger(rig.folder, Layout(200, 2)) as ledger:
        ledger.add(collection.pdfs)
    return rig


@pytest.fixture
def database() -> str:
    """The URL of a database that has the schema and no papers."""
    pytest.importorskip("psycopg", reason="pip install 'rpa-shard[cluster]'")
    from tests.postgres import SERVER

    return SERVER.new_database()
