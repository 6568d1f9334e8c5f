"""Every command, the health check and run.sh under odd terminals, limits and users: one line, or the right result."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.terminals import (
    BROKEN_PIPE,
    EXAMPLES,
    HEALTH_CHECK,
    HEALTH_UNKNOWN,
    MONITORING,
    READING,
    REFUSED,
    REPOSITORY,
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


def test_every_command_is_tried() -> None:
    assert set(EXAMPLES) == set(commands()), "a new command needs an example here"
    assert set(READING) | set(WRITING) | set(REFUSED) | {"retry", "redo", "remove", *SERVING} == set(commands())


# Closed: the caller wants none of it. What is lost otherwise is said, where it still can be.
STREAMS: dict[str, dict[str, str]] = {
    "no output": {"1": "closed"},
    "no errors": {"2": "closed"},
    "no input": {"0": "closed"},
    "nothing": {"0": "closed", "1": "closed", "2": "closed"},
    "a full disk for errors": {"2": "/dev/full"},
    "a reader of errors that is gone": {"2": "gone"},
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_that_nobody_wants_change_nothing(bench: Bench, usual: dict[str, Done], name: str) -> None:
    streams = STREAMS[name]
    for command in commands():
        done = bench.run(command, fresh(bench), to=streams)
        assert_in_order(done, f"{command}, {name}")
        code, output, errors = comparable(usual[command])
        if command == "export" and "1" in streams:
            code, errors = WRONG_USAGE, "rpa-shard: standard output cannot be written: Bad file descriptor\n"
        expected = (code, [] if "1" in streams else output, "" if "2" in streams else errors)
        if command == "chaos":  # its temporary folder has another name each time
            assert done.code == code
        else:
            assert comparable(done) == expected, f"{command}, {name}"


@pytest.mark.parametrize("errors", [{}, {"2": "/dev/full"}], ids=["output", "both"])
def test_output_for_a_full_disk_is_one_line(bench: Bench, usual: dict[str, Done], errors: dict[str, str]) -> None:
    for command in commands():
        done = bench.run(command, fresh(bench), to={"1": "/dev/full", **errors})
        assert done.output == ""
        assert done.code == (HEALTH_UNKNOWN if command in MONITORING else WRONG_USAGE), (command, done)
        said = "" if errors else "standard output cannot be written: No space left on device"
        if command in REFUSED:
            said = "" if errors else usual[command].errors[:20]
        assert said in done.errors, (command, done)
        # Messages about single papers come before.
        assert_in_order(Done(done.code, "", "".join(done.errors.splitlines(keepends=True)[-1:])), command)


def test_output_that_nobody_reads_ends_quietly(bench: Bench, usual: dict[str, Done]) -> None:
    for command in commands():
        done = bench.run(command, fresh(bench), to={"1": "gone"})
        if command in REFUSED:
            assert done.code == usual[command].code
            continue
        assert done.code == BROKEN_PIPE, (command, done)
        assert done.errors in ("", "argument 3: nonsense: neither an arXiv id nor the URL or path of a PDF\n")


def test_a_working_folder_that_is_gone(bench: Bench, usual: dict[str, Done]) -> None:
    for command in commands():
        done = bench.run(command, fresh(bench), cwd_deleted=True)
        if command == "chaos":
            assert_in_order(done, command)
        else:
            assert comparable(done) == comparable(usual[command]), command
        done = bench.run(command, fresh(bench), cwd_deleted=True, environment={"RPA_V2_DATA_DIR": "data"})
        assert_in_order(done, command)
        assert done.code == (HEALTH_UNKNOWN if command in MONITORING else WRONG_USAGE)
        assert "the working folder does not exist any more" in (done.output if command in MONITORING else done.errors)


def test_few_descriptors(bench: Bench, usual: dict[str, Done]) -> None:
    for command in commands():
        done = bench.run(command, fresh(bench), limits={"NOFILE": 64})
        assert_in_order(done, command)
        if command == "run":
            assert done.code == WRONG_USAGE
            assert "may need 284 file descriptors, but `ulimit -Hn` is 64" in done.errors
        elif command != "chaos":
            assert comparable(done) == comparable(usual[command]), command


def test_many_shards_and_few_descriptors(bench: Bench) -> None:
    folder = bench.root / "many"
    many = {"RPA_V2_SHARD_COUNT": "60"}
    assert bench.run("add", folder, arguments=["2401.00001", "2401.00002"], environment=many).code == 0
    for command in ("status", "verify", "plan", "export"):
        done = bench.run(command, folder, arguments=EXAMPLES[command][:2] if command == "export" else [],
                         limits={"NOFILE": 64}, environment=many)  # fmt: skip
        assert done.code == 0, (command, done)


@pytest.mark.parametrize(
    "odd",
    [
        {"encoding": "ascii"},
        {"encoding": "latin-1"},
        {"environment": {"TMPDIR": "/nowhere", "COLUMNS": "0", "LINES": "-1", "TERM": "nonsense", "HOME": "/nowhere"}},
        {"environment": {"TMPDIR": "/dev/null", "COLUMNS": "1", "LC_ALL": "tlh_KX.UTF-8", "TZ": "nowhere", "HOME": ""}},
    ],
    ids=["ascii", "latin-1", "environment", "another environment"],
)
def test_terminals_and_environments(bench: Bench, usual: dict[str, Done], odd: dict[str, Any]) -> None:
    for command in commands():
        done = bench.run(command, fresh(bench), **odd)
        assert_in_order(done, command)
        if command != "chaos" and "encoding" not in odd:
            assert comparable(done) == comparable(usual[command]), command
        assert done.code == usual[command].code


# What Python itself meets at its start, or run.sh: these are started for real.
SHELL = {
    "closed": "exec {command} >&-",
    "all closed": "exec {command} <&- >&- 2>&-",
    "full": "exec {command} >/dev/full",
    "few descriptors": "ulimit -n 64; exec {command}",
    "gone": "mkdir gone; cd gone; rmdir ../gone; exec {command}",
    "C": "LC_ALL=C exec {command}",
    "bare ascii": "LC_ALL=POSIX PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 exec {command}",
    "ascii output": "PYTHONIOENCODING=ascii exec {command}",
    "optimized": "PYTHONOPTIMIZE=2 exec {command}",
    "a path for cd": "CDPATH=/ exec {command}",
    "unbuffered": "PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 exec {command}",
    "nearly no environment": 'exec env -i RPA_V2_DATA_DIR="$RPA_V2_DATA_DIR" PATH="$PATH" {command}',
    "another Python's home": "PYTHONHOME=/nowhere exec {command}",
    "a module of the same name": "echo 'raise OSError' >json.py; cp json.py logging.py; exec {command}",
}
NEEDS_RUN_SH = ("another Python's home", "a module of the same name")


def of_shell(bench: Bench, name: str, command: str) -> Done:
    folder = Path(tempfile.mkdtemp(dir=bench.root))
    environment = {each: value for each, value in os.environ.items() if not each.startswith(("RPA_V2_", "PYTHON"))}
    done = subprocess.run(
        ["sh", "-c", SHELL[name].format(command=command)],
        env=environment | {"RPA_V2_DATA_DIR": str(fresh(bench))},
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


WAYS = [
    (way, name)
    for way in ("run.sh", "python", HEALTH_CHECK)
    for name in SHELL
    if way == "run.sh" or name not in NEEDS_RUN_SH
]


@pytest.mark.parametrize(("way", "name"), WAYS)
def test_started_for_real(bench: Bench, usual: dict[str, Done], way: str, name: str) -> None:
    if way == "run.sh" and Path(sys.prefix) != REPOSITORY / ".venv":
        pytest.skip("run.sh would set up an environment of its own")
    command = {
        "run.sh": f"{shlex.quote(str(REPOSITORY / 'run.sh'))} status",
        "python": f"{shlex.quote(sys.executable)} -m rpa_shard status",
        HEALTH_CHECK: f"{shlex.quote(sys.executable)} {shlex.quote(str(REPOSITORY / 'scripts' / 'healthcheck.py'))}",
    }[way]
    done = of_shell(bench, name, command)
    expected = comparable(usual[HEALTH_CHECK if way == HEALTH_CHECK else "status"])
    # bash says this before the first line of the script.
    errors = [each for each in done.errors.splitlines() if not each.startswith("shell-init: ")]
    assert_in_order(Done(done.code, done.output, "\n".join(errors)), name)
    if name == "full":
        assert done.code == (HEALTH_UNKNOWN if way == HEALTH_CHECK else WRONG_USAGE)
        return
    assert done.code == expected[0], done
    assert comparable(done)[1] == ([] if "closed" in name else expected[1]), done
    assert errors == []


@pytest.mark.parametrize("pool", ["thread", "process"])
@pytest.mark.parametrize("name", ["nothing", "a full disk for both"])
def test_a_run_needs_no_terminal(bench: Bench, pool: str, name: str) -> None:
    """Nor a working folder: shards and extraction children start without."""
    streams = {**STREAMS, "a full disk for both": {"1": "/dev/full", "2": "/dev/full"}}[name]
    folder = bench.root / f"run {name} {pool}"
    assert bench.run("add", folder, arguments=["{pdf}"]).code == 0
    done = bench.run("run", folder, to=streams, cwd_deleted=True, environment={"RPA_V2_PREP_EXTRACT_POOL": pool})
    assert done == Done(0 if name == "nothing" else WRONG_USAGE, "", "")
    verified = bench.run("verify", folder)
    assert (verified.code, verified.output.splitlines()[0][:31]) == (0, "verify    1 papers (1 prepped),")


def test_a_list_from_input_that_is_closed(bench: Bench) -> None:
    for command in ("add", "plan"):
        done = bench.run(command, fresh(bench), arguments=["--file", "-"], to={"0": "closed"})
        assert done == Done(WRONG_USAGE, "", "rpa-shard: -: Bad file descriptor\n")


@pytest.mark.parametrize("odd", ["--help", "--version", "status --help", "nonsense", "status --nonsense", ""])
def test_help_and_mistakes(bench: Bench, odd: str) -> None:
    for streams in ({"1": "/dev/full"}, {"1": "gone"}, {"1": "closed"}, {"2": "closed"}, {"2": "/dev/full"}):
        name, *rest = odd.split() or ["add"]
        done = bench.run(name, fresh(bench), arguments=rest, to=streams)
        assert_in_order(done, f"{odd} {streams}")
        if "help" in odd or "version" in odd:
            codes = {"/dev/full": WRONG_USAGE, "gone": BROKEN_PIPE, "closed": 0}
            assert done.code == (codes[streams["1"]] if "1" in streams else 0), (odd, streams, done)
        else:
            assert done.code == WRONG_USAGE
            assert bool(done.errors) == ("2" not in streams)
