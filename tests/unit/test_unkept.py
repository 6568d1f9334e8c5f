"""PDFs that nobody keeps: how much memory they take, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.fetch.body import Body
from rpa_shard.fetch.local import take_local
from rpa_shard.fetch.unkept import Memory, UnkeptPdf
from rpa_shard.model.failure import PaperError
from rpa_shard.system.content import InMemory, all_bytes, opened
from rpa_shard.system.files import fingerprint_of, temporaries_in
from rpa_shard.testing.sample_papers import Kind, sample_pdf

PDF = sample_pdf(Kind.TWO_COLUMNS, "2401.00001")


class Counted(Memory):
    """Memory that tells how much of it is free."""

    @property
    def free_bytes(self) -> int:
        return self._free_bytes


def gathered(final: Path, memory: Memory, pieces: list[bytes]) -> UnkeptPdf:
    """A PDF that came in pieces, each spilled at once."""
    body = Body("shard-000", final, 10**9, memory)
    try:
        for piece in pieces:
            body.take(piece)
            body.spill()
        return body.hand_over(body.check())
    finally:
        body.discard()


def pieces_of(pdf: bytes, size: int) -> list[bytes]:
    return [pdf[start : start + size] for start in range(0, len(pdf), size)]


def bytes_of(unkept: UnkeptPdf) -> bytes:
    with opened(unkept.content) as readable:
        return all_bytes(readable)


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "2401" / "2401.00001.pdf"


@pytest.fixture(params=["in memory", "in a file"])
def unkept(final: Path, request: pytest.FixtureRequest) -> Iterator[tuple[UnkeptPdf, Counted]]:
    memory = Counted(len(PDF) if request.param == "in memory" else 0)
    with closing(gathered(final, memory, [PDF])) as made:
        assert isinstance(made.content, InMemory) == (request.param == "in memory")
        yield made, memory


@pytest.mark.parametrize("limit", [0, 1, len(PDF) // 2, len(PDF) - 1, len(PDF), 10**9])
def test_what_is_too_much_for_the_memory_goes_to_a_file(final: Path, limit: int) -> None:
    memory = Counted(limit)
    with closing(gathered(final, memory, pieces_of(PDF, 700))) as unkept:
        assert unkept.pdf == fingerprint_of(PDF)
        assert bytes_of(unkept) == PDF
        fits = limit >= len(PDF)
        assert isinstance(unkept.content, InMemory) == fits
        assert memory.free_bytes == (limit - len(PDF) if fits else limit), "nothing is both in memory and in a file"
        assert len(temporaries_in(final.parent)) == (not fits)
    assert memory.free_bytes == limit
    assert temporaries_in(final.parent) == []
    assert not final.exists()


def test_one_memory_is_for_all(final: Path) -> None:
    memory = Counted(2 * len(PDF))
    made = [gathered(final, memory, [PDF]) for _ in range(3)]
    assert [isinstance(each.content, InMemory) for each in made] == [True, True, False]
    made[0].close()
    with closing(gathered(final, memory, [PDF])) as fourth:
        assert isinstance(fourth.content, InMemory)
    for each in made:
        each.close()
    assert memory.free_bytes == 2 * len(PDF)
    assert temporaries_in(final.parent) == []


def test_a_body_that_starts_over_or_fails_gives_its_memory_back(final: Path) -> None:
    memory = Counted(10 * len(PDF))
    body = Body("shard-000", final, 10**9, memory)
    body.take(PDF)
    body.spill()
    assert memory.free_bytes == 9 * len(PDF)
    body.restart()
    assert memory.free_bytes == 10 * len(PDF)
    body.take(PDF[: len(PDF) // 2])
    with pytest.raises(PaperError):
        body.check()
    body.discard()
    assert memory.free_bytes == 10 * len(PDF)


@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize("is_kept", [False, True])
def test_what_becomes_of_it(final: Path, unkept: tuple[UnkeptPdf, Counted], is_moved: bool, is_kept: bool) -> None:
    pdf, memory = unkept
    if is_moved:
        pdf.move_to_file(final)
        assert bytes_of(pdf) == PDF
        assert isinstance(pdf.content, Path)
        assert memory.free_bytes in (0, len(PDF))
    if is_kept:
        pdf.keep_as(final)
    pdf.close()
    pdf.close()
    assert final.exists() == is_kept
    assert not is_kept or final.read_bytes() == PDF
    assert temporaries_in(final.parent) == []


def test_a_disk_that_cannot_take_it_leaves_it_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory = Counted(10**6)
    with closing(gathered(tmp_path / "file" / "paper.pdf", memory, [PDF])) as unkept:
        for move in (unkept.move_to_file, unkept.keep_as):
            with pytest.raises(OSError):
                move(tmp_path / "file" / "paper.pdf")
            assert bytes_of(unkept) == PDF
    assert memory.free_bytes == 10**6


@pytest.mark.parametrize("limit", [0, 10**9])
def test_a_local_file_that_changes_meanwhile(tmp_path: Path, limit: int) -> None:
    """Its record is about the bytes that are parsed, whatever becomes of the file."""
    path = tmp_path / "local.pdf"
    path.write_bytes(PDF)
    body = Body("shard-000", tmp_path / "paper.pdf", 10**9, Memory(limit))
    pdf = take_local(body, body.check, path, 0, None)
    with closing(body.hand_over(pdf)) as unkept:
        body.discard()
        path.write_bytes(sample_pdf(Kind.AUTHOR_YEAR, "2401.00002"))
        assert fingerprint_of(bytes_of(unkept)) == unkept.pdf == fingerprint_of(PDF)
        path.unlink()
        assert bytes_of(unkept) == PDF


@given(st.lists(st.integers(0, 40)), st.integers(0, 100))
def test_memory_never_exceeds_its_limit(sizes: list[int], limit: int) -> None:
    memory = Counted(limit)
    taken = [size for size in sizes if memory.take(size)]
    assert sum(taken) == limit - memory.free_bytes <= limit
    for size in taken:
        memory.give_back(size)
    assert memory.free_bytes == limit


def test_memory_is_counted_from_many_threads() -> None:
    memory = Counted(50)

    def take_and_give_back(_: int) -> bool:
        is_taken = memory.take(10)
        if is_taken:
            assert memory.free_bytes >= 0
            memory.give_back(10)
        return is_taken

    with ThreadPoolExecutor(8) as threads:
        assert any(threads.map(take_and_give_back, range(2000)))
    assert memory.free_bytes == 50
