"""A paper's files for those who read them: where they are, or brought from where they are kept.

Guarantee: files that were brought are those that the row names, and are complete; files in the data folder cost
nothing. Downloads run a few at a time, and no more of them wait than are wanted soon. Limit: a file that is not in the
store is missing at hand, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rpa_shard.model.arxiv_id import PaperId, from_canonical
from rpa_shard.phases.files import ENDINGS, PaperFiles, files_of
from rpa_shard.phases.finished import results_of
from rpa_shard.phases.published import fetch_blocking, stem_in_store, versions
from rpa_shard.store.artifacts import ArtifactStore
from rpa_shard.store.artifacts.factory import artifact_store_of
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.rows import PaperRow
from rpa_shard.system.files import replace_file

EVERY_KIND = tuple(ENDINGS)
THREADS, WAITING = 8, 24


@contextmanager
def at_hand(folder: DataFolder, row: PaperRow, kinds: Collection[str]) -> Iterator[PaperFiles]:
    """The files of these kinds, until the block ends. Raises ArtifactStoreError, OSError."""
    store = artifact_store_of(folder)
    paper = from_canonical(row.paper_id)
    if store is None:
        yield files_of(folder.papers, paper)
        return
    with TemporaryDirectory(prefix="rpa-shard-") as temporary:
        yield _brought(store, Path(temporary), row, kinds)


def each_at_hand(
    folder: DataFolder, rows: Iterable[PaperRow], kinds: Collection[str]
) -> Iterator[tuple[PaperRow, PaperFiles]]:
    """The rows, each with the files of these kinds, which are there until the next is asked for. Raises likewise."""
    store = artifact_store_of(folder)
    if store is None:
        for row in rows:
            yield row, files_of(folder.papers, from_canonical(row.paper_id))
        return
    with TemporaryDirectory(prefix="rpa-shard-") as temporary, ThreadPoolExecutor(THREADS, "at hand") as threads:
        coming: deque[tuple[PaperRow, Future[PaperFiles]]] = deque()
        for row in rows:
            coming.append((row, threads.submit(_brought, store, Path(temporary), row, kinds)))
            if len(coming) > WAITING:
                yield from _next(coming)
        while coming:
            yield from _next(coming)


def kept_at_hand(folder: DataFolder, row: PaperRow, kinds: Collection[str]) -> PaperFiles:
    """The files of these kinds; those that are brought stay in the data folder's `cache`, which may be removed."""
    store = artifact_store_of(folder)
    paper = from_canonical(row.paper_id)
    if store is None:
        return files_of(folder.papers, paper)
    return _brought(store, folder.cache / _version_of(row), row, kinds)


def words_for(folder: DataFolder, row: PaperRow, files: PaperFiles, text: str) -> str:
    """A text about files at hand with the addresses of those that are kept elsewhere."""
    if folder.artifacts is None:
        return text
    here = str(files.text).removesuffix(stem_in_store(from_canonical(row.paper_id)) + ENDINGS["text"])
    return text.replace(here, f"{folder.artifacts}/")


def _next(coming: deque[tuple[PaperRow, Future[PaperFiles]]]) -> Iterator[tuple[PaperRow, PaperFiles]]:
    row, future = coming.popleft()
    files = future.result()
    yield row, files
    for kind in ENDINGS:
        getattr(files, kind).unlink(missing_ok=True)


def _brought(store: ArtifactStore, into: Path, row: PaperRow, kinds: Collection[str]) -> PaperFiles:
    paper = from_canonical(row.paper_id)
    files = files_of(into, paper)
    digests = _digests(row)
    for kind in kinds:
        path: Path = getattr(files, kind)
        if path.exists():
            continue
        content = _answers(store, paper) if kind == "answers" else None
        if kind in digests:
            content = fetch_blocking(store, paper, kind, digests[kind])
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content, durable=False)
    return files


def _digests(row: PaperRow) -> dict[str, str]:
    """The hashes of the files that a row names."""
    found = {}
    for result in results_of(row).values():
        for kind in ENDINGS:
            if result is not None and f"{kind}_sha256" in result and (kind != "pdf" or result.get("pdf_kept")):
                found[kind] = result[f"{kind}_sha256"]
    return found


def _version_of(row: PaperRow) -> str:
    """A name for what was made of a paper, which differs once it is made again."""
    return "-".join(digest[:8] for digest in _digests(row).values()) or "nothing"


def _answers(store: ArtifactStore, paper: PaperId) -> bytes | None:
    contents = [store.read(each.name) for each in versions(store, paper, "answers")]
    lines = dict.fromkeys(line for each in contents for line in each.splitlines() if line)
    return b"".join(line + b"\n" for line in lines) or None
