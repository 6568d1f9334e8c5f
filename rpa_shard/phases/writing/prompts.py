"""The prompts of `analyze` and `wrap`: a folder of text files and of the JSON Schemas of what they ask for.

Guarantee: a set of prompts is complete and valid, or it is refused in one line that names the file; any change of a
file that a model is shown changes the hash of the prompts that it touches, and of no others. Limit: whether a prompt is
any good is for people, and for the judge, to say.

    system.md                  what comes first in every question, the same for all
    analyze/NAME.md            a writer of the analysis: instruction, after a head of `name: value` lines
    analyze/NAME.schema.json   the schema of its answer
    wrap/NAME.md, .schema.json   the same for limitations, tags, judge and repair, which are all there are; what is
                                 repaired has the schema of its section, so repair has none of its own
    tags.txt                   the only tags there are, one a line; without it they are made of the corpus
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rpa_shard.config.errors import SettingsError
from rpa_shard.llm.question import Parameters
from rpa_shard.model.phase import ANALYZE, WRAP, Phase
from rpa_shard.phases.signals.tags import checked_tags
from rpa_shard.phases.writing.prompt_text import PromptText, parse_prompt
from rpa_shard.system.files import replace_file

BUILT_IN = Path(__file__).with_name("prompt_files")
SYSTEM_FILE, TAGS_FILE = "system.md", "tags.txt"
LIMITATIONS, TAGS, JUDGE, REPAIR = "limitations", "tags", "judge", "repair"
WRAP_PROMPTS = (LIMITATIONS, TAGS, JUDGE, REPAIR)
VERDICTS = ("PASS", "REPAIR", "FAIL")
# What the schemas of these prompts must require, since the phase reads it.
_REQUIRED = {TAGS: ("tags",), JUDGE: ("verdict", "reasons")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt. `reads` says what the question holds besides the instruction: document, signals, sections, tags.

    An answer with fewer than `min_words` words in all counts as empty. `sha256` stands for everything that a model is
    told because of this prompt, the schema and the parameters too.
    """

    phase: Phase
    name: str
    title: str
    instruction: str
    schema: Mapping[str, Any]
    parameters: Parameters
    reads: frozenset[str]
    min_words: int
    sha256: str

    @property
    def step(self) -> str:
        """The phase and the name: `analyze/why_it_matters`."""
        return f"{self.phase.name}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSet:
    """All prompts of a folder. `tags` are the only tags that a report may have; None: they are made of the corpus."""

    system: str
    analyze: tuple[Prompt, ...]
    limitations: Prompt
    tags_prompt: Prompt
    judge: Prompt
    repair: Prompt
    tags: tuple[str, ...] | None

    def of(self, phase: Phase) -> tuple[Prompt, ...]:
        """The prompts of a phase."""
        wrap = (self.limitations, self.tags_prompt, self.judge, self.repair)
        return {ANALYZE: self.analyze, WRAP: wrap}.get(phase, ())

    def sha256_of(self, phase: Phase) -> str:
        """Stands for all prompts of a phase: it is in the results of papers, so that `--redo changed` finds them."""
        return _sha256([(each.name, each.title, each.min_words, each.sha256) for each in self.of(phase)])


def load_prompts(folder: Path | None) -> PromptSet:
    """The prompts of a folder, or those that are built in. Raises SettingsError."""
    folder = BUILT_IN if folder is None else folder
    if not folder.is_dir():
        raise SettingsError(f"RPA_V2_PROMPTS: there is no folder {folder}: `prompts --copy` makes one to start from")
    system = _read(folder / SYSTEM_FILE).strip()
    if not system:
        raise _refused(folder / SYSTEM_FILE, "it is empty: write what every question begins with")
    tags = _tags(folder / TAGS_FILE)
    found: dict[Phase, list[tuple[int, Prompt]]] = {}
    for phase in (ANALYZE, WRAP):
        files = _prompt_files(folder / phase.name)
        found[phase] = [_prompt(path, phase, system, tags) for path in files]
    if not found[ANALYZE]:
        raise _refused(folder / ANALYZE.name, "it holds no prompt: each section of the analysis is a file NAME.md")
    wrap = {prompt.name: prompt for _, prompt in found[WRAP]}
    for name in WRAP_PROMPTS:
        if name not in wrap:
            raise _refused(folder / WRAP.name / f"{name}.md", "there is no such file: `prompts --copy` writes it")
    for name in wrap.keys() - set(WRAP_PROMPTS):
        raise _refused(folder / WRAP.name / f"{name}.md", "only these are known: " + ", ".join(WRAP_PROMPTS))
    return PromptSet(
        system=system,
        analyze=tuple(prompt for _, prompt in sorted(found[ANALYZE], key=lambda each: (each[0], each[1].name))),
        limitations=wrap[LIMITATIONS],
        tags_prompt=wrap[TAGS],
        judge=wrap[JUDGE],
        repair=wrap[REPAIR],
        tags=tags,
    )


