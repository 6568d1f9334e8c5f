"""Files of questions and of answers: how they are divided, where they are not written, what is no answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.maintain.answer_file import AnswerFile
from rpa_shard.model.errors import StoreError
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


def test_a_file_of_answers_by_paper(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    papers = ["2401.00001", "https://example.org/a/b.pdf", "2401.00001"]
    lines = [json.dumps({"custom_id": f"{number:064x}/{each}", "error": "x"}) for number, each in enumerate(papers)]
    path.write_text("\n".join(["nonsense", *lines, "", "{}"]))
    found = AnswerFile(path)
    assert found.papers == papers[:2]
    assert [each.key[-1] for each in found.lines_of("2401.00001")] == ["0", "2"]
    assert [each.key[-1] for each in found.lines_of(papers[1])] == ["1"]
    assert list(found.lines_of("2401.00009")) == []
    assert (found.unreadable, found.first_problem) == (2, "line 1: no JSON")


@pytest.mark.parametrize(("content", "why"), [("", "it is empty"), ('{"custom_id": "request-1"}\n', "line 1: ")])
def test_files_without_answers(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(StoreError, match=f"holds no answers to questions .*: {why}"):
        AnswerFile(tmp_path / "a.jsonl")
    with pytest.raises(StoreError, match="No such file"):
        AnswerFile(tmp_path / "b.jsonl")
