"""Runs commands under odd conditions, each in a fork of one warm process, so that hundreds of them take seconds.

Guarantee: a command runs from its arguments to the last flush, with its real descriptors, limits and user. Limit: what
Python meets before our code begins (its own start) is not tried, and its end is imitated, since taking a warm process
apart takes longer than any command; `test_terminals` starts some for real.

Reads a JSON line for each command from standard input, answers with the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import runpy
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import psutil

import rpa_shard
from rpa_shard.cli import main
from rpa_shard.store.sqlite.queries import catalogue_query, query

NOBODY = 65534
# Of the interpreter, for streams that cannot be flushed; and ours.
FLUSH_FAILED, TRACEBACK = 120, 99
REPOSITORY = Path(__file__).parents[1]


def warm_up() -> None:
    """Imports everything, so that forks need not, and need no permission to read it."""
    for each in pkgutil.walk_packages(rpa_shard.__path__, "rpa_shard."):
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
    query("paper"), catalogue_query("metadata")
    for name in ("psutil", "aiohttp.web", "uvloop"):
        importlib.import_module(name)


def arrange(wanted: dict[str, Any]) -> None:
    """Makes this process as the command shall find it."""
    os.environ.update(wanted["environment"])
    for descriptor, name in ((1, "output"), (2, "errors")):
        os.dup2(os.open(wanted[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(wanted["cwd"])
    for descriptor, target in wanted.get("to", {}).items():
        if target == "gone":
            reading, writing = os.pipe()
            os.close(reading)
            os.dup2(writing, int(descriptor))
            os.close(writing)
        elif target != "closed":
            os.dup2(os.open(target, os.O_WRONLY), int(descriptor))
    os.closerange(3, 200)
    if wanted.get("cwd_deleted"):
        gone = Path(wanted["cwd"], f"gone-{os.getpid()}")
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()
    for name, value in wanted.get("limits", {}).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if wanted.get("nobody"):
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    # The interpreter makes its streams anew, as it does at its start.
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if wanted.get("to", {}).get(str(descriptor)) == "closed":
            os.close(descriptor)
            setattr(sys, name, None)
        else:
            mode = "w" if descriptor else "r"
            setattr(sys, name, open(descriptor, mode, encoding=wanted.get("encoding", "utf-8"), closefd=False))  # noqa: SIM115


def run(arguments: list[str]) -> int:
    """The command; returns its exit code."""
    try:
        if arguments[0] == "healthcheck":
            sys.argv = arguments
            runpy.run_path(str(REPOSITORY / "scripts" / "healthcheck.py"), run_name="__main__")
        return main(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        traceback.print_exc()
        return TRACEBACK


def end(code: int) -> NoReturn:
    """As the interpreter ends: it flushes both streams, and complains if that fails."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = FLUSH_FAILED
    os._exit(code)


def interrupt_once_it_serves(pid: int) -> None:
    """Sends Ctrl-C to a server, unless it ends before it serves."""
    process = psutil.Process(pid)
    with suppress(psutil.Error):
        while process.status() != psutil.STATUS_ZOMBIE and not process.net_connections("tcp"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)


def serve() -> None:
    """Answers requests until there are no more."""
    warm_up()
    answers = os.dup(1)
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            arrange(wanted)
            end(run([os.fsdecode(bytes.fromhex(each)) for each in wanted["arguments"]]))
        if wanted.get("serves"):
            interrupt_once_it_serves(pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(answers, f"{code}\n".encode())


if __name__ == "__main__":
    serve()
