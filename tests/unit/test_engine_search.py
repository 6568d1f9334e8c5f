"""Which engine's result a paper gets, whatever the engines do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.extract.engines.pdfium.engine import PdfiumEngine
from rpa_shard.extract.engines.pypdf.engine import PypdfEngine
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract, make
from rpa_shard.extract.search import Search, try_next
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.quality.figures import measure
from rpa_shard.system.content import Content
from rpa_shard.system.errors import cause_and_place, cause_of

GOOD = "The ruler stands at the end of the pier and is read at dawn and at dusk by all of us. " * 8
GARBLED = "¢£¥ §¨© ª«¬ ®¯° ±²³ " * 60
DEATHS = {Failure.POISON, Failure.EXTRACT_TIMEOUT}
NOT_ITS_FAULT = {Failure.INTERRUPTED, Failure.DISK_FULL}


def found(text: str, engine: str, *, failed: int = 0) -> Extraction:
    pages = (Page(text), *[Page("", failed=True)] * failed)
    return make(Document(pages, engine, "0"), measure(pages))


TEXTS = ("good", "garbled", "lossy")
# What an engine may do: read something good, something bad, something with lost pages; refuse, or die.
behaviours = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from([Failure.BAD_PDF, *sorted(DEATHS), *sorted(NOT_ITS_FAULT), Failure.BUG]),
    st.just(ValueError("in our own reading")),
)


def read_as(behaviour: object, name: str) -> Extraction:
    match behaviour:
        case "good":
            return found(GOOD, name)
        case "garbled":
            return found(GARBLED, name)
        case "lossy":
            return found(GOOD, name, failed=1)
        case Failure():
            raise PaperError(behaviour, f"{name}: {behaviour}")
        case ValueError():
            raise behaviour
    raise AssertionError(behaviour)


@given(st.lists(behaviours, min_size=1, max_size=3), st.booleans())
def test_the_result_is_the_best_that_any_engine_read(done: list[object], alone: bool) -> None:
    names = tuple(f"engine{number}" for number in range(len(done)))
    search = Search(Path("paper.pdf"), names)
    tried = []
    error: Exception | None = None
    try:
        while not search.is_over:
            tried.append(done[search.next])
            search = try_next(
                search, lambda name, path, pages: read_as(done[names.index(name)], name), outlives_deaths=alone
            )
        result = search.result()
    except (PaperError, ValueError) as raised:
        error = raised
    results = [read_as(each, names[number]) for number, each in enumerate(tried) if each in TEXTS]
    if error is None:
        assert result.quality.rank == max(each.quality.rank for each in results)
        assert ("fallback_engine" in result.flags) == (result.engine != names[0])
        assert "good" not in tried[:-1], "a good result ends the search"
    elif not isinstance(error, PaperError):
        assert not results, "a defect costs nothing that was read before"
    elif error.failure in NOT_ITS_FAULT:
        assert tried[-1] is error.failure, "it is tried again"
    else:
        assert not results
        if error.failure in DEATHS and not alone:
            assert tried[-1] is error.failure, "it is tried once more, alone"
        elif error.failure is not Failure.BUG:
            assert all(name in error.detail for name in names), "each tells why"


def document(*texts: str, missing: tuple[int, ...] = (), engine: str = "first") -> Extraction:
    pages = [Page(text, text_missing=number in missing) for number, text in enumerate(texts, 1)]
    return make(Document(tuple(pages), engine, "0"), measure(pages))


PIECES = GOOD.replace("th", "t h").replace("d ", " d ").replace("e ", " e ").replace("of", "o f").replace("at", "a t")


@pytest.mark.parametrize(
    ("first", "untold", "trial"),
    [
        (document(GARBLED, GARBLED, GARBLED), (), 1),
        (document(GOOD, GARBLED, GARBLED), (), 2),
        (document("A cover", GARBLED[:200], GARBLED + GARBLED.replace("¢", "\ue000")), (), 3),
        (document(GARBLED, GARBLED, GARBLED), (1,), 2),
        (document(GARBLED, GARBLED, GARBLED), (1, 2, 3), None),
        (document(*[GOOD] * 4, *[GARBLED] * 4), (), 5),
        (document(GOOD, GOOD, missing=(2,)), (), 2),
        (document(GOOD, GOOD, missing=(1, 2)), (1,), 2),
        (document(GOOD, GOOD, missing=(2,)), (2,), None),
        (document(*[GOOD] * 4, missing=(4,)), (), None),
        (document(GOOD, GOOD), (), None),
    ],
)
@pytest.mark.parametrize("does_better", [True, False])
def test_a_bad_page_that_may_be_better_is_tried(
    first: Extraction, untold: tuple[int, ...], trial: int | None, does_better: bool
) -> None:
    asked = []

    def read(name: str, content: Content, pages: int | None) -> Extraction:
        if name == "first":
            return replace(first, untold_pages=untold)
        asked.append(pages)
        if does_better:
            return document(*[GOOD] * (pages or first.pages), engine=name)
        best = replace(first, engine=name)
        return replace(best, page_offsets=best.page_offsets[:pages])

    search = Search(Path("paper.pdf"), ("first", "second"))
    while not search.is_over:
        search = try_next(search, read)
    assert asked == ([] if trial is None else [trial, None] if does_better else [trial])
    assert search.result().engine == ("second" if trial and does_better else "first")


@pytest.mark.parametrize("text", ["", PIECES])
def test_letters_are_not_bought_with_words(text: str) -> None:
    first = document(GOOD, missing=(1,))
    search = try_next(Search(Path("paper.pdf"), ("first", "second")), lambda *_: first)
    search = try_next(search, lambda name, path, pages: document(text, engine=name))
    assert search.result() == first


def test_engines_may_count_other_pages() -> None:
    first = document(GOOD, GARBLED)
    search = try_next(Search(Path("paper.pdf"), ("first", "second")), lambda *_: first)
    assert try_next(search, lambda name, path, pages: document(GOOD, engine=name)).result() == first


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


RAISED = [
    OSError(22, "Invalid argument"),
    AssertionError(),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    KeyError("/Root"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    SystemExit(1),
    SilentError(),
    ValueError("two\nlines \x1b[31m and more" + "x" * 10_000),
]


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def read(*_: object) -> NoReturn:
        raise error

    return read


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_whatever_an_engine_raises_is_its_refusal(
    pdf: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(PypdfEngine, "read", raising(error))
    assert extract(pdf, "auto").engine == "pdfium"
    with pytest.raises(PaperError) as refused:
        extract(pdf, "pypdf")
    assert refused.value.failure is Failure.BAD_PDF
    monkeypatch.setattr(PdfiumEngine, "read", raising(error))
    with pytest.raises(PaperError) as refused:
        extract(pdf, "auto")
    detail = refused.value.detail
    assert refused.value.failure is Failure.BAD_PDF
    assert detail.startswith("pdfium: ")
    assert "; pypdf: " in detail
    assert detail.isprintable()
    assert len(detail) < 700


def test_the_systems_fault_is_not_the_papers(pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PypdfEngine, "read", raising(OSError(24, "Too many open files")))
    with pytest.raises(OSError, match="Too many"):
        extract(pdf, "pypdf")
    monkeypatch.undo()
    pdf.unlink()
    for engine in ("pdfium", "pypdf"):
        with pytest.raises(FileNotFoundError):
            extract(pdf, engine)


def test_a_defect_in_reading_the_second_engines_document_keeps_the_first_ones(
    pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def garbled(self: PdfiumEngine, path: Path, max_pages: int | None = None) -> Document:
        return Document((Page(GARBLED),), "pdfium", "0")

    def nonsense(self: PypdfEngine, path: Path, max_pages: int | None = None) -> Document:
        return Document((), "pypdf", "0")

    monkeypatch.setattr(PdfiumEngine, "read", garbled)
    monkeypatch.setattr(PypdfEngine, "read", nonsense)
    assert (extract(pdf, "auto").engine, extract(pdf, "auto").flags) == ("pdfium", ("garbled",))
    with pytest.raises(IndexError):
        extract(pdf, "pypdf")


def test_a_cause_is_one_line_with_its_place() -> None:
    try:
        json.loads("{")
    except ValueError as error:
        assert cause_of(error).startswith("JSONDecodeError: Expecting property name")
        assert cause_and_place(error).endswith(")")
        assert "decoder.py:" in cause_and_place(error)
    assert cause_of(OSError()) == "OSError"
    assert len(cause_and_place(ValueError("x" * 5000))) == 300
    assert os.sep not in cause_of(SilentError())
