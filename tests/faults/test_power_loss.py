"""What is reported as `prepped` is on disk: the order of writes, flushes and renames, from a system call trace."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from rpa_shard.model.arxiv_id import parse
from rpa_shard.phases.files import files_of
from rpa_shard.store.sqlite.files import SQLiteFiles
from tests.rig import Rig

CALLS = "fsync,fdatasync,rename,renameat,renameat2,write,pwrite64"
_LINE = re.compile(r"^(?P<pid>\d+) +(?P<rest>.*)$")
_RESUMED = re.compile(r"^<\.\.\. (?P<name>\w+) resumed>(?P<end>.*)$")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call: its text, and the lines of the record at which it began and had ended."""

    text: str
    begun: int
    ended: int


def calls_of(record: str) -> Iterator[Call]:
    """The calls that succeeded, in the order in which they ended."""
    open_calls: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(record.splitlines()):
        found = _LINE.match(line)
        if found is None:
            continue
        pid, rest = found["pid"], found["rest"]
        begun = number
        if rest.endswith("<unfinished ...>"):
            open_calls[pid] = (rest, number)
            continue
        if resumed := _RESUMED.match(rest):
            start, begun = open_calls.pop(pid, ("", number))
            rest = start.removesuffix("<unfinished ...>") + resumed["end"]
        if " = -1 " not in rest:
            yield Call(rest, begun, number)


def record(rig: Rig, to: Path, *arguments: str) -> list[Call]:
    """A whole command under strace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: `apt-get install strace`")
    command = ["strace", "-f", "-qq", "-y", "-s", "20000", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(to)]
    done = subprocess.run(
        [*command, sys.executable, "-m", "rpa_shard", *arguments], env=rig.environment, capture_output=True, text=True
    )
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode in (0, 1), done.stderr
    return list(calls_of(to.read_text(errors="replace")))


def first(calls: list[Call], *parts: str, after: int = -1) -> Call:
    """The first call that begins after a line and holds all the parts."""
    found = next((call for call in calls if call.begun > after and all(part in call.text for part in parts)), None)
    assert found is not None, parts
    return found


def assert_in_order(paper_id: str, steps: dict[str, Call]) -> None:
    ordered = list(steps.items())
    for (name, step), (next_name, following) in pairwise(ordered):
        assert step.ended < following.begun, f"{paper_id}: {name} must be over before {next_name}"


def test_a_paper_becomes_prepped_once_it_is_on_disk(rig: Rig, tmp_path: Path) -> None:
    rig.environment["RPA_V2_SHARD_COUNT"] = "1"
    papers = ["2401.00001", "2401.00002", "hep-th/9901005", "2401.00007"]
    rig.run("add", *papers)
    calls = record(rig, tmp_path / "record", "run")
    for paper_id, row in rig.rows().items():
        assert row.status == "prepped"
        files = files_of(rig.folder.papers, parse(paper_id))
        renamed = {
            name: first(calls, "rename", f'"{path}"')
            for name, path in (("pdf", files.pdf), ("text", files.text), ("record", files.record))
        }
        steps = {}
        for name, call in renamed.items():
            temporary = call.text.split('"')[1]
            steps[f"the flush of the {name}"] = first(calls, "fsync", f"<{temporary}>")
            steps[f"the name of the {name}"] = call
        steps["the flush of its folder"] = first(
            calls, "fsync", f"<{files.record.parent}>", after=renamed["record"].ended
        )
        steps["the write of its row"] = first(calls, "pwrite64", "-wal>", row.results["prep"]["record_sha256"])
        steps["the flush of its row"] = first(calls, "sync", "-wal>", after=steps["the write of its row"].ended)
        steps["the word of it"] = first(calls, "write(2<", f"PREP DONE arxiv_id={paper_id} ")
        assert_in_order(paper_id, steps)


def test_a_paper_that_was_finished_by_a_process_that_died_is_on_disk_too(rig: Rig, tmp_path: Path) -> None:
    """Its files were complete, but their names were not yet on disk when the process died."""
    rig.environment |= {
        "RPA_V2_SHARD_COUNT": "1",
        "RPA_SHARD_FAILPOINTS": "sync_folder=kill",
        "RPA_SHARD_FAILPOINTS_ONCE": str(tmp_path),
    }
    rig.run("add", "2401.00001")
    calls = record(rig, tmp_path / "record", "run")
    assert (tmp_path / "sync_folder").exists()
    row = rig.rows()["2401.00001"]
    files = files_of(rig.folder.papers, parse("2401.00001"))
    renamed = first(calls, "rename", f'"{files.record}"')
    written = first(calls, "pwrite64", "-wal>", row.results["prep"]["record_sha256"])
    for folder in (files.record.parent, rig.folder.papers, rig.root):
        flushed = first(calls, "fsync", f"<{folder}>", after=renamed.ended)
        assert flushed.ended < written.begun, folder


def test_the_layout_is_on_disk_before_a_paper_is_added(rig: Rig, tmp_path: Path) -> None:
    calls = record(rig, tmp_path / "record", "add", "2401.00001")
    manifest = first(calls, "rename", f'"{SQLiteFiles(rig.folder.root).manifest_file}"')
    said = first(calls, "write(1<", "added 1")
    steps = {
        "the flush of the manifest": first(calls, "fsync", f"<{manifest.text.split(chr(34))[1]}>"),
        "the name of the manifest": manifest,
        "the flush of its folder": first(calls, "fsync", f"<{rig.root}>", after=manifest.ended),
        "the write of the row": first(calls, "pwrite64", "-wal>", "2401.00001", after=manifest.ended),
    }
    steps["the flush of the row"] = first(calls, "sync", "-wal>", after=steps["the write of the row"].ended)
    steps["the word of it"] = said
    assert_in_order("add", steps)
    first(calls, "sync(", f"<{SQLiteFiles(rig.folder.root).shard_file(0).parent}>")  # the names of the shard files
