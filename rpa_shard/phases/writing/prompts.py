"""The prompts of `analyze` and `wrap`: a folder of text files and of the JSON Schemas of what they ask for.

Guarantee: a set of prompts is complete and valid, or it is refused in one line that names the file; any change of a
file that a model is shown changes the hash of the prompts that it touches, and of no others. Limit: whether a prompt is
any good is for people, and for the judge, to say.

    system.md                  what comes first in every question, the same for all
    analyze/NAME.md            a writer of the analysis: instruction, after a head of `name: value` lines
    analyze/NAME.schema.json   the schema of its answer
    wrap/{limitations,tags,judge,repair}.md, .schema.json
    tags.txt                   the only tags there are, one a line; without it they are made of the corpus
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpa_shard.llm.question import Parameters
from rpa_shard.model.phase import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt. `reads` says what the question holds besides the instruction: document, signals, sections, tags.

    A text of the answer with fewer than `min_words` words counts as empty. `sha256` stands for everything that a model
    is told because of this prompt, the schema and the parameters too.
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
        raise NotImplementedError

    def sha256_of(self, phase: Phase) -> str:
        """Stands for all prompts of a phase: it is in the results of papers, so that `--redo changed` finds them."""
        raise NotImplementedError


def load_prompts(folder: Path | None) -> PromptSet:
    """The prompts of a folder, or those that are built in. Raises SettingsError."""
    raise NotImplementedError


def copy_prompts(folder: Path) -> list[Path]:
    """Makes a folder with the built-in prompts to start from; returns its files. Raises SettingsError if it exists."""
    raise NotImplementedError
