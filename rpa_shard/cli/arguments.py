"""What the commands take: their names, arguments and help.

Guarantee: accepted arguments are well formed; `command` names one of the commands; no value that was given is dropped:
an option that is repeated adds up, or is refused. Limit: the command itself checks whether a file exists or a host is
known.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from rpa_shard import __version__
from rpa_shard.cli.output import WRONG_USAGE, report
from rpa_shard.cli.selectors import add_selector
from rpa_shard.model.id_forms.grammar import shown
from rpa_shard.system.program import NAME, program
from rpa_shard.system.suggestions import did_you_mean

AddCommand = Callable[[str, str, str], argparse.ArgumentParser]

# The largest number that every part of the program, and JSON, can hold.
MOST = 2**53
# For options that add up.
_REPEATED: dict[str, Any] = {"action": "append", "default": []}


class Once(argparse.Action):
    """Stores the value of an option, and refuses another one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = namespace.__dict__.setdefault("values_given", {})
        if option_string is not None and given.setdefault(self.dest, values) != values:
            raise argparse.ArgumentError(self, f"given twice, as {given[self.dest]} and {values}: give one")
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser whose options are `Once` unless they say otherwise, and whose errors are one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.register("action", None, Once)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuses a value that is none of an action's choices, and says what may have been meant."""
        if action.choices is None or value in action.choices:
            return
        meant = did_you_mean(str(value), action.choices) or f": one of {', '.join(action.choices)}"
        if isinstance(action.choices, dict):
            raise argparse.ArgumentError(None, f"{shown(str(value))} is no command{meant}")
        raise argparse.ArgumentError(action, f"{shown(str(value))} is no value of this option{meant}")

    def error(self, message: str) -> NoReturn:
        report(f"{self.prog}: {message} (see {self.prog} --help)")
        raise SystemExit(WRONG_USAGE)


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

    for add_group in (_for_papers_and_runs, _for_watching, _for_mending, _for_results, _for_rehearsals):
        add_group(command)
    return made


def _for_papers_and_runs(command: AddCommand) -> None:
    """Queueing papers, running, the state of a run."""
    sub = command("add", "queue papers", "add 2401.00001 hep-th/9901001v2 --file ids.txt")
    sub.add_argument("ids", nargs="*", metavar="ID", help="arXiv id or URL, URL of a PDF, path of a PDF or of a folder")
    sub.add_argument(
        "--file",
        **_REPEATED,
        metavar="F",
        help="a list of them: lines, CSV, TSV, BibTeX, RIS, JSON; packed or not; - is standard input",
    )
    sub.add_argument("--column", metavar="NAME", help="the column (by name or number) or field of F that has them")
    sub.add_argument(
        "--priority", type=_whole(-MOST, MOST), default=0, metavar="N", help="higher goes first (default 0)"
    )
    sub.add_argument(
        "--tar",
        action="extend",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="bulk archives of PDFs from arXiv",
    )
    sub.add_argument(
        "--manifest",
        **_REPEATED,
        type=Path,
        metavar="XML",
        help="the manifest of the archives, to check that they are complete",
    )
    sub.add_argument(
        "--metadata",
        **_REPEATED,
        type=Path,
        metavar="FILE",
        help="arXiv's metadata snapshot, JSON lines, plain or gzip",
    )
    sub.add_argument(
        "--category",
        **_REPEATED,
        metavar="C",
        help="only papers of the snapshot in this category, such as cs.LG or cs",
    )
    sub.add_argument("--since", type=_day, metavar="DAY", help="only papers first submitted on or after YYYY-MM-DD")
    sub.add_argument("--until", type=_day, metavar="DAY", help="only papers first submitted on or before YYYY-MM-DD")
    sub.add_argument("--limit", type=_count, metavar="N", help="at most N papers of the snapshot")

    sub = command("run", "work until nothing is left to do", "run --shards 4")
    ends = sub.add_mutually_exclusive_group()
    ends.add_argument("--daemon", action="store_true", help="never end; work on papers as they are added")
    ends.add_argument("--limit", type=_count, metavar="N", help="take at most N papers from the queue, then end")
    sub.add_argument("--shards", type=int, metavar="N", help="the same as RPA_V2_SHARD_COUNT=N")
    told = sub.add_mutually_exclusive_group()
    told.add_argument("--verbose", action="store_true", help="log a few lines a paper, as RPA_V2_LOG_LEVEL=info")
    told.add_argument("--quiet", action="store_true", help="show errors only: no progress, no summary")
    told.add_argument(
        "--progress",
        choices=("bar", "lines", "json"),
        help="default: a bar on a terminal, else a line every 30 s; json prints an object a second, and one at the end",
    )
    sub.add_argument("--stats", type=Path, metavar="F", help="write the figures of the run to F, as JSON")

    sub = command("status", "show states, failures by reason, rates and the oldest lease", "status")
    sub.add_argument("--json", action="store_true", help="for programs")


