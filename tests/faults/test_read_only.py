"""A data folder that may only be read: reading commands give the right result, the others one line."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.terminals import (
    READING,
    SERVING,
    WRITING,
    WRONG_USAGE,
    Bench,
    Done,
    assert_in_order,
    commands,
    comparable,
    fresh,
)


def made_read_only(folder: Path) -> dict[str, Any]:
    """How to be somebody who may read but not write in `folder`."""
    if os.geteuid() == 0:
        return {"nobody": True}
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    return {}


def assert_readable(bench: Bench, usual: dict[str, Done], folder: Path, who: dict[str, Any]) -> None:
    for command in commands():
        done = bench.run(command, folder, **who)
        assert_in_order(done, command)
        if command in READING or command in {*SERVING, "demo", "resize"}:
            usually = comparable(usual[command])
            shown = [each.replace(str(folder), str(bench.root / "data")) for each in comparable(done)[1]]
            assert (done.code, shown) == usually[:2], (command, done)
        elif command in WRITING:
            assert done.code == WRONG_USAGE, (command, done)
            assert "cannot be opened: " in done.errors
    for arguments in (["retry"], ["redo", "--all"], ["remove", "--all"], ["remove", "--all", "--files"]):
        done = bench.run(arguments[0], folder, arguments=arguments[1:], **who)
        assert (done.code, "may only be read here" in done.errors) == (WRONG_USAGE, True), done
    done = bench.run("verify", folder, arguments=["--fix"], **who)
    assert (done.code, done.errors) == (0, "")


def test_a_folder_that_may_only_be_read(bench: Bench, usual: dict[str, Done]) -> None:
    folder = fresh(bench)
    who = made_read_only(folder)
    try:
        assert_readable(bench, usual, folder, who)
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


def test_a_file_system_that_may_only_be_read(bench: Bench, usual: dict[str, Done]) -> None:
    folder = bench.root / "mounted"
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "--bind", fresh(bench), folder], capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("may not mount here")
    try:
        if subprocess.run(["mount", "-o", "remount,ro,bind", folder], capture_output=True).returncode:
            pytest.skip("may not mount read-only here")
        assert_readable(bench, usual, folder, {})
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_folder_that_may_only_be_read_while_somebody_writes(bench: Bench) -> None:
    """What is in SQLite's log counts, whether its index is there or the folder was copied without it."""
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    folder = fresh(bench)
    shards = [folder / "shards" / f"shard-00{number}.sqlite3" for number in range(2)]
    with ExitStack() as opened:
        for each in shards:
            connection = opened.enter_context(closing(sqlite3.connect(each, isolation_level=None)))
            connection.execute("UPDATE papers SET priority = 7, failure = 'gone' WHERE status = 'failed'")
        done = bench.run("status", folder, nobody=True)
        assert (done.code, done.errors) == (0, "")
        assert "gone" in done.output
        copy = bench.root / "copied"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    done = bench.run("status", copy, nobody=True)
    assert_in_order(done, "status of a copy")
    assert (done.code, "copy both there" in done.errors) == (WRONG_USAGE, True), done
    assert "gone" in bench.run("status", copy).output


def test_papers_that_may_not_be_read(bench: Bench) -> None:
    """They are not called damaged, and nothing is done about them."""
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    folder = fresh(bench)
    for each in folder.rglob("*.txt"):
        each.chmod(0o600)
    for options in ([], ["--fix"]):
        done = bench.run("verify", folder, arguments=options, nobody=True)
        assert (done.code, done.errors) == (1, "")
        assert ".txt: may not be read; nothing says that it is damaged" in done.output
    for command, code in (("status", 0), ("show", 0), ("export", 1)):
        done = bench.run(command, folder, nobody=True)
        assert_in_order(done, command)
        assert done.code == code, done
    assert bench.run("verify", folder).code == 0
