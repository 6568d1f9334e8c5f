"""Hosts and requests to reopen them, where the rows are in a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.memory import ClusterMemory, DeposedError, UnsavedError
from rpa_shard.control.models.spending import day_of
from rpa_shard.ipc.model_status import Spent
from rpa_shard.ipc.saved_models import SavedModels
from rpa_shard.maintain.reopen import reopen
from rpa_shard.model.errors import StoreError
from rpa_shard.observe.hosts import host_lines, known_hosts
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_cluster
from tests.memory_cluster import Memory, MemoryCluster
from tests.statuses import host_status

HOST = "source.example"
LEASE = 60.0


def test_what_the_governor_of_all_nodes_knows_is_shown_and_reopened_from_any_machine(
    tmp_path: Path, database: str
) -> None:
    settings = Settings(data_dir=tmp_path, store=database, node="b")
    folder = DataFolder.of(settings)
    with open_cluster(folder) as cluster:
        epoch = cluster.seek_epoch("a", "", "", LEASE)
        assert epoch is not None
        ClusterMemory(cluster, epoch.number).save_hosts({HOST: host_status(blocked="HTTP 403")})
        assert "HTTP 403" in "\n".join(host_lines(known_hosts(folder, settings)))
        with pytest.raises(StoreError, match="is not closed"):
            reopen(folder, ["other.example"])
        assert reopen(folder, [HOST, HOST])
        assert list(cluster.take_reopen_requests(epoch.number)) == [HOST]
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_is_there_for_the_next_epoch_and_the_one_before_saves_no_more() -> None:
    memory = Memory(clock=lambda: 5.0)
    first, second = MemoryCluster(memory), MemoryCluster(memory)
    kept = ClusterMemory(first, _epoch(first))
    models = SavedModels(day=day_of(0), today={"m": Spent(requests=3)}, reserved={}, models={})
    kept.save_models(models)
    kept.save_hosts({HOST: host_status(blocked="HTTP 403")})
    first.end_epoch(1)
    following = ClusterMemory(second, _epoch(second))
    assert following.models() == (models, 0.0)
    assert [(each.host, each.status.blocked) for each in following.hosts()] == [(HOST, "HTTP 403")]
    with pytest.raises(DeposedError):
        kept.save_hosts({})
    following.reopen([HOST])
    assert list(following.reopen_requests()) == [HOST]
    assert list(following.reopen_requests()) == []
    memory.is_away = True
    with pytest.raises(UnsavedError, match="the database cannot be written"):
        following.save_models(models)


def _epoch(cluster: MemoryCluster) -> int:
    epoch = cluster.seek_epoch("a", "", "", LEASE)
    assert epoch is not None
    return epoch.number
