"""How far text and references can be trusted: prints the figures of docs/quality.md for a folder of PDFs.

Guarantee: reads only, one paper at a time, in this process; the same folder gives the same figures except times. Limit:
counts are checked against the PDF's own destinations, or against labels if there are any; labels are not checked.

    python scripts/quality.py FOLDER [--truth LABELS] [--engine pdfium] [--only NAMES] [--papers]

LABELS is a folder of JSON files named after the PDFs: `style`, `count`, `first`, `last`, `arxiv_ids`, `dois`, `stamp`
(tests/labels/README.md).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any
from unicodedata import normalize

from rpa_shard.extract.engines import load
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import make
from rpa_shard.model.failure import PaperError
from rpa_shard.reading.clean import clean_text
from rpa_shard.reading.document import Document
from rpa_shard.reading.quality.figures import measure
from rpa_shard.reading.references import Reference

MIN_ENTRY_CHARACTERS = 15
STYLES = ("numbered", "alphabetic", "author-year", "none")
# A marker inside an entry: two entries taken for one.
_SECOND_MARKER = re.compile(r"\s\[(\d{1,3})\]\s+[A-Z]")


@dataclass(slots=True)
class Paper:
    """What was measured of one paper."""

    name: str
    pages: int
    engine_seconds: float
    after_seconds: float
    clean_seconds: float
    found: Extraction
    hidden: Extraction
    truth: dict[str, Any] = field(default_factory=dict)

    @property
    def expected(self) -> int | None:
        return self.found.references_expected

    @property
    def author_year(self) -> bool:
        """By the label, else by whether any reference has a marker."""
        if self.truth:
            return bool(self.truth["style"] == "author-year")
        return not any(each.marker for each in self.found.references)


def near(found: int, truth: int) -> bool:
    """Within one or 5 %."""
    return abs(found - truth) <= max(1, 0.05 * truth)


def measured(path: Path, engine: str, truth: dict[str, Any]) -> Paper:
    """Reads one paper, with its destinations and without them."""
    begun = time.process_time()
    document = load(engine).read(path)
    read = time.process_time()
    found = _made(document)
    after = time.process_time()
    clean_text(found.text, found.page_offsets, found.layout)
    cleaned = time.process_time()
    hidden = _made(replace(document, destinations=())) if document.destinations else found
    return Paper(path.stem, len(document.pages), read - begun, after - read, cleaned - after, found, hidden, truth)


def _made(document: Document) -> Extraction:
    return make(document, measure(document.pages))


def suspicious(reference: Reference) -> bool:
    """Whether an entry is empty, or looks like two."""
    return len(reference.raw) < MIN_ENTRY_CHARACTERS or _SECOND_MARKER.search(reference.raw) is not None


@dataclass(slots=True)
class Score:
    """Right, wrong and missed names."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, found: set[str], truth: set[str]) -> None:
        self.right += len(found & truth)
        self.wrong += len(found - truth)
        self.missed += len(truth - found)

    @property
    def line(self) -> str:
        if not self.right + self.missed:
            return "none in the labels"
        precision = self.right / max(1, self.right + self.wrong)
        recall = self.right / (self.right + self.missed)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        return f"F1 {f1:.3f}, precision {precision:.3f}, recall {recall:.3f}, of {self.right + self.missed}"


def named(extraction: Extraction, kind: str) -> set[str]:
    return {name for each in extraction.references for name in getattr(each, kind)}


def share(papers: Sequence[Paper], good: Callable[[Paper], bool]) -> str:
    if not papers:
        return "no such paper"
    count = sum(map(good, papers))
    return f"{count} of {len(papers)} ({100 * count / len(papers):.1f} %)"


def _begins_with(reference: Reference, words: str) -> bool:
    """Whether an entry begins as labelled, ignoring blanks and signs."""

    def letters(text: str) -> str:
        return "".join(each for each in normalize("NFKD", text).casefold() if each.isalnum() and each.isascii())

    wanted = letters(words)[:25]
    return letters(reference.raw).startswith(wanted[: max(8, len(wanted) - 5)])


def _ends_right(paper: Paper, which: str) -> bool:
    return _begins_with(paper.found.references[0 if which == "first" else -1], paper.truth[which])


