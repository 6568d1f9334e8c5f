"""What follows from answers without a PDF: rules for one host, without clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.control.politeness import in_a_row as module
from rpa_shard.control.politeness.in_a_row import (
    PAUSES,
    SAME_PAGES,
    SAME_PAGES_AGAIN,
    WITHOUT_PDF,
    Given,
    InARow,
    Measure,
)
from rpa_shard.ipc.messages import Instead

NONE, REST, CLOSE, REFUSED = Measure
INSTEADS: tuple[Instead, ...] = get_args(Instead)


def page(paper: int, page: str = "captcha", instead: Instead = "page") -> Given:
    return Given(f"paper {paper}", page, instead, "so it says")


def measures(host: InARow, papers: range, each: Callable[[int], Given] = page) -> list[Measure]:
    return [host.add(each(paper)) for paper in papers]


def test_the_same_page_for_several_papers() -> None:
    host = InARow()
    assert measures(host, range(SAME_PAGES)) == [NONE] * (SAME_PAGES - 1) + [CLOSE]
    assert [host.probed(page(100 + probe)) for probe in range(PAUSES)] == [CLOSE] * (PAUSES - 1) + [REFUSED]


def test_a_host_that_was_closed_and_opened_without_a_pdf_is_closed_again_sooner() -> None:
    host = InARow()
    measures(host, range(SAME_PAGES))
    assert measures(host, range(100, 100 + SAME_PAGES_AGAIN)) == [NONE] * (SAME_PAGES_AGAIN - 1) + [CLOSE]
    assert measures(host, range(200, 200 + SAME_PAGES_AGAIN))[-1] is REFUSED


def test_one_paper_is_not_several() -> None:
    host = InARow()
    assert {host.add(page(1)) for _ in range(100)} == {NONE}


def test_of_many_that_were_asked_for_at_a_time_none_counts() -> None:
    host = InARow()
    stray = [replace(page(paper), on_trial=False) for paper in range(100)]
    assert not host.is_doubted
    assert {host.add(each) for each in stray} == {NONE}
    assert host.is_doubted
    assert measures(host, range(SAME_PAGES))[-1] is CLOSE, "asked for again, one after another"
    host.pdf()
    assert not host.is_doubted
    assert {host.add(page(paper)) for paper in range(100)} == {NONE}, "their own page"


def test_a_pdf_resets_everything() -> None:
    host = InARow()
    for begun in range(0, 1000, SAME_PAGES):
        assert set(measures(host, range(begun, begun + SAME_PAGES - 1))) == {NONE}
        host.pdf()
    for begun in range(1000, 2000, SAME_PAGES):
        assert measures(host, range(begun, begun + SAME_PAGES))[-1] is CLOSE, "and never more"
        host.pdf()


def test_different_pages_for_many_papers() -> None:
    host = InARow()
    found = measures(host, range(WITHOUT_PDF), lambda paper: page(paper, f"page {paper}"))
    assert found == [NONE] * (WITHOUT_PDF - 1) + [CLOSE]


def test_papers_that_got_a_page_while_others_got_pdfs_tell_nothing() -> None:
    """At the end of a run only these are left."""
    host = InARow()
    for paper in range(50):
        host.add(page(paper))
        host.pdf()
    for _ in range(5):
        assert set(measures(host, range(50))) == {NONE}
    assert {host.probed(page(paper)) for paper in range(50)} == {NONE}
    assert measures(host, range(100, 100 + SAME_PAGES))[-1] is CLOSE


def test_papers_that_closed_a_host_by_mistake_do_not_do_so_again() -> None:
    host = InARow()
    assert measures(host, range(SAME_PAGES))[-1] is CLOSE
    assert host.probed(page(100)) is CLOSE
    host.pdf()  # the second probe
    assert set(measures(host, range(SAME_PAGES))) == {host.probed(page(100))} == {NONE}
    assert set(measures(host, range(200, 200 + WITHOUT_PDF), lambda paper: page(paper, instead="error"))) == {
        NONE,
        REST,
    }
    host.pdf()
    assert set(measures(host, range(200, 200 + WITHOUT_PDF))) == {NONE}


@pytest.mark.parametrize("instead", ["promise", "error"])
def test_promises_and_errors_give_a_host_a_rest(instead: Instead) -> None:
    host = InARow()
    found = measures(host, range(10 * WITHOUT_PDF), lambda paper: page(paper, instead=instead))
    assert [at for at, measure in enumerate(found) if measure is not NONE] == [
        *range(WITHOUT_PDF - 1, 10 * WITHOUT_PDF, WITHOUT_PDF)
    ]
    assert {*found} == {NONE, REST}
    assert host.probed(page(1000, instead=instead)) is NONE


def test_a_promise_that_is_not_kept_is_a_page() -> None:
    host = InARow()
    promises = [page(paper, instead="promise") for paper in range(SAME_PAGES)]
    assert [host.add(each) for each in promises * 2] == [NONE] * (2 * SAME_PAGES - 1) + [CLOSE]
    assert [host.probed(each) for each in promises[:2]] == [CLOSE, REFUSED]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 30)
    host = InARow()
    for paper in range(100):
        host.add(page(paper))
        host.pdf()
    assert len(host._earlier) == 30
    for paper in range(100, 200):
        host.add(page(paper, instead="promise"))
    assert len(host._promised) == 30


def test_every_short_story() -> None:
    """Whatever comes: a host is refused only after `PAUSES` closings, and pages alone close it."""
    steps = [*product(("add", "probed"), (1, 2), INSTEADS), ("pdf", 0, "page")]
    for story in product(steps, repeat=4):
        host, closings = InARow(), 0
        for word, paper, instead in story:
            if word == "pdf":
                host.pdf()
                closings = 0
                continue
            measure = getattr(host, word)(page(paper, instead=instead))
            assert measure is not REST, "two papers are not many"
            assert not (measure is CLOSE and instead == "error")
            if measure in (CLOSE, REFUSED):
                closings += 1
                assert (measure is REFUSED) == (closings > PAUSES)


givens = st.builds(
    Given,
    st.integers(0, 60).map(str),
    st.sampled_from("abc"),
    st.sampled_from(INSTEADS),
    st.just("so it says"),
    st.booleans(),
)


@given(st.lists(st.none() | givens, max_size=120))
def test_a_host_is_closed_for_enough_papers_only_and_refused_after_pauses_only(stories: list[Given | None]) -> None:
    host = InARow()
    papers: set[str] = set()
    closings = 0
    for each in stories:
        if each is None:
            host.pdf()
            papers.clear()
            closings = 0
            continue
        papers |= {each.paper} if each.on_trial else set()
        measure = host.add(each)
        if measure is NONE:
            continue
        enough = SAME_PAGES_AGAIN if closings else SAME_PAGES
        assert len(papers) >= (WITHOUT_PDF if measure is REST else enough)
        closings += measure is not REST
        assert (measure is REFUSED) == (measure is not REST and closings > PAUSES)
        papers.clear()


@given(st.lists(st.none() | givens, max_size=60), st.booleans())
def test_whatever_has_happened_pages_for_everybody_are_refused_in_the_end(
    stories: list[Given | None], is_same: bool
) -> None:
    host = InARow()
    for each in stories:
        host.pdf() if each is None else host.add(each)
    found = measures(
        host, range(1000, 1000 + 3 * WITHOUT_PDF), lambda paper: page(paper, "a" if is_same else str(paper))
    )
    assert REFUSED in found
