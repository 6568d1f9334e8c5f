"""Files of questions: how they are divided, and where they are not written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.observe import batch_files
from rpa_shard.observe.batch_files import write_batch
from rpa_shard.observe.export import ExportError
from rpa_shard.store.data_folder import DataFolder


@given(sizes=st.lists(st.integers(1, 30), max_size=30), most=st.integers(1, 5))
def test_every_question_is_in_one_file_and_no_file_is_too_large(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], most: int
) -> None:
    root = tmp_path_factory.mktemp("batch")
    lines = [b"x" * (size - 1) + b"\n" for size in sizes]
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(batch_files, "MAX_BYTES", 40)
        done = write_batch(root / "q.jsonl", iter(lines), DataFolder(root / "data"), force=False, max_requests=most)
    files = sorted(root.glob("q-*.jsonl"))
    assert [each.name for each in files] == [f"q-{number:05}.jsonl" for number in range(done.files)]
    assert b"".join(each.read_bytes() for each in files) == b"".join(lines)
    assert all(0 < each.read_bytes().count(b"\n") <= most and each.stat().st_size <= 40 for each in files)
    assert (done.questions, done.size_bytes) == (len(lines), sum(sizes))
    if len(lines) > most:
        assert done.files > 1, "some of them are in another file"


def test_files_are_not_replaced_unless_they_may_be(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    write_batch(tmp_path / "q.jsonl", [b"1\n", b"2\n"], folder, force=False, max_requests=1)
    with pytest.raises(ExportError, match=r"q-00000\.jsonl exists"):
        write_batch(tmp_path / "q.jsonl", [b"3\n"], folder, force=False)
    write_batch(tmp_path / "q.jsonl", [b"3\n"], folder, force=True)
    assert [each.read_bytes() for each in tmp_path.glob("q-*")] == [b"3\n"], "those of the earlier set are gone"
    for out in (Path("-"), folder.papers / "q.jsonl"):
        with pytest.raises(ExportError):
            write_batch(out, [b"4\n"], folder, force=True)