def _for_watching(command: AddCommand) -> None:
    """Commands for watching a run, for people and for monitors."""
    command("top", "watch a run in the terminal: workers, hosts, pace, waits, failures; q leaves", "top")

    sub = command(
        "health", "check the run; exit 0 OK, 1 warning, 2 critical, 3 unknown", "health --data-dir /srv/papers"
    )
    sub.add_argument("--json", action="store_true", help="for programs")
    sub.add_argument("--data-dir", metavar="F", help="the same as RPA_V2_DATA_DIR=F")

    sub = command("metrics", "print the run's metrics for Prometheus, as OpenMetrics", "metrics")
    sub.add_argument("--data-dir", metavar="F", help="the same as RPA_V2_DATA_DIR=F")

    sub = command("serve", "show the run and its papers as a page in the browser", "serve --port 8766")
    sub.add_argument(
        "--port", type=_whole(0, 65_535), default=8766, metavar="P", help="default 8766; 0 chooses a free one"
    )
    sub.add_argument("--host", default="127.0.0.1", metavar="H", help="default 127.0.0.1; any other needs a token")
    sub.add_argument(
        "--token-file", type=Path, metavar="F", help="a file with the token, instead of RPA_V2_SERVE_TOKEN"
    )

    sub = command("report", "write a page with plots about the last run", "report --out report.html")
    sub.add_argument(
        "--out", required=True, type=Path, metavar="F", help="the HTML file to write; - is standard output"
    )
    sub.add_argument("--all", action="store_true", help="about everything that has happened in the folder")


def _for_mending(command: AddCommand) -> None:
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
        **_REPEATED,
        metavar="F",
        help="plan for this list of ids instead of the queue; - is standard input",
    )
    sub.add_argument("--column", metavar="NAME", help="the column (by name or number) or field of F that has the ids")

    sub = command("resize", "change the number of shards of the current run", "resize 4")
    sub.add_argument("shards", type=int, metavar="N")

    sub = command("knobs", "show each knob, its value, and where it comes from", "knobs --changed")
    sub.add_argument("--changed", action="store_true", help="only those that are given")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = command("completion", "print what a shell needs to complete commands, options and files", "completion bash")
    sub.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="%(choices)s")

    command("failures", "show every reason for a failure, and how often and when it is retried", "failures")

    sub = command("hosts", "show how fast each host is asked, and which hosts are closed to us", "hosts")
    sub.add_argument(
        "--reopen", **_REPEATED, metavar="HOST", help="ask this host again, once you know why it refused us"
    )


