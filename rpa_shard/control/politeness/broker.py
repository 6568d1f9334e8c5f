"""The governor at work: shards' messages in, permits out, hosts' states told and kept for the next run.

Guarantee: what a host's refusal means is on disk before anybody acts on it, so a killed run changes nothing about it.
Limit: runs inside the supervisor's one thread; a permit waits for its turn of the loop.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS, policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.control.politeness.governor import Governor, changes
from rpa_shard.control.shard_process import ShardProcess
from rpa_shard.ipc.run_status import replace_soon
from rpa_shard.store.folder import DataFolder
from rpa_shard.system.clock import moment, seconds_since

log = logging.getLogger(__name__)

# Beyond a download's own time, for a permit that nobody gives back.
PERMIT_GRACE_SECONDS = 60.0


class Politeness:
    """The governor of one run, and everybody it talks to."""

    def __init__(self, settings: Settings) -> None:
        self._folder = DataFolder(settings.data_dir)
        now = time.monotonic()
        self._governor = Governor(
            policies_by_host(settings.host_policies),
            settings.host_close_seconds,
            settings.download_deadline_seconds + PERMIT_GRACE_SECONDS,
            now,
        )
        for host, saved, seconds in read_saved(self._folder.governor_file):
            self._governor.restore(host, saved, seconds, now)
        self._told: dict[str, Any] = {}

    def hosts(self) -> dict[str, Any]:
        """Every governed host and its state."""
        return self._governor.hosts(time.monotonic())

    def welcome(self, shard: ShardProcess) -> None:
        """Tells a new shard how things stand."""
        shard.send({"type": "hosts", "hosts": self.hosts()})

    def hear(self, shard: ShardProcess) -> None:
        """Takes in what a shard said."""
        now = time.monotonic()
        for message in shard.messages:
            host = message["host"]
            match message["type"]:
                case "want":
                    self._governor.want(shard.number, host, message["permits"])
                case "answered":
                    self._governor.answered(host, message["id"], now)
                case "back":
                    self._governor.back(host, message["id"], message["ending"], now)
                case "limited":
                    self._governor.limited(host, message["id"], message["retry_after_seconds"], now)
                case "blocked":
                    self._governor.block(host, message["detail"], now)
        shard.messages.clear()

    def forget(self, number: int) -> None:
        """A shard is gone, and what it held is free again."""
        self._governor.forget(number, time.monotonic())

    def act(self, shards: Mapping[int, ShardProcess]) -> None:
        """Tells everybody what has changed, and hands out what may go out now."""
        now = time.monotonic()
        granted = self._governor.grants(now)
        self._tell_changes(shards.values(), now)
        # Only what was told can be taken back: a shard keeps to the refusal that it heard until it hears of ours.
        if self._reopen_on_request():
            self._tell_changes(shards.values(), now)
        for grant in granted:
            if grant.shard in shards:
                message = {"type": "permits", "host": grant.host, "ids": grant.ids, "granted_at": grant.granted_at}
                shards[grant.shard].send(message)
            else:
                for permit in grant.ids:
                    self._governor.back(grant.host, permit, "unused", now)

    def seconds_to_next_grant(self) -> float | None:
        return self._governor.seconds_to_next_grant(time.monotonic())

    def _tell_changes(self, shards: Iterable[ShardProcess], now: float) -> None:
        hosts = self._governor.hosts(now)
        changed = list(changes(self._told, hosts))
        if not changed:
            return
        self._told = hosts
        save(self._folder.governor_file, hosts)
        for host in changed:
            if host in hosts:
                _log_state(host, hosts[host])
        for shard in shards:
            shard.send({"type": "hosts", "hosts": hosts})

    def _reopen_on_request(self) -> bool:
        reopened = False
        with suppress(FileNotFoundError):
            for request in os.scandir(self._folder.reopen_folder):
                if self._governor.reopen(request.name, time.monotonic()):
                    log.warning("host %s: opened again on request", request.name)
                    reopened = True
                Path(request.path).unlink(missing_ok=True)
        return reopened


def _log_state(host: str, state: Mapping[str, Any]) -> None:
    if state["blocked"]:
        log.error(
            "host %s: refuses us, no request until `./run.sh hosts --reopen %s`: %s", host, host, state["blocked"]
        )
    elif state["closed_seconds"] is not None:
        log.warning("host %s: asked us to slow down, left alone for %.0f s", host, state["closed_seconds"])
    elif state["factor"] < 1.0:
        log.warning("host %s: open at %.0f %% of %s", host, state["factor"] * 100, state["policy"])


def save(path: Path, hosts: Mapping[str, Any]) -> None:
    """Keeps the hosts' states, whole or not at all."""
    replace_soon(path, json.dumps({"saved": moment(), "hosts": hosts}))


def read_saved(path: Path) -> list[tuple[str, dict[str, Any], float]]:
    """Host, state and the seconds since then, of an earlier run; nothing where there is nothing to be read."""
    try:
        content = json.loads(path.read_text())
        seconds = seconds_since(content["saved"])
        return [(str(host), _checked(saved), seconds) for host, saved in content["hosts"].items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _checked(saved: Mapping[str, Any]) -> dict[str, Any]:
    """A state that `Governor.restore` can take up. Raises KeyError, TypeError, ValueError or AttributeError."""
    closed = saved["closed_seconds"]
    factor = float(saved["factor"])
    if not 0 < factor <= 1:
        raise ValueError(factor)
    return {
        "blocked": str(saved["blocked"]) if saved["blocked"] else None,
        "closed_seconds": None if closed is None else min(float(closed), MAX_PAUSE_SECONDS),
        "closings": max(0, int(saved["closings"])),
        "factor": factor,
    }
