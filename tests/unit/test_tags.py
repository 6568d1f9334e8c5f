"""Tags: what the corpus' titles give, and what is left of what a model proposes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.model.categories import CATEGORIES
from rpa_shard.model.category_names import category_name
from rpa_shard.phases.signals.stop_words import EMPTY_WORDS
from rpa_shard.phases.signals.tags import MAX_LISTED, MAX_TAGS, TitleTerms, checked_tags

TITLES = (
    "Attention Is All You Need",
    "A Novel Approach to Neural Machine Translation via Attention",
    "Neural Machine Translation: Towards Robust Decoders",
    "Using https://github.com/x/y for Neural Machine Translation",
    "On Quantum Error Correction with Neural Decoders",
    "Quantum Error-Correction Across These Codes",
)


def tags_of(*titles: str, categories: str = "") -> tuple[str, ...]:
    terms = TitleTerms()
    for title in titles:
        terms.add(title, categories.split())
    return terms.tags()


def test_the_list_has_terms_of_titles_and_no_parts_of_longer_ones() -> None:
    found = tags_of(*TITLES)
    assert found[0] == "neural machine translation"  # three papers
    assert {"quantum error correction", "attention"} <= set(found)
    assert not {"machine", "translation", "machine translation", "quantum", "error correction"} & set(found)
    assert "neural" not in found  # nearly always a part
    assert not {"https", "github", "com", "across", "these", "using", "via", "approach", "novel"} & set(found)


def test_names_of_categories_come_first() -> None:
    found = tags_of("Sparse Networks", "Sparse Networks", categories="cs.LG stat.ML xx.YY")
    assert found == ("machine learning", "statistical machine learning", "sparse networks")


def test_two_forms_of_a_term_are_one() -> None:
    assert tags_of("Graph Neural Network", "Graph Neural Networks", "Graph-Neural Networks") == (
        "graph neural network",
    )


def test_the_list_is_short_whatever_the_corpus_has() -> None:
    titles = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)} stands" for n in range(676)]
    assert len(tags_of(*titles, *titles)) == MAX_LISTED


def test_what_three_models_gave_every_paper_is_no_tag() -> None:
    assert checked_tags(["across", "these", "https", "doi", "the", "42", "x", "2024", "www.site.org/a", "a b"]) == ()
    assert checked_tags(["across", "https", "Attention"], ["attention"]) == ("attention",)


def test_without_a_list_what_says_something_stays() -> None:
    assert checked_tags(
        ["Graph-Neural  Networks", "graph neural network", "a theory of everything at all and more"]
    ) == ("graph neural networks",)


def test_with_a_list_its_form_is_taken() -> None:
    allowed = ["machine learning", "graph neural network", "category theories"]
    proposed = ["Graph-Neural_Networks", "MACHINE  learning.", "machine-learnings", "Category Theory", "deep learning"]
    assert checked_tags(proposed, allowed) == ("graph neural network", "machine learning", "category theories")


def test_no_more_than_a_few() -> None:
    words = [f"{letter}ord" for letter in "abcdefghijkl"]
    assert checked_tags(words, words) == tuple(words[:MAX_TAGS])


@given(st.lists(st.text(max_size=30), max_size=20), st.lists(st.text(max_size=30), max_size=10))
def test_checked_tags_are_of_the_list_and_stay_as_they_are(proposed: list[str], allowed: list[str]) -> None:
    found = checked_tags(proposed, allowed)
    assert len(found) <= MAX_TAGS
    if any(allowed):
        assert set(found) <= set(allowed)
        assert checked_tags(found, allowed) == found
    else:
        assert not set(found) & EMPTY_WORDS


@given(st.lists(st.sampled_from(TITLES)))
def test_the_order_of_the_papers_makes_no_difference(titles: list[str]) -> None:
    assert tags_of(*titles) == tags_of(*reversed(titles))


def test_every_category_has_a_name() -> None:
    assert [each for each in CATEGORIES if category_name(each) is None] == []