def _for_results(command: AddCommand) -> None:
    """Commands for looking at papers and exporting them."""
    sub = command("list", "list papers, a line each: all, or those that are chosen", "list --reason not_found")
    add_selector(sub)
    sub.add_argument("--json", action="store_true", help="for programs: an object a line")
    sub.add_argument("--limit", type=_count, metavar="N", help="at most N papers")
    sub.add_argument("--count", action="store_true", help="only how many there are")

    sub = command("show", "show papers: state, history, files, text, references", "show 2401.00001")
    add_selector(sub)
    sub.add_argument("--limit", type=_count, metavar="N", help="at most N papers (default 20)")
    sub.add_argument("--clean", action="store_true", help="only the text, all of it, cleaned for reading")

    sub = command(
        "export",
        "write papers to a file: their records, references, bibliography, or entries to cite them",
        "export --status prepped --category cs.LG --out papers.parquet",
    )
    add_selector(sub)
    sub.add_argument("--limit", type=_count, metavar="N", help="at most N papers")
    sub.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="F",
        help="the file to write: .jsonl, .parquet, .csv, .bib; .gz and .zst after that compress; - is standard output",
    )
    sub.add_argument(
        "--what",
        choices=("records", "references", "bibliography", "papers"),
        help="records: all that is known of each paper (the default); references: one row for each, a citation graph; "
        "bibliography: the works that the papers cite, each once; papers: entries of the papers themselves",
    )
    sub.add_argument(
        "--format",
        choices=("jsonl", "parquet", "csv", "csl-json", "bibtex"),
        help="default: by the ending of F; csl-json and bibtex are for reference managers",
    )
    sub.add_argument("--shard-size", type=_count, metavar="N", help="several files, F-00000 and so on, of N rows each")
    sub.add_argument("--force", action="store_true", help="replace F if it exists")
    sub.add_argument(
        "--text",
        action=argparse.BooleanOptionalAction,
        help="records with or without the papers' raw text (default: with, except in CSV)",
    )
    sub.add_argument("--clean", action="store_true", help="add the clean text, for reading and for models")

    sub = command("extract", "read PDFs and print their texts, without a data folder", "extract --clean paper.pdf")
    sub.add_argument("pdfs", nargs="+", metavar="PDF", help="a PDF on this machine; - is one on standard input")
    shown = sub.add_mutually_exclusive_group()
    shown.add_argument("--clean", action="store_true", help="the text cleaned for reading, instead of the raw text")
    shown.add_argument("--json", action="store_true", help="the records, a JSON object a line, instead of texts")
    sub.add_argument(
        "--engine",
        choices=("auto", "pdfium", "pypdf"),
        metavar="E",
        help="%(choices)s, instead of RPA_V2_EXTRACT_ENGINE",
    )


def _for_rehearsals(command: AddCommand) -> None:
    """Commands for trying everything without a source."""
    sub = command("mirror", "serve a folder of PDFs at /pdf/<id>, like arXiv", "mirror ~/pdfs")
    sub.add_argument("folder", type=Path, metavar="FOLDER")
    sub.add_argument(
        "--port", type=_whole(0, 65_535), default=8765, metavar="P", help="default 8765; 0 chooses a free one"
    )
    sub.add_argument("--host", default="127.0.0.1", metavar="H", help="default 127.0.0.1")
    sub.add_argument(
        "--faults", **_REPEATED, metavar="SPEC", help="which faults to inject, such as 429=5:2%%,html:3%%,reset:5%%"
    )
    sub.add_argument(
        "--seed",
        type=_whole(-MOST, MOST),
        default=0,
        metavar="S",
        help="chooses which papers meet which fault (default 0)",
    )
    sub.add_argument("--log", type=Path, metavar="F", help="write a JSON line to F for every request")

    sub = command(
        "chaos",
        "kill, stop, resize and starve a run of its own, and verify that the promise holds",
        "chaos --kills 100 --seed 7",
    )
    sub.add_argument("--kills", type=_count, default=25, metavar="N", help="how many processes to kill (default 25)")
    sub.add_argument("--papers", type=_count, metavar="P", help="how many papers (default 40 per kill)")
    sub.add_argument(
        "--minutes", type=_minutes, metavar="M", help="stop disturbing after M minutes, and let the run finish"
    )
    sub.add_argument(
        "--seed",
        type=_whole(-MOST, MOST),
        metavar="S",
        help="repeat the disruptions of this seed (default: a new seed)",
    )
    sub.add_argument(
        "--faults",
        **_REPEATED,
        metavar="SPEC",
        help="faults of its mirror, as in `mirror --faults` (default: some of most kinds)",
    )
    sub.add_argument("--keep-pdf", choices=("0", "1"), default="1", help="as RPA_V2_KEEP_PDF (default 1)")
    sub.add_argument("--tar", action="store_true", help="papers come from an archive instead of its mirror")
    sub.add_argument("--folder", type=Path, metavar="F", help="where to make its temporary folder")

    sub = command("demo", "run everything on papers made here, without a network", "demo")
    sub.add_argument("--folder", type=Path, default=Path("demo-data"), metavar="F", help="default ./demo-data")
    sub.add_argument("--papers", type=_whole(1, MOST), default=200, metavar="N", help="how many papers (default 200)")


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day: write YYYY-MM-DD") from None


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= number <= most:
            bound = f"at least {least}" if number < least else f"at most {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {bound}")
        return number

    return whole


_count = _whole(1, MOST)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes")
    return minutes
