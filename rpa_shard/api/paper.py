"""One paper of a data folder: its state, and what was made of it.

Guarantee: frozen, as its row was when it was read; its files are read when they are first asked for, and checked
against the hashes that were recorded. Limit: a run may change the paper meanwhile; ask the corpus for it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from rpa_shard.api.record import Record
from rpa_shard.api.report import Analysis, Report
from rpa_shard.extract.result import from_plain
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import Status
from rpa_shard.observe.export.records import Texts, read_record
from rpa_shard.observe.export.reports import analysis_record, report_record, report_text
from rpa_shard.phases.at_hand import kept_at_hand
from rpa_shard.phases.finished import PaperFiles, record_result
from rpa_shard.reading.references import Reference
from rpa_shard.reading.sections import Section
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.rows import PaperRow
from rpa_shard.system.program import program


@dataclass(frozen=True, slots=True)
class Metadata:
    """What arXiv's metadata snapshot says of a paper."""

    title: str
    authors: str
    abstract: str
    categories: tuple[str, ...]
    doi: str | None


@dataclass(frozen=True, repr=False)
class Paper:
    """One paper of a corpus.

    Its state is known at once: `id`, `arxiv_id`, `status`, `failure`, `detail`, `attempts`, `flags`, `metadata`, times.
    What needs its files is read at the first use: `record`, and from it `text`, `clean_text`, `references`, `sections`,
    `abstract`; also `analysis` and `report`. A paper that is not prepped has no record: these are None, or empty.
    """

    _row: PaperRow
    _folder: DataFolder
    _metadata: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        """The canonical id: `2401.00001`, `hep-th/9901001v2`, or a URL."""
        return self._row.paper_id

    @property
    def arxiv_id(self) -> str | None:
        """The arXiv id without its version; None for a paper that was added as a URL or a file."""
        paper = from_canonical(self.id)
        return paper.without_version if paper.kind == "arxiv" else None

    @property
    def status(self) -> Status:
        """`pending`, `prepping`, `prepped`, `failed`, …"""
        return self._row.status

    @property
    def failure(self) -> str | None:
        """Why the last attempt failed, such as `not_found`; also of a paper that will be tried again."""
        return self._row.failure

    @property
    def detail(self) -> str | None:
        """More about the failure, for people."""
        return self._row.detail

    @property
    def attempts(self) -> int:
        """How many attempts have been charged to it, in its present phase."""
        return self._row.attempts

    @property
    def added_at(self) -> datetime:
        """When it was added."""
        return datetime.fromtimestamp(self._row.added_at, UTC)

    @property
    def changed_at(self) -> datetime:
        """When its state changed last."""
        return datetime.fromtimestamp(self._row.changed_at, UTC)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of its text; reads no file."""
        result = record_result(self._row)
        return tuple(result["flags"]) if result is not None else ()

    @property
    def metadata(self) -> Metadata | None:
        """What arXiv's snapshot says of it; None if it is not known (`add --metadata`)."""
        return from_plain(Metadata, self._metadata) if self._metadata is not None else None

    @property
    def pdf_path(self) -> Path | None:
        """Its PDF; None if there is none, or it was not kept."""
        path = self._files("pdf").pdf
        return path if path.is_file() else None

    @cached_property
    def record(self) -> Record | None:
        """Everything that was found in it; None if it is not prepped.

        Raises StoreError if its record is missing or damaged.
        """
        if record_result(self._row) is None:
            return None
        files = self._files("record", "text")
        try:
            return Record.of(json.loads(files.record.read_bytes()), files.text)
        except OSError as error:
            why = f"{files.record}: {error.strerror}"
        except (JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError):
            why = f"{files.record} is no record"
        raise StoreError(f"{why}: see `{program()} verify`")

    @property
    def text(self) -> str | None:
        """The raw text. Raises StoreError if it is missing, or not as recorded."""
        return self.record.text if self.record is not None else None

    @property
    def clean_text(self) -> str | None:
        """The text for reading and for models. Raises StoreError as `text`."""
        return self.record.clean_text if self.record is not None else None

    @property
    def references(self) -> tuple[Reference, ...]:
        """What it refers to. Raises StoreError as `record`."""
        return self.record.references if self.record is not None else ()

    @property
    def sections(self) -> tuple[Section, ...]:
        """Its headings. Raises StoreError as `record`."""
        return self.record.sections if self.record is not None else ()

    @property
    def abstract(self) -> str | None:
        """The abstract that was found in its text. Raises StoreError as `record`."""
        return self.record.abstract if self.record is not None else None

    @cached_property
    def analysis(self) -> Analysis | None:
        """What models wrote about it; None if it is not analyzed. Raises StoreError if that is missing or damaged."""
        record = analysis_record(self._folder, self._row)
        return Analysis.of(record) if record is not None else None

    @cached_property
    def report(self) -> Report | None:
        """Its report; None if it is not done. Raises StoreError if that is missing or damaged."""
        record = report_record(self._folder, self._row)
        return Report.of(record, report_text(self._folder, self._row) or "") if record is not None else None

    def as_dict(self, *, text: bool = False, clean: bool = False) -> dict[str, Any]:
        """The record as `export` writes it, also for papers that are not prepped; `text` and `clean` add the texts.

        A paper with damaged files has the flag `damaged`.
        """
        return {**read_record(self._folder, self._row, Texts(text, clean)), "metadata": self._metadata}

    def _files(self, *kinds: str) -> PaperFiles:
        return kept_at_hand(self._folder, self._row, kinds)

    def __repr__(self) -> str:
        return f"<Paper {self.id}: {self.status}{f' ({self.failure})' if self.failure else ''}>"
