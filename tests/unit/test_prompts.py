"""The folder of prompts: what is accepted, what is refused and how, what changes the hashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.config.errors import SettingsError
from rpa_shard.model.phase import ANALYZE, PREP, WRAP
from rpa_shard.phases.writing.prompts import BUILT_IN, copy_prompts, load_prompts
from rpa_shard.phases.writing.schemas import misfit_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = copy_prompts(tmp_path / "my prompts")
    assert len(copied) == sum(path.is_file() for path in BUILT_IN.rglob("*"))
    return tmp_path / "my prompts"


def test_the_built_in_prompts_are_complete_and_a_copy_is_equal(folder: Path) -> None:
    prompts = load_prompts(None)
    names = [prompt.name for prompt in prompts.analyze]
    assert names == ["key_outcome", "why_it_matters", "how_to_reproduce_it", "open_questions"]
    assert [prompt.step for prompt in prompts.of(WRAP)] == [
        "wrap/limitations", "wrap/tags", "wrap/judge", "wrap/repair",
    ]  # fmt: skip
    assert prompts.of(PREP) == ()
    assert load_prompts(folder) == prompts


def test_every_built_in_schema_describes_all_that_it_asks_for() -> None:
    prompts = load_prompts(None)
    for prompt in (*prompts.analyze, *prompts.of(WRAP)[:-1]):
        for schema in _objects(prompt.schema):
            assert schema["additionalProperties"] is False, prompt.step
            assert list(schema["properties"]) == schema["required"], prompt.step
            for name, below in schema["properties"].items():
                assert below["description"], f"{prompt.step}: {name}"
                assert name in prompt.instruction, f"{prompt.step}: the instruction does not say what {name} is"


def _objects(schema: Any) -> list[dict[str, Any]]:
    below: list[dict[str, Any]] = []
    for each in schema.values() if isinstance(schema, dict) else ():
        below += _objects(each)
    return [*([schema] if isinstance(schema, dict) and schema.get("type") == "object" else []), *below]


def test_a_change_of_one_prompt_touches_its_own_hashes_only(folder: Path) -> None:
    before = load_prompts(folder)
    path = folder / "analyze" / "open_questions.md"
    path.write_text(path.read_text() + "\nAt most four.\n")
    after = load_prompts(folder)
    changed = [old.name for old, new in zip(before.analyze, after.analyze, strict=True) if old.sha256 != new.sha256]
    assert changed == ["open_questions"]
    assert after.sha256_of(ANALYZE) != before.sha256_of(ANALYZE)
    assert after.sha256_of(WRAP) == before.sha256_of(WRAP)


def test_the_system_prompt_touches_every_hash_and_a_bound_only_that_of_the_phase(folder: Path) -> None:
    before = load_prompts(folder)
    (folder / "system.md").write_text("Be brief.")
    after = load_prompts(folder)
    assert not {each.sha256 for each in before.of(WRAP)} & {each.sha256 for each in after.of(WRAP)}
    path = folder / "analyze" / "key_outcome.md"
    path.write_text(path.read_text().replace("min_words: 50", "min_words: 51"))
    stricter = load_prompts(folder)
    assert [each.sha256 for each in stricter.analyze] == [each.sha256 for each in after.analyze]
    assert stricter.sha256_of(ANALYZE) != after.sha256_of(ANALYZE)


def test_a_layout_of_the_schema_is_no_change_but_a_description_is(folder: Path) -> None:
    before = load_prompts(folder).analyze[0]
    path = folder / "analyze" / "key_outcome.schema.json"
    schema = json.loads(path.read_text())
    path.write_text(json.dumps(schema))
    assert load_prompts(folder).analyze[0].sha256 == before.sha256
    schema["properties"]["outcome"]["description"] = "Something else."
    path.write_text(json.dumps(schema))
    assert load_prompts(folder).analyze[0].sha256 != before.sha256


def test_a_list_of_tags_is_read_and_touches_the_prompt_that_shows_it(folder: Path) -> None:
    before = load_prompts(folder)
    assert before.tags is None
    (folder / "tags.txt").write_text("# ours\nGraph Neural Networks\n\nTides  # ours\ntides\n")
    after = load_prompts(folder)
    assert after.tags == ("graph neural networks", "tides")
    assert after.tags_prompt.sha256 != before.tags_prompt.sha256
    assert after.judge == before.judge


Break = Callable[[Path], object]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda f: (f / "system.md").unlink(), "system.md: there is no such file"),
        (lambda f: (f / "system.md").write_text(" \n"), "system.md: it is empty"),
        (lambda f: (f / "system.md").write_bytes(b"\xff\xfe"), "system.md: it is no text in UTF-8"),
        (lambda f: (f / "wrap" / "judge.md").unlink(), "judge.schema.json: there is no prompt beside it"),
        (lambda f: (f / "wrap" / "repair.md").unlink(), "repair.md: there is no such file"),
        (lambda f: (f / "wrap" / "tags.schema.json").unlink(), "tags.schema.json: there is no such file"),
        (lambda f: (f / "analyze" / "a b.md").write_text("title: x"), "a b.md: its name must be one word"),
        (lambda f: _head(f, "title: X"), "no instruction: write it after"),
        (lambda f: _head(f, "titel: X\n\nDo."), "'titel: X' in its head"),
        (lambda f: _head(f, "title: X\nreads: document\n\nDo."), "no `max_output_tokens: …`"),
        (lambda f: _head(f, "title: X\nreads: pictures\n\nDo."), "reads: 'pictures' must be one or more of document"),
        (lambda f: _head(f, "title: X\ntemperature: nan\n\nDo."), "temperature: 'nan' must be a number from 0 to 2"),
        (lambda f: _head(f, "title: X\nmax_output_tokens: 0\n\nDo."), "max_output_tokens: '0' must be a whole"),
        (lambda f: _schema(f, "{"), "Expecting property name"),
        (lambda f: _schema(f, "[]"), "it is no JSON object"),
        (lambda f: _schema(f, '{"type": "string"}'), "an answer must be an object"),
        (lambda f: _schema(f, '{"type": "object", "properties": 3}'), "properties: 3 is not of type 'object'"),
        (lambda f: _schema(f, '{"type": "object", "$ref": "http://example.com/x"}'), "leads nowhere"),
        (lambda f: _schema(f, '{"type": "object", "patternProperties": {"[": {}}}'), "is not a 'regex'"),
        (lambda f: _schema(f, "[" * 100_000), "it is too deep"),
        (lambda f: (f / "wrap" / "extra.md").write_text((f / "wrap" / "repair.md").read_text()), "extra.schema.json"),
        (lambda f: (f / "tags.txt").write_text("#\n"), "tags.txt: it holds no tag"),
        (lambda f: (f / "tags.txt").write_text("these\n"), "'these' cannot be a tag"),
    ],
)
def test_what_is_refused_is_named_with_its_file_in_one_line(folder: Path, broken: Break, says: str) -> None:
    broken(folder)
    with pytest.raises(SettingsError) as caught:
        load_prompts(folder)
    message = str(caught.value)
    assert says in message
    assert message.startswith(f"RPA_V2_PROMPTS: {folder}")
    assert "\n" not in message
    assert len(message) < 500


def _head(folder: Path, text: str) -> None:
    (folder / "analyze" / "key_outcome.md").write_text(text)


def _schema(folder: Path, text: str) -> None:
    (folder / "analyze" / "key_outcome.schema.json").write_text(text)


def test_what_the_phase_reads_must_be_required(folder: Path) -> None:
    (folder / "wrap" / "judge.schema.json").write_text('{"type": "object", "properties": {}}')
    with pytest.raises(SettingsError, match='"required" must have "verdict"'):
        load_prompts(folder)


def test_a_folder_that_is_missing_or_in_the_way(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(SettingsError, match="there is no folder"):
        load_prompts(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="exists already"):
        copy_prompts(folder)


def test_where_an_answer_does_not_fit_is_said() -> None:
    misfit = misfit_of(load_prompts(None).tags_prompt.schema)
    assert misfit({"tags": ["survey"]}) is None
    assert misfit({"tags": ["x"]}) == "tags.0: 'x' is too short"
    assert misfit([]) == "the answer: [] is not of type 'object'"
