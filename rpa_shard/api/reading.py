"""One PDF, to its text and references, without a data folder.

Guarantee: the record is the one that a run makes of the same PDF; what is no PDF, or a broken one, ends as
`PaperError`. Limit: within a process one PDF is parsed at a time, whichever thread asks; an engine that hangs or
crashes takes the process with it, unless the call is `isolated`.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import IO, Literal

from rpa_shard.api.record import HASH_ID, Record
from rpa_shard.extract.alone import extract_alone
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract
from rpa_shard.fetch.body import HEADER_WITHIN_BYTES, check_head
from rpa_shard.model.arxiv_id import file_at, parse
from rpa_shard.phases.finished import make_record
from rpa_shard.system.content import Content, InMemory
from rpa_shard.system.files import fingerprint_of, fingerprint_of_file

Pdf = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
EngineChoice = Literal["auto", "pdfium", "pypdf"]

# Of a call that is isolated; those of a run are knobs.
DEADLINE_SECONDS = 120.0
MEMORY_BYTES = 2 * 2**30


def read(
    pdf: Pdf,
    *,
    engine: EngineChoice = "auto",
    isolated: bool = False,
    id: str | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
) -> Record:
    """Reads a PDF: its text, references, sections and everything else that a record has.

        record = rpa_shard.read("paper.pdf")
        print(record.clean_text)
        for reference in record.references:
            print(reference.ordinal, reference.title, reference.arxiv_ids)

    `pdf` is a path, the bytes of a PDF, or a binary file, which is read from where it stands. `engine` is what reads
    it: `auto` is PDFium, and pypdf if that fails or reads badly.

    `isolated` parses in a child process of its own, which may take `deadline_seconds` and `memory_bytes` of address
    space with each engine: for PDFs that nobody vouches for. It takes a fifth of a second longer.

    `id` is the paper's id in any form, for the record; without it, that of a file is its `file:` URL, and that of bytes
    is `sha256:` and their hash.

    Several threads may read at a time; an engine serves one after the other.

    Raises PaperError for a file that is no PDF, or from which no engine can read a text: its `failure` says which
    (`not_a_pdf`, `withdrawn`, `bad_pdf`; and if isolated also `extract_timeout`, `poison` for one that killed its
    process, `interrupted` if something else did, `bug`), its `detail` says more. Raises OSError for a path that cannot
    be read, and ValueError for an `id` that names no paper.
    """
    source, content = _content(pdf)
    head = content.data if isinstance(content, InMemory) else _head(content)
    check_head(head[:HEADER_WITHIN_BYTES])
    fingerprint = fingerprint_of(content.data) if isinstance(content, InMemory) else fingerprint_of_file(content)
    paper_id = parse(id).canonical if id is not None else source or f"{HASH_ID}{fingerprint.sha256}"
    begun = time.monotonic()
    found = _isolated(content, engine, deadline_seconds, memory_bytes) if isolated else extract(content, engine)
    record = make_record(
        paper_id,
        found,
        pdf=fingerprint,
        text=fingerprint_of(found.text.encode()),
        source=source,
        download_seconds=0.0,
        extract_seconds=time.monotonic() - begun,
        extracted_at=time.time(),
    )
    return Record.of(record, found.text)


def _content(pdf: Pdf) -> tuple[str | None, Content]:
    """The URL of the file, if it is one, and what is to be parsed. Raises OSError."""
    if isinstance(pdf, bytes | bytearray | memoryview):
        return None, InMemory("the PDF", bytes(pdf))
    if isinstance(pdf, str | os.PathLike):
        path = Path(pdf).absolute()
        # A pipe can be read only once.
        return file_at(path).canonical, path if path.is_file() else InMemory(path.name, path.read_bytes())
    content = pdf.read()
    if not isinstance(content, bytes):
        raise TypeError("a PDF is read from a path, from bytes, or from a file that is open in binary mode")
    return None, InMemory("the PDF", content)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEADER_WITHIN_BYTES)


def _isolated(content: Content, engine: str, deadline_seconds: float, memory_bytes: int) -> Extraction:
    if isinstance(content, Path):
        return extract_alone(content, engine, deadline_seconds, memory_bytes)
    with tempfile.TemporaryDirectory(prefix="rpa-shard-") as folder:
        path = Path(folder, "paper.pdf")
        path.write_bytes(content.data)
        return extract_alone(path, engine, deadline_seconds, memory_bytes)
