"""What there is of a paper before anything is asked about it: its text in parts, and the answers so far.

Guarantee: the text is the one that its record describes, and there is enough of it to ask about. Limit: blocks; for
threads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.writing.answers import KeptAnswers
from rpa_shard.phases.writing.material.paper_text import PaperText, paper_text
from rpa_shard.store.catalogue import CatalogueReader

# Fewer words than this are no text of a paper: a model could only make things up.
MIN_WORDS = 100
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPaper:
    """A paper, with its files, its record and the answers that were given about it."""

    paper_id: str
    files: PaperFiles
    text: PaperText
    text_sha256: str
    source: str | None
    answers: KeptAnswers

    @property
    def head(self) -> str:
        """Its title and the like, for questions that need no more."""
        lines = [f"Title: {self.text.title}"]
        lines += [f"Authors: {self.text.authors}"] if self.text.authors else []
        return "\n".join(lines)


def load_paper(papers: Path, paper_id: str, catalogue: CatalogueReader) -> LoadedPaper:
    """A prepped paper. Raises PaperError(LLM_NO_TEXT), and OSError and StoreError for other troubles."""
    files = files_of(papers, from_canonical(paper_id))
    record, raw = _read(files, paper_id)
    metadata = catalogue.metadata(paper_id)
    try:
        text = paper_text(raw, record, metadata)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _no_text("its record is of an old format, or damaged: `redo` makes it again") from None
    words = sum(len(_WORD.findall(part.text)) for part in text.parts)
    if words < MIN_WORDS:
        raise _no_text(f"its text has {words} words: a scan, perhaps")
    return LoadedPaper(
        paper_id=paper_id,
        files=files,
        text=text,
        text_sha256=record["text_sha256"],
        source=record.get("source"),
        answers=KeptAnswers(files.answers),
    )


def _read(files: PaperFiles, paper_id: str) -> tuple[Mapping[str, Any], str]:
    try:
        record = json.loads(files.record.read_bytes())
        raw = files.text.read_bytes()
        if (record["id"], record["text_sha256"]) == (paper_id, sha256(raw).hexdigest()):
            return record, raw.decode()
    except FileNotFoundError:
        raise _no_text("its text or its record is missing: `verify --fix` has it made again") from None
    except (ValueError, KeyError, TypeError):
        pass
    raise _no_text("its text or its record is damaged: `verify --fix` has it made again")


def _no_text(why: str) -> PaperError:
    return PaperError(Failure.LLM_NO_TEXT, why)
