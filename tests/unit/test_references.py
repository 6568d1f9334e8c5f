"""The first rule for references: numbered entries, after a heading or late in the text."""

from __future__ import annotations

import pytest

from rpa_shard.prep.document import Document
from rpa_shard.prep.references import find_references


def found(*pages: str) -> list[str]:
    references = find_references(Document(pages, "test", "0"))
    assert [each.ordinal for each in references] == list(range(1, len(references) + 1))
    return [each.raw for each in references]


ENTRIES = ["A. Ondine. Reading water. 1988.", "C. Weir. On ships. 1991.", "G. Root. Errors. 2024."]


@pytest.mark.parametrize("mark", ["[{}] ", "{}. ", "({}) ", "[{}]"])
@pytest.mark.parametrize("heading", ["References", "REFERENCES", "7. References", "Bibliography:", "R EFERENCES"])
def test_numbered_styles_and_headings(mark: str, heading: str) -> None:
    lines = [mark.format(number) + entry for number, entry in enumerate(ENTRIES, 1)]
    assert found("Text [1].\n" + heading + "\n" + "\n".join(lines)) == ENTRIES


def test_entries_run_over_lines_and_pages() -> None:
    first = "Body.\nReferences\n[1] A. Ondine. Read-\ning water.\n[2] C. Weir. On"
    assert found(first, "ships. 1991.\n[3] G. Root.") == [
        "A. Ondine. Reading water.",
        "C. Weir. On ships. 1991.",
        "G. Root.",
    ]


def test_no_cut_to_forty_entries_or_two_hundred_characters() -> None:
    entries = [f"Author {number}. {'A long title ' * 30}{number}." for number in range(1, 121)]
    lines = "\n".join(f"[{number}] {entry}" for number, entry in enumerate(entries, 1))
    assert found("References\n" + lines) == entries


def test_without_a_heading_a_late_list_in_brackets_counts() -> None:
    body = "\n".join(f"Line {number} of a letter." for number in range(200))
    lines = "\n".join(f"[{number}] {entry}" for number, entry in enumerate(ENTRIES, 1))
    assert found(body + "\n" + lines) == ENTRIES


def test_years_and_pages_are_no_markers() -> None:
    text = "References\n[1] A. Ondine,\n1988. Water.\n[2] C. Weir,\n(1991) Ships."
    assert found(text) == ["A. Ondine, 1988. Water.", "C. Weir, (1991) Ships."]


def test_nothing_to_find() -> None:
    assert found("") == []
    assert found("No list here.") == []
    assert found("References\nOndine, A. (1988). Reading water.") == []


@pytest.mark.parametrize(
    "text", ["[1] " * 500_000, "\n[1] a" * 200_000, "R e f e r e n c e s " * 100_000, "-\na" * 300_000]
)
def test_hostile_text_comes_to_an_end(text: str) -> None:
    found("References\n" + text)
