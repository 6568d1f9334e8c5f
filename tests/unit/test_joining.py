"""How a run takes the name of its node, and gives it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rpa_shard.config.settings import Settings
from rpa_shard.control.nodes import launching
from rpa_shard.control.nodes.launching import joined
from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import Cluster, NodeTakenError
from rpa_shard.store.data_folder import DataFolder
from tests.memory_cluster import Memory, MemoryCluster


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    kept = Memory()

    @contextmanager
    def open_cluster(folder: DataFolder) -> Iterator[Cluster]:
        yield MemoryCluster(kept)

    monkeypatch.setattr(launching, "open_cluster", open_cluster)
    return kept


def settings_at(root: Path, **changes: str) -> Settings:
    given = {"RPA_V2_DATA_DIR": str(root), "RPA_V2_NODE": "n1", "RPA_V2_STORE": "postgresql://db/papers"}
    return Settings.from_environment(given | changes)


def start_and_die(settings: Settings) -> None:
    """Joins as a run that is then killed: it never leaves."""
    launching._join(settings, DataFolder.of(settings))


def test_a_folder_alone_joins_nothing(memory: Memory, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with joined(settings, DataFolder.of(settings)) as member:
        assert member is None
    assert memory.nodes == {}


def test_a_node_is_a_member_until_it_leaves(memory: Memory, tmp_path: Path) -> None:
    settings = settings_at(tmp_path, RPA_V2_NODE_ADDRESS="10.0.0.7")
    with joined(settings, DataFolder.of(settings)) as member:
        assert member is not None
        assert member.address == "10.0.0.7"
        assert MemoryCluster(memory).nodes()[0].is_member
    (row,) = MemoryCluster(memory).nodes()
    assert row.lease_seconds is None
    assert not DataFolder.of(settings).run.incarnation_file.exists()


def test_a_run_that_was_killed_is_replaced_at_once_in_its_own_folder_only(memory: Memory, tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "one")
    start_and_die(settings)
    other = settings_at(tmp_path / "other")
    with pytest.raises(NodeTakenError, match="RPA_V2_NODE"), joined(other, DataFolder.of(other)):
        pass
    with joined(settings, DataFolder.of(settings)) as member:
        assert member is not None
        assert memory.nodes["n1"].incarnation == member.membership.incarnation


def test_nobody_waits_for_the_lease_of_a_governor_that_is_known_to_have_ended(memory: Memory, tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "one")
    start_and_die(settings)
    other = MemoryCluster(memory)
    epoch = other.seek_epoch("n1", "10.0.0.1:1", "secret", 60)
    assert epoch is not None
    with joined(settings, DataFolder.of(settings)):
        assert other.governing() is None


def test_another_nodes_right_to_govern_stands(memory: Memory, tmp_path: Path) -> None:
    settings = settings_at(tmp_path / "one")
    start_and_die(settings)
    other = MemoryCluster(memory)
    assert other.seek_epoch("n2", "10.0.0.2:1", "secret", 60) is not None
    with joined(settings, DataFolder.of(settings)):
        assert other.governing() is not None


def test_a_run_ends_in_the_same_way_if_it_cannot_say_that_it_leaves(memory: Memory, tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    with joined(settings, DataFolder.of(settings)):
        memory.is_away = True
    memory.is_away = False
    assert memory.nodes["n1"].expires_at is not None
    memory.is_away = True
    with pytest.raises(StoreError), joined(settings, DataFolder.of(settings)):
        pass


def test_files_in_a_folder_of_its_own_are_for_one_node_only(memory: Memory, tmp_path: Path) -> None:
    start_and_die(settings_at(tmp_path / "one"))
    alone = settings_at(tmp_path / "two", RPA_V2_NODE="n2")
    with pytest.raises(StoreError, match="RPA_V2_ARTIFACTS"), joined(alone, DataFolder.of(alone)):
        pass
    shared = settings_at(tmp_path / "two", RPA_V2_NODE="n2", RPA_V2_ARTIFACTS=f"file://{tmp_path / 'shared'}")
    with joined(shared, DataFolder.of(shared)) as member:
        assert member is not None
