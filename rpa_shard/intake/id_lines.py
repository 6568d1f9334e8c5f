"""The papers that a person gives: arguments, and lists in any format.

Guarantee: every item gives papers or a message with its location, an invalid one never stops the valid ones, and what
is said of it is one short line. Limit: memory use stays constant only if the caller takes them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rpa_shard.intake.errors import IntakeError as IntakeError
from rpa_shard.intake.lists.fields import papers_of_fields
from rpa_shard.intake.lists.reading import Item, items_of, pdfs_in
from rpa_shard.model.arxiv_id import (
    MAX_ID_BYTES,
    InvalidIdError,
    PaperId,
    file_at,
    is_plain_id,
    local_path,
    papers_in,
    parse,
)
from rpa_shard.model.id_forms.grammar import shown
from rpa_shard.model.id_forms.text import bare_ids, marked_ids, plain

# So many messages wait for the first paper.
MAX_WAITING = 1000
# Of a long line: where its id may stand alone, and where anything is looked for.
_LEADING_CHARACTERS = 300
_SEARCHED_CHARACTERS = 10_000


def ids_of(
    arguments: Sequence[str], files: Sequence[str], invalid: Callable[[str], None], column: str | None = None
) -> Iterator[str]:
    """The canonical ids of arguments and of lists (of their `column`); `invalid` gets a message for each invalid item.

    Raises IntakeError.
    """
    for number, text in enumerate(arguments, 1):
        try:
            yield from _ids_of_argument(text)
        except (InvalidIdError, IntakeError) as error:
            invalid(f"argument {number}: {shown(text)}: {error}")
    for file in files:
        name = shown(file, 200)
        try:
            yield from _ids_of_list(file, _Told(invalid, f"{name}, " if len(files) > 1 else ""), column)
        except IntakeError as error:
            raise IntakeError(f"{name}: {error}") from None


def _ids_of_argument(text: str) -> Iterator[str]:
    try:
        yield from (each.canonical for each in _papers_of_text(text))
    except InvalidIdError:
        path = _existing(text)
        if path is None:
            raise
        if path.is_file():
            raise InvalidIdError("a file that is no PDF: a list is given with --file, an archive with --tar") from None
        if not path.is_dir():
            raise InvalidIdError("neither a file nor a folder") from None
        yield from _ids_of_folder(path)


def _ids_of_folder(folder: Path) -> Iterator[str]:
    found = False
    for path in pdfs_in(folder):
        found = True
        yield file_at(path).canonical
    if not found:
        raise IntakeError("a folder without PDFs")


def _ids_of_list(file: str, told: _Told, column: str | None) -> Iterator[str]:
    if file != "-" and (path := _existing(file)) and path.is_dir():
        yield from _ids_of_folder(path)
        return
    for where, item in items_of(file, column):
        if isinstance(item, str) and is_plain_id(item):
            told.right()
            yield item
            continue
        try:
            papers = _papers_of(item)
        except InvalidIdError as error:
            text = f"{shown(item)}: " if isinstance(item, str) and item else ""
            reason = f"no {shown(column, 40)}" if column is not None and item == "" else str(error)
            told.wrong(f"{f'line {where}' if isinstance(where, int) else where}: {text}{reason}")
            continue
        told.right()
        for paper in papers:
            yield paper.canonical
    told.end()


class _Told:
    """What is said of a list: messages wait for the first paper, as a list without any gets one message instead."""

    def __init__(self, invalid: Callable[[str], None], prefix: str) -> None:
        self._invalid = invalid
        self._prefix = prefix
        self._waiting: list[str] | None = []
        self._any_right = False
        self._any_wrong = False

    def right(self) -> None:
        self._any_right = True
        if self._waiting is not None:
            self._say_waiting()

    def wrong(self, message: str) -> None:
        self._any_wrong = True
        if self._waiting is None:
            self._invalid(self._prefix + message)
            return
        self._waiting.append(message)
        if len(self._waiting) > MAX_WAITING:
            self._say_waiting()

    def end(self) -> None:
        if self._any_wrong and not self._any_right:
            raise IntakeError(f"nothing in it names a paper{f'; {self._waiting[0]}' if self._waiting else ''}")

    def _say_waiting(self) -> None:
        for each in self._waiting or ():
            self._invalid(self._prefix + each)
        self._waiting = None


def _papers_of(item: Item) -> list[PaperId]:
    if isinstance(item, str):
        return _papers_of_text(item)
    if item is None:
        raise InvalidIdError("damaged, or no JSON object")
    return [_checked(paper) for paper in papers_of_fields(item)]


def _papers_of_text(text: str) -> list[PaperId]:
    """The papers of a line or argument. Raises InvalidIdError."""
    if text.rstrip()[-4:].lower() == ".pdf" and (found := _existing_file(text)):
        return [found]
    try:
        papers = papers_in(text) if len(text) <= MAX_ID_BYTES else _leading_ids(text)
    except InvalidIdError:
        readable = plain(text[:_SEARCHED_CHARACTERS])
        marked = list(dict.fromkeys(marked_ids(readable))) or list(dict.fromkeys(bare_ids(readable)))
        if len(marked) != 1:
            raise
        return [parse(marked[0].canonical)]
    return [_checked(paper) for paper in papers]


def _leading_ids(text: str) -> list[PaperId]:
    """The arXiv ids at the beginning of a line that is too long to be one. Raises InvalidIdError."""
    found = [each for each in papers_in(f"{text[:_LEADING_CHARACTERS]} …") if each.kind == "arxiv"]
    if not found:
        raise InvalidIdError(f"longer than {MAX_ID_BYTES} bytes")
    return found


def _checked(paper: PaperId) -> PaperId:
    try:
        if paper.kind == "file" and not local_path(paper).is_file():
            raise InvalidIdError("no such file")
    except OSError as error:  # a name too long, a folder that may not be read
        raise InvalidIdError(error.strerror) from None
    return paper


def _existing_file(text: str) -> PaperId | None:
    """The PDF of this name, if there is one."""
    name = text.strip()
    if name[-4:].lower() != ".pdf" or "://" in name:
        return None
    path = _existing(name)
    return file_at(path) if path is not None and path.is_file() else None


def _existing(name: str) -> Path | None:
    """The absolute path of what has this name, if there is anything."""
    try:
        path = Path(name).expanduser().absolute()
        return path if path.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None
