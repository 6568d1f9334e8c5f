"""What a person sees of governed hosts, and how one is opened again.

Guarantee: works while a run is on and when none is; a request to reopen is kept until a run has taken it up. Limit: the
states are those of the last change that the run wrote down.
"""

from __future__ import annotations

import time

from rpa_shard.config.host_policy import policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.control.politeness.broker import read_saved
from rpa_shard.store.folder import DataFolder, StoreError


def host_lines(folder: DataFolder, settings: Settings) -> list[str]:
    """A line for each governed host."""
    saved = {host: (state, seconds_since) for host, state, seconds_since in read_saved(folder.governor_file)}
    known = {host: str(policy) for host, policy in policies_by_host(settings.host_policies).items()}
    lines = []
    for host in sorted({**known, **saved}):
        line = known.get(host, f"{host} (no published rate)")
        if host in saved:
            line += _state(host, *saved[host])
        lines.append(line)
    return lines


def _state(host: str, state: dict[str, object], seconds_since: float) -> str:
    if state["blocked"]:
        return f"\n  refuses us: {state['blocked']}\n  once you know why: ./run.sh hosts --reopen {host}"
    closed = state["closed_seconds"]
    if isinstance(closed, float) and closed > seconds_since:
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + closed - seconds_since))
        return f"\n  left alone until {until}: it asked us to slow down"
    factor = state["factor"]
    if isinstance(factor, float) and factor < 1.0:
        return f"\n  open at {factor * 100:.0f} % of its rate"
    return ""


def reopen(folder: DataFolder, host: str) -> str:
    """Asks the run, or the next one, to open a host again. Raises StoreError."""
    if host not in {saved for saved, state, _ in read_saved(folder.governor_file) if _is_shut(state)}:
        raise StoreError(f"{host} is not closed: see `./run.sh hosts`")
    folder.reopen_folder.mkdir(parents=True, exist_ok=True)
    (folder.reopen_folder / host).touch()
    return (
        f"{host} is opened again by the run, or by the next one; ./run.sh retry --reason blocked puts its papers back"
    )


def _is_shut(state: dict[str, object]) -> bool:
    return bool(state["blocked"]) or state["closed_seconds"] is not None
