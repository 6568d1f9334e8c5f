"""Arguments of the commands for analyzing papers: `analyze`, `prompts`.

Guarantee: as `rpa_shard.cli.arguments` says. Limit: likewise.
"""

from __future__ import annotations

from pathlib import Path

from rpa_shard.cli.arguments.parsing import AddCommand
from rpa_shard.cli.arguments.runs import add_run_options
from rpa_shard.cli.arguments.values import factor
from rpa_shard.cli.selectors import add_selector

_PHASES, _WITH_PREP = "analyze,wrap", "prep,analyze,wrap"


def add_commands(command: AddCommand) -> None:
    """Commands for analyzing papers."""
    sub = command(
        "analyze",
        "ask models about prepped papers and write a report of each: a run of the phases analyze and wrap",
        "analyze --redo changed --category cs.LG",
    )
    add_run_options(sub)
    sub.add_argument(
        "--with-prep",
        dest="phases",
        action="store_const",
        const=_WITH_PREP,
        default=_PHASES,
        help="fetch and extract papers, too",
    )
    sub.add_argument("--dry-run", action="store_true", help="only say how many papers it would work on, or send back")
    instead = sub.add_mutually_exclusive_group()
    instead.add_argument(
        "--redo",
        choices=("changed",),
        metavar="WHAT",
        help="first send back what was made with other prompts, or by models that are not asked any more: %(choices)s",
    )
    instead.add_argument(
        "--batch-out",
        type=Path,
        metavar="F",
        help="ask nobody: write the questions that are open to files F-00000 and so on, for OpenAI's batches and vLLM",
    )
    instead.add_argument(
        "--batch-in",
        type=Path,
        metavar="F",
        help="take the answers to such questions from F, and finish the papers that have all of theirs",
    )
    sub.add_argument("--force", action="store_true", help="replace the files of --batch-out if they exist")
    sub.add_argument(
        "--price-factor",
        type=factor,
        metavar="X",
        help="what answers of --batch-in cost, as a part of the endpoint's price (default 0.5)",
    )
    add_selector(sub)

    sub = command("prompts", "list the prompts of analyze and wrap, with their hashes", "prompts --copy my-prompts")
    what = sub.add_mutually_exclusive_group()
    what.add_argument(
        "--copy", dest="folder", type=Path, metavar="DIR", help="make the folder DIR with the built-in prompts"
    )
    what.add_argument("--check", action="store_true", help="only say whether those of RPA_V2_PROMPTS are valid")