def report(papers: Sequence[Paper]) -> list[str]:
    """The table."""
    with_destinations = [each for each in papers if each.expected]
    numbered = [each for each in with_destinations if not each.author_year]
    author_year = [each for each in with_destinations if each.author_year]
    entries = [each for paper in papers for each in paper.found.references]
    bad = sum(map(suspicious, entries))
    pages = max(1, sum(each.pages for each in papers))
    after = [1000 * each.after_seconds for each in papers]
    clean = mean(1000 * each.clean_seconds for each in papers)
    engine = 1000 * sum(each.engine_seconds for each in papers) / pages
    return [
        _row("papers", f"{len(papers)}, {pages} pages, {len(entries)} references"),
        _row("count as the destinations imply", share(with_destinations, _as_implied)),
        _row("  the same, hidden, numbered and labels", share(numbered, _as_implied_though_hidden)),
        _row("  the same, hidden, author-year", share(author_year, _as_implied_though_hidden)),
        _row("empty or merged entries", f"{bad} of {len(entries)} ({100 * bad / max(1, len(entries)):.2f} %)"),
        *labelled(papers),
        _row("engine, ms per page", f"{engine:.2f}"),
        _row("after the engine, ms of CPU per paper", f"mean {mean(after):.2f}, median {median(after):.2f}"),
        _row("clean text on demand, ms of CPU per paper", f"mean {clean:.2f}"),
    ]


def _row(name: str, figure: str) -> str:
    return f"{name:<54} {figure}"


def _as_implied(paper: Paper) -> bool:
    return near(len(paper.found.references), paper.expected or 0)


def _as_implied_though_hidden(paper: Paper) -> bool:
    return near(len(paper.hidden.references), paper.expected or 0)


def _as_labelled(paper: Paper) -> bool:
    return near(len(paper.found.references), paper.truth["count"])


def _as_labelled_though_hidden(paper: Paper) -> bool:
    return near(len(paper.hidden.references), paper.truth["count"])


def labelled(papers: Sequence[Paper]) -> list[str]:
    """The part of the table that needs labels."""
    known = [each for each in papers if each.truth]
    if not known:
        return []
    lines = [_row("count as labelled", share(known, _as_labelled))]
    of_style = {style: [each for each in known if each.truth["style"] == style] for style in STYLES}
    lines += [
        _row(f"  {style}, destinations hidden", share(of_style[style], _as_labelled_though_hidden)) for style in STYLES
    ]
    listed = [each for each in known if each.truth["count"] and each.found.references and each.truth["first"]]
    for word in ("first", "last"):
        lines.append(_row(f"  {word} entry as labelled", share(listed, partial(_ends_right, which=word))))
    for kind, name in (("arxiv_ids", "arXiv ids"), ("dois", "DOIs")):
        for hide in (False, True):
            score = Score()
            for each in known:
                score.add(named(each.hidden if hide else each.found, kind), set(each.truth[kind]))
            lines.append(_row(f"{name} in references{', destinations hidden' if hide else ''}", score.line))
    stamped = [each for each in known if each.truth["stamp"]]
    lines.append(_row("stamp found and removed", share(stamped, _stamp_is_right)))
    bare = [each for each in known if not each.truth["stamp"]]
    lines.append(_row("stamp removed wrongly", share(bare, lambda each: each.found.stamp is not None)))
    return lines


def _stamp_is_right(paper: Paper) -> bool:
    found = paper.found
    clean = clean_text(found.text, found.page_offsets, found.layout).text
    words = paper.truth["stamp"].split()
    return found.stamp is not None and f"v{found.stamp.version}" in words[0] and " ".join(words) not in clean


def each_paper(papers: Iterable[Paper]) -> list[str]:
    """One line per paper: what was found, with and without destinations, and what it should be."""
    return [
        f"{each.name[:44]:<44} {each.found.references_method or '-':<12} {len(each.found.references):>4} "
        f"hidden {len(each.hidden.references):>4} expected {each.expected or '-':>4} "
        f"label {each.truth.get('count', '-'):>4} {each.truth.get('style', ''):<11} {' '.join(each.found.flags)}"
        for each in papers
    ]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--truth", type=Path, metavar="LABELS")
    parser.add_argument("--engine", choices=("pdfium", "pypdf"), default="pdfium")
    parser.add_argument("--only", metavar="NAMES", help="a regular expression that the file's name matches")
    parser.add_argument("--papers", action="store_true", help="a line for each paper, too")
    parsed = parser.parse_args(arguments)
    papers: list[Paper] = []
    for path in sorted(parsed.folder.rglob("*.pdf")):
        if parsed.only and not re.search(parsed.only, path.name):
            continue
        label = parsed.truth / f"{path.stem}.json" if parsed.truth else None
        truth = json.loads(label.read_text()) if label is not None and label.exists() else {}
        if parsed.truth and not truth:
            continue
        try:
            papers.append(measured(path, parsed.engine, truth))
        except PaperError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
    if not papers:
        print("no PDF that can be read", file=sys.stderr)
        return 1
    print("\n".join([*(each_paper(papers) if parsed.papers else ()), *report(papers)]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
