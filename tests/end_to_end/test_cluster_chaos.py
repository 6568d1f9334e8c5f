"""A short trial over two servers and several nodes: all invariants hold, whatever is killed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.testing import postgres_server
from tests.rig import Rig


@pytest.fixture(autouse=True)
def _needs_postgres() -> None:
    try:
        postgres_server.programs()
    except postgres_server.NotInstalledError as error:
        pytest.skip(str(error))


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL's user can enter: pytest closes its own to others whenever it starts."""
    with tempfile.TemporaryDirectory(prefix="rpa-cluster-") as name:
        yield Path(name)


def test_a_short_trial_on_nodes(rig: Rig, folder: Path) -> None:
    options = ("--on", "nodes", "--kills", "3", "--papers", "80", "--seed", "3", "--folder", str(folder))
    code, output, errors = rig.run("chaos", *options, deadline_seconds=240)
    assert code == 0, output + errors
    assert output.count(" holds  ") == 8
    assert "a PostgreSQL server of its own" in output
    (killed,) = re.findall(r"^processes killed +(\d+)$", output, re.MULTILINE)
    assert int(killed) >= 2
    assert list(folder.iterdir()) == []