def copy_prompts(folder: Path) -> list[Path]:
    """Makes a folder with the built-in prompts to start from; returns its files. Raises SettingsError if it exists."""
    copied = []
    try:
        folder.mkdir(parents=True)
        for source in sorted(path for path in BUILT_IN.rglob("*") if path.is_file()):
            target = folder / source.relative_to(BUILT_IN)
            target.parent.mkdir(exist_ok=True)
            replace_file(target, source.read_bytes())
            copied.append(target)
    except FileExistsError:
        raise SettingsError(f"{folder} exists already: give the name of a new folder") from None
    except OSError as error:
        raise SettingsError(f"{error.filename or folder}: {error.strerror}") from None
    return copied


def _prompt_files(folder: Path) -> list[Path]:
    """The prompts of one phase. Raises SettingsError for a schema without one: a name is misspelled."""
    prompts = sorted(folder.glob("*.md"))
    names = {path.stem for path in prompts}
    for path in sorted(folder.glob("*.schema.json")):
        if path.name.removesuffix(".schema.json") not in names:
            raise _refused(path, "there is no prompt beside it, a file of the same name with the ending .md")
    return prompts


def _prompt(path: Path, phase: Phase, system: str, tags: tuple[str, ...] | None) -> tuple[int, Prompt]:
    name = path.stem
    if not name.isidentifier():
        raise _refused(path, "its name must be one word of letters, digits and _")
    try:
        text = parse_prompt(_read(path))
    except ValueError as error:
        raise _refused(path, str(error)) from None
    is_repair = (phase, name) == (WRAP, REPAIR)
    schema = {} if is_repair else _schema(path.with_name(f"{name}.schema.json"), phase, name)
    told: list[Any] = [system, text.instruction, sorted(text.reads), list(schema.items())]
    told += [text.max_output_tokens, text.temperature, tags if "tags" in text.reads else None]
    return text.order, _made(phase, name, text, schema, _sha256(told))


def _made(phase: Phase, name: str, text: PromptText, schema: Mapping[str, Any], digest: str) -> Prompt:
    return Prompt(
        phase=phase,
        name=name,
        title=text.title,
        instruction=text.instruction,
        schema=schema,
        parameters=Parameters(max_output_tokens=text.max_output_tokens, temperature=text.temperature),
        reads=text.reads,
        min_words=text.min_words,
        sha256=digest,
    )


def _schema(path: Path, phase: Phase, name: str) -> dict[str, Any]:
    from rpa_shard.phases.writing.schemas import check_schema

    try:
        schema = json.loads(_read(path))
        check_schema(schema)
    except RecursionError:
        raise _refused(path, "it is too deep") from None
    except ValueError as error:
        raise _refused(path, str(error)) from None
    for required in _REQUIRED.get(name, ()) if phase is WRAP else ():
        if required not in schema.get("required", ()):
            raise _refused(path, f'"required" must have "{required}", which the phase reads')
    made: dict[str, Any] = schema
    return made


def _tags(path: Path) -> tuple[str, ...] | None:
    """The tags of the list; None if there is no list."""
    if not path.exists():
        return None
    tags: dict[str, None] = {}
    for line in _read(path).splitlines():
        words = line.partition("#")[0].strip()
        if not words:
            continue
        checked = checked_tags([words])
        if not checked:
            raise _refused(path, f"{words!r} cannot be a tag: a few words are needed that say something")
        tags[checked[0]] = None
    if not tags:
        raise _refused(path, "it holds no tag: write one a line, or remove it to have tags made of the corpus")
    return tuple(tags)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise _refused(path, "there is no such file: `prompts --copy` makes a folder with all that is needed") from None
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _refused(path, "it is no text in UTF-8: save it as such") from None


def _refused(path: Path, why: str) -> SettingsError:
    return SettingsError(f"RPA_V2_PROMPTS: {path}: {why}")


def _sha256(parts: Iterable[Any]) -> str:
    return sha256(json.dumps(list(parts), ensure_ascii=False).encode()).hexdigest()
