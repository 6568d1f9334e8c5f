"""Arguments of the commands for runs on several machines.

Guarantee: as `rpa_shard.cli.arguments` says. Limit: likewise.
"""

from __future__ import annotations

import argparse

from rpa_shard.cli.arguments.parsing import AddCommand, Once
from rpa_shard.cli.arguments.runs import add_run_options
from rpa_shard.config.places import parse_node_name, parse_store


def add_commands(command: AddCommand) -> None:
    """Runs on several machines."""
    sub = command("node", "work as one of several machines, until nothing is left on any of them", "node --shards 4")
    add_run_options(sub)
    sub.add_argument("--until-closed", action="store_true", help="drain once standard input, a pipe, is closed")

    sub = command("drain", "ask a node to hand back what it holds and to end", "drain worker-3")
    sub.add_argument("node", type=node_name, metavar="NODE", help="its name, as `status` shows it")

    sub = command(
        "migrate", "move all papers' states into a database, or back", "migrate --to postgresql://me@db/papers"
    )
    sub.add_argument(
        "--to", required=True, type=place, action=Once, metavar="URL|folder",
        help="the database, which must be empty; or `folder`: from RPA_V2_STORE into the data folder",
    )  # fmt: skip


def place(text: str) -> str:
    """Where papers can be moved to."""
    try:
        return text if text == "folder" else parse_store(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "neither `folder` nor postgresql://USER@HOST:PORT/DATABASE without a password, which belongs in a file "
            "(PGPASSFILE, PGSERVICE) or in PGPASSWORD"
        ) from None


def node_name(text: str) -> str:
    """A node's name."""
    try:
        return parse_node_name(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a node") from None
