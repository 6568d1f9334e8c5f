"""Which file systems can hold a data folder.

Guarantee: a folder on a known network file system is refused: locks and SQLite's log are not safe there, and two hosts
could work in it at once. Limit: relies on the system's list of mounts; a file system with an unknown name passes.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from rpa_shard.model.errors import StoreError
from rpa_shard.system.files import real_path

_NETWORK = ("nfs", "cifs", "smb", "afs", "ceph", "gluster", "lustre", "gpfs", "beegfs", "fuse.sshfs", "fuse.s3fs")


def refuse_network_file_system(folder: Path) -> None:
    """Raises StoreError if `folder` lies, or would lie, on a network file system."""
    kind = file_system_of(folder)
    if kind.startswith(_NETWORK):
        raise StoreError(f"{folder} is on a network file system ({kind}), where locks do not hold: use a local disk")


def file_system_of(folder: Path) -> str:
    """The type of the file system that holds `folder`, by the longest mount point above it; "" if unknown."""
    path = real_path(folder)
    mounts = [(Path(each.mountpoint), each.fstype) for each in psutil.disk_partitions(all=True)]
    above = [(len(point.parts), kind) for point, kind in mounts if path.is_relative_to(point)]
    return max(above, default=(0, ""))[1]
