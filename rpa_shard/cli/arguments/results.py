"""Arguments of the commands for looking at papers and exporting them.

Guarantee: as `rpa_shard.cli.arguments` says. Limit: likewise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rpa_shard.cli.arguments.parsing import AddCommand
from rpa_shard.cli.arguments.values import count
from rpa_shard.cli.selectors import add_selector


def add_commands(command: AddCommand) -> None:
    """Commands for looking at papers and exporting them."""
    sub = command("list", "list papers, a line each: all, or those that are chosen", "list --reason not_found")
    add_selector(sub)
    sub.add_argument("--json", action="store_true", help="for programs: an object a line")
    sub.add_argument("--limit", type=count, metavar="N", help="at most N papers")
    sub.add_argument("--count", action="store_true", help="only how many there are")

    sub = command("show", "show papers: state, history, files, text, references", "show 2401.00001")
    add_selector(sub)
    sub.add_argument("--limit", type=count, metavar="N", help="at most N papers (default 20)")
    sub.add_argument("--clean", action="store_true", help="only the text, all of it, cleaned for reading")

    sub = command(
        "export",
        "write papers to a file: their records, references, bibliography, reports, or entries to cite them",
        "export --status prepped --category cs.LG --out papers.parquet",
    )
    add_selector(sub)
    sub.add_argument("--limit", type=count, metavar="N", help="at most N papers")
    sub.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="F",
        help="the file to write: .jsonl, .parquet, .csv, .bib; .gz and .zst after that compress; - is standard output",
    )
    sub.add_argument(
        "--what",
        choices=("records", "references", "bibliography", "papers", "reports"),
        help="records: all that is known of each paper (the default); references: one row for each, a citation graph; "
        "bibliography: the works that the papers cite, each once; papers: entries of the papers themselves; "
        "reports: what models wrote about each paper, where that is done",
    )
    sub.add_argument(
        "--format",
        choices=("jsonl", "parquet", "csv", "csl-json", "bibtex"),
        help="default: by the ending of F; csl-json and bibtex are for reference managers",
    )
    sub.add_argument("--shard-size", type=count, metavar="N", help="several files, F-00000 and so on, of N rows each")
    sub.add_argument("--force", action="store_true", help="replace F if it exists")
    sub.add_argument(
        "--text",
        action=argparse.BooleanOptionalAction,
        help="records with or without the papers' raw text, reports with or without their Markdown (default: with, "
        "except in CSV)",
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
