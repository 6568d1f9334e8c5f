"""Commands for runs on several machines: `node`, `drain`, `migrate`.

Guarantee: what is missing for them is said in one line. Limit: `run` is what a node does; see `running`.
"""

from __future__ import annotations

import argparse

from rpa_shard.cli import running
from rpa_shard.cli.output import OK, print_lines, say
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder


def node(parsed: argparse.Namespace, settings: Settings) -> int:
    """Works as one node of a run, until nothing is left to do on any of them."""
    from rpa_shard.control.nodes.asking import folder_of_nodes
    from rpa_shard.control.nodes.until_closed import drain_when_closed

    folder_of_nodes(settings)
    if parsed.until_closed:
        drain_when_closed()
    return running.run(parsed, settings)


def drain(parsed: argparse.Namespace, settings: Settings) -> int:
    """Asks a node to hand back what it holds and to end."""
    from rpa_shard.control.nodes.asking import drain as ask_for

    print_lines([ask_for(settings, parsed.node)])
    return OK


def migrate(parsed: argparse.Namespace, settings: Settings) -> int:
    """Moves all papers into a database, or back into the data folder."""
    from rpa_shard.maintain.migrate import migrate as move_papers

    print_lines(move_papers(DataFolder.of(settings), parsed.to, say))
    return OK
