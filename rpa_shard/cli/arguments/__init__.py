"""What the commands take: their names, arguments and help.

Guarantee: accepted arguments are well formed; `command` names one of the commands; no value that was given is dropped:
an option that is repeated adds up, or is refused. Limit: the command itself checks whether a file exists or a host is
known.

Each group of commands has a module; `parsing` has the parser, `values` the kinds of values.
"""

from __future__ import annotations

import argparse

from rpa_shard import __version__
from rpa_shard.cli.arguments import analysis, mending, nodes, rehearsals, results, runs, watching
from rpa_shard.cli.arguments.parsing import Once, Parser
from rpa_shard.cli.arguments.values import MOST
from rpa_shard.system.program import NAME, program


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = Parser(
        prog=program(),
        description="Takes papers (arXiv ids, URLs, PDFs) from pending to prepped: fetches each PDF, extracts text "
        "and references, and keeps every paper's state. No command means `run`.",
        epilog="Knobs are environment variables, RPA_V2_…, or lines of rpa_shard.toml: see `knobs`. Exit codes: 0 all "
        "done, 1 some papers failed or some input was invalid, 2 wrong usage or something in the way, 3 crash loop, "
        "130 and 143 after SIGINT and SIGTERM, 141 if nobody reads the output. Options that take a list may be "
        "repeated.",
    )
    made.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)

    def command(name: str, does: str, example: str) -> argparse.ArgumentParser:
        described = does[0].upper() + does[1:] + "."
        return commands.add_parser(name, help=does, description=described, epilog=f"example: {program()} {example}")

    for group in (runs, nodes, analysis, watching, mending, results, rehearsals):
        group.add_commands(command)
    return made


__all__ = ["MOST", "Once", "Parser", "parser"]
