"""Asking to reopen a host that refused us or asked us to slow down.

Guarantee: works during a run and without one; the request is kept until a run has handled it. Limit: whether the host
answers now is known only when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable

from rpa_shard.control.governors.at_rest import ask_to_reopen, saved_hosts
from rpa_shard.model.errors import StoreError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.program import program


def reopen(folder: DataFolder, hosts: Iterable[str]) -> list[str]:
    """Asks the run, or the next one, to reopen hosts. Raises StoreError, and then asks for none of them."""
    closed = {saved.host for saved in saved_hosts(folder) if saved.status.is_shut}
    wanted = list(dict.fromkeys(hosts))
    for host in wanted:
        if host not in closed:
            raise StoreError(f"{host} is not closed: see `{program()} hosts`")
    ask_to_reopen(folder, wanted)
    return [
        f"the current run, or the next one, will reopen {host}; {program()} retry --reason blocked requeues its papers"
        for host in wanted
    ]
