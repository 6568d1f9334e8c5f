"""What a person sees of governed hosts.

Guarantee: works during a run and without one. Limit: the states are those that a run saved last.
"""

from __future__ import annotations

import time

from rpa_shard.config.host_policy import policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.ipc.saved_hosts import SavedHost, read_hosts
from rpa_shard.store.data_folder import DataFolder


def host_lines(folder: DataFolder, settings: Settings) -> list[str]:
    """A line for each governed host."""
    saved = {each.host: each for each in read_hosts(folder.run.governor_file)}
    known = {host: str(policy) for host, policy in policies_by_host(settings.host_policies).items()}
    return [
        known.get(host, f"{host} (no published rate)") + (_state(saved[host]) if host in saved else "")
        for host in sorted({**known, **saved})
    ]


def _state(saved: SavedHost) -> str:
    status = saved.status
    if status.blocked:
        return f"\n  refuses us: {status.blocked}\n  once you know why: ./run.sh hosts --reopen {saved.host}"
    if status.closed_seconds is not None and status.closed_seconds > saved.age_seconds:
        left_seconds = status.closed_seconds - saved.age_seconds
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + left_seconds))
        return f"\n  left alone until {until}: {status.why or 'it was closed'}"
    if status.factor < 1.0:
        return f"\n  open at {status.factor * 100:.0f} % of its rate"
    return ""
