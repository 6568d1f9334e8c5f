"""Asking a living run for another number of shards.

Guarantee: a request is one small file, taken up once; the last one counts. Limit: it changes the run that is on; the
next start goes by `RPA_V2_SHARD_COUNT` again.
"""

from __future__ import annotations

import time

from rpa_shard.control.run_status import is_alive, read_status
from rpa_shard.store.folder import DataFolder, StoreError, replace_file

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 120.0


def read_resize_request(folder: DataFolder) -> int | None:
    """The number of shards asked for, and takes the request away; None where there is none."""
    path = folder.resize_request
    try:
        text = path.read_text()
        path.unlink()
    except FileNotFoundError:
        return None
    return int(text) if text.strip().isdigit() else None


def resize(folder: DataFolder, shards: int) -> str:
    """Asks the run that is on, and waits until it works on so many shards. Raises StoreError."""
    status = read_status(folder.status_file)
    if status is None or status["phase"] == "ended" or not is_alive(status["pid"], status["created_at"]):
        raise StoreError(f"no run is on in {folder.root}: set RPA_V2_SHARD_COUNT={shards} and start one")
    replace_file(folder.resize_request, str(shards).encode())
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE_SECONDS:
        status = read_status(folder.status_file)
        if status is None or not is_alive(status["pid"], status["created_at"]) or status["phase"] == "ended":
            raise StoreError("the run ended meanwhile")
        ready = sum(1 for shard in status["shards"] if shard["state"] == "ready")
        if status["shard_count"] == shards and ready == shards and not folder.resize_request.exists():
            return f"the run works on {shards} shards, after {time.monotonic() - begun:.1f} s"
        time.sleep(POLL_SECONDS)
    raise StoreError(f"the run has not got to {shards} shards within {PATIENCE_SECONDS:.0f} s: see its log")
