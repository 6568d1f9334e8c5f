"""Arguments of the commands for failures, damage and changes.

Guarantee: as `rpa_shard.cli.arguments` says. Limit: likewise.
"""

from __future__ import annotations

from rpa_shard.cli.arguments.nodes import node_name
from rpa_shard.cli.arguments.parsing import AddCommand
from rpa_shard.cli.arguments.values import REPEATED
from rpa_shard.cli.selectors import add_selector


def add_commands(command: AddCommand) -> None:
    """Commands for failures, damage and changes."""
    sub = command("verify", "compare the store with the files; exit 1 if they differ", "verify")
    add_selector(sub)
    sub.add_argument("--no-hashes", dest="hashes", action="store_false", help="compare sizes only: much faster")
    sub.add_argument("--fix", action="store_true", help="send papers with damaged files back to be done again")
    sub.add_argument("--json", action="store_true", help="for programs")

    command(
        "repair",
        "rebuild damaged files of the store from what can be read and from the papers' files; a copy of each is kept",
        "repair",
    )

    sub = command(
        "retry",
        "send failed papers back to the phase in which they failed: all, or those that are chosen",
        "retry --reason network",
    )
    add_selector(sub)

    sub = command(
        "redo",
        "extract papers again from the PDFs that are there, after an upgrade or for another engine",
        "redo --flag garbled",
    )
    add_selector(sub)
    sub.add_argument("--all", action="store_true", help="all papers")
    sub.add_argument("--download", action="store_true", help="fetch PDFs again that are not there")

    sub = command("remove", "take papers out of the queue", "remove --file wrong-list.txt --files")
    add_selector(sub)
    sub.add_argument("--all", action="store_true", help="all papers")
    sub.add_argument("--files", action="store_true", help="remove what was made of them, too: PDF, text, record")
    sub.add_argument("--dry-run", action="store_true", help="only say what would be removed")

    sub = command("plan", "show what a run would fetch: sources, allowed rates, times, bytes", "plan")
    sub.add_argument(
        "--file",
        **REPEATED,
        metavar="F",
        help="plan for this list of ids instead of the queue; - is standard input",
    )
    sub.add_argument("--column", metavar="NAME", help="the column (by name or number) or field of F that has the ids")

    sub = command("resize", "change the number of shards of the current run", "resize 4")
    sub.add_argument("shards", type=int, metavar="N")
    sub.add_argument("--node", type=node_name, metavar="NODE", help="of this node of a run on several machines")

    sub = command("knobs", "show each knob, its value, and where it comes from", "knobs --changed")
    sub.add_argument("--changed", action="store_true", help="only those that are given")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = command("completion", "print what a shell needs to complete commands, options and files", "completion bash")
    sub.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="%(choices)s")

    command("failures", "show every reason for a failure, and how often and when it is retried", "failures")

    sub = command("hosts", "show how fast each host is asked, and which hosts are closed to us", "hosts")
    sub.add_argument(
        "--reopen", **REPEATED, metavar="HOST", help="ask this host again, once you know why it refused us"
    )
