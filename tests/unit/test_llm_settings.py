"""RPA_V2_LLM_ENDPOINTS and RPA_V2_LLM_BUDGET, and where keys are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.errors import SettingsError
from rpa_shard.config.llm import (
    STRUCTURED,
    CallLimits,
    KeyPlace,
    LlmBudget,
    ModelAt,
    Price,
    parse_budget,
    parse_endpoints,
)
from rpa_shard.config.settings import Settings

WORDS = st.from_regex(r"[A-Za-z][A-Za-z0-9._/:-]{0,20}", fullmatch=True)
COUNTS = st.integers(1, 10**9)
MODELS = st.builds(
    ModelAt,
    url=st.sampled_from(["http://127.0.0.1:8000/v1", "https://api.example.org/v1", "http://[::1]:11434/v1"]),
    model=WORDS,
    key=st.none() | st.builds(KeyPlace, st.sampled_from(["env", "file"]), WORDS),
    limits=st.builds(CallLimits, st.none() | COUNTS, st.none() | COUNTS, st.none() | COUNTS, COUNTS),
    context_tokens=COUNTS,
    price=st.none() | st.builds(Price, st.integers(0, 99).map(float), st.integers(0, 99).map(float)),
    structured=st.sampled_from(STRUCTURED),
)


@given(st.lists(MODELS, min_size=1, max_size=4, unique_by=lambda each: each.name))
def test_endpoints_are_read_as_they_are_written(models: list[ModelAt]) -> None:
    assert list(parse_endpoints(" ".join(map(str, models)))) == models


def test_an_endpoint_with_several_models_is_given_once_for_each() -> None:
    first, second, other = parse_endpoints(
        "http://localhost:8000/v1/ models=a,b requests=60 key=env:KEY https://x.org/v1/chat/completions models=a"
    )
    assert (first.model, second.model, other.model) == ("a", "b", "a")
    assert first.url == second.url == "http://localhost:8000/v1"
    assert other.url == "https://x.org/v1"
    assert first.limits.requests_per_minute == second.limits.requests_per_minute == 60
    assert (first.name, other.name) == ("a at localhost:8000", "a at x.org")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "models=a",
        "http://localhost",
        "http://localhost models=",
        "http://localhost models=a,a",
        "http://localhost models=a http://localhost/v1 models=a",
        "http://localhost models=a requests=0",
        "http://localhost models=a requests=many",
        "http://localhost models=a unknown=1",
        "http://localhost models=a context=1 context=2",
        "http://localhost models=a key=sk-secret",
        "http://localhost models=a price=1",
        "http://localhost models=a structured=xml",
        "http://user:secret@localhost models=a",
        "http://localhost:99999 models=a",
        "ftp://localhost models=a",
    ],
)
def test_wrong_endpoints_are_refused_without_repeating_what_may_be_a_key(text: str) -> None:
    with pytest.raises(ValueError):
        parse_endpoints(text)
    if text:
        with pytest.raises(SettingsError, match="RPA_V2_LLM_ENDPOINTS: must be `URL models=") as refused:
            Settings.from_environment({"RPA_V2_LLM_ENDPOINTS": text})
        assert "secret" not in str(refused.value)


def test_a_key_is_read_from_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-123\n")
    assert KeyPlace("file", str(file)).read({}) == "sk-123"
    assert KeyPlace("env", "KEY").read({"KEY": " sk-456 "}) == "sk-456"


@pytest.mark.parametrize("content", ["", "two words", "käse", "a\nb"])
def test_a_key_that_is_none_is_not_repeated(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    for place, environment in ((KeyPlace("file", str(file)), {}), (KeyPlace("env", "KEY"), {"KEY": content})):
        with pytest.raises(SettingsError, match=r"KEY|key") as refused:
            place.read(environment)
        assert not content or content not in str(refused.value)


def test_a_missing_file_of_a_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere cannot be read: No such file"):
        KeyPlace("file", str(tmp_path / "nowhere")).read({})


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("tokens=1000", LlmBudget(1000)),
        ("usd=0.5", LlmBudget(None, 500_000)),
        ("usd=5 tokens=20_000_000", LlmBudget(20_000_000, 5_000_000)),
    ],
)
def test_budgets(text: str, budget: LlmBudget) -> None:
    assert parse_budget(text) == budget
    assert parse_budget(str(budget)) == budget


@pytest.mark.parametrize("text", ["", "5", "usd=", "usd=-1", "usd=nan", "tokens=0", "tokens=1 tokens=2", "eur=1"])
def test_wrong_budgets(text: str) -> None:
    with pytest.raises(ValueError):
        parse_budget(text)


def test_a_price_is_rounded_up() -> None:
    assert Price(0.15, 0.6).micro_usd(1_000_000, 0) == 150_000
    assert Price(0.15, 0.6).micro_usd(1, 0) == 1
    assert Price().micro_usd(10, 10) == 0


def test_calls_take_descriptors_only_where_a_phase_asks_models() -> None:
    endpoints = "http://localhost:8000/v1 models=a,b in_flight=100"
    prep = Settings.from_environment({"RPA_V2_LLM_ENDPOINTS": endpoints})
    both = Settings.from_environment({"RPA_V2_LLM_ENDPOINTS": endpoints, "RPA_V2_PHASES": "prep,analyze"})
    assert both.descriptors - prep.descriptors == 200
