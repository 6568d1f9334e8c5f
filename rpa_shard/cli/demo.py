"""The demo: the complete pipeline on generated papers, from a mirror on loopback.

Guarantee: needs no network, touches only its own folder, ends by itself, and leaves no process behind. Limit: its
papers are small, so its rates say nothing about real ones.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from rpa_shard.cli.output import SOME_FAILED, print_lines
from rpa_shard.maintain.verify import verify
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.errors import StoreError
from rpa_shard.observe.health import Level, check_folder, lines, worst
from rpa_shard.phases.files import files_of
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.system.program import program
from rpa_shard.testing.llm_mirror import MODEL, LlmMirrorProcess
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import demo_collection, write_collection

# So that models can be seen at work.
LATENCY_SECONDS = 0.2
_MARKER = ".made-by-rpa-shard-demo"


def run_demo(root: Path, papers: int, layout: Layout, say: Callable[[str], None], *, analyze: bool = False) -> int:
    """Runs the demo in the folder `root`, made afresh; returns the exit code. Raises StoreError.

    With `analyze` papers are analyzed and wrapped too.
    """
    _make_fresh(root)
    collection = demo_collection(papers)
    write_collection(root / "mirror", collection)
    with open_ledger(DataFolder(root), layout) as ledger:
        ledger.add(collection.pdfs)
    with ExitStack() as opened:
        mirror = opened.enter_context(MirrorProcess(root / "mirror"))
        say(f"{len(collection.pdfs)} papers queued in {root}, a mirror serves them at {mirror.url}")
        knobs = {"RPA_V2_DATA_DIR": str(root), "RPA_V2_SOURCES": f"{mirror.url}/pdf/{{id}}"}
        if analyze:
            endpoint = opened.enter_context(LlmMirrorProcess(latency_seconds=LATENCY_SECONDS))
            say(f"made-up answers about them come from {endpoint.base_url}")
            knobs |= {
                "RPA_V2_PHASES": "prep,analyze,wrap",
                "RPA_V2_LLM_ENDPOINTS": f"{endpoint.base_url} models={MODEL}",
            }
        code = _run(root, knobs)
    if code not in (0, SOME_FAILED):
        return code
    with open_ledger(DataFolder(root)) as ledger:
        recount = verify(DataFolder(root), ledger)
    folder = shlex.quote(str(root))
    first = files_of(Path(folder) / "papers", from_canonical(next(iter(collection.pdfs))))
    print_lines(
        [
            *recount.lines(),
            f"try this  RPA_V2_DATA_DIR={folder} {program()} show {next(iter(collection.pdfs))}",
            f"          less {first.report if analyze else first.text}",
        ]
    )
    # One broken and one missing paper are part of the demo, so it should end with failed papers.
    return 0 if recount.clean else 1


def _make_fresh(root: Path) -> None:
    if root.exists() and not (root / _MARKER).exists():
        raise StoreError(f"{root} exists and was not made by the demo: move it or give --folder")
    try:
        shutil.rmtree(root, ignore_errors=True)
        (root / "mirror").mkdir(parents=True)
        (root / _MARKER).touch()
    except OSError as error:
        raise StoreError(f"{root} cannot be made: {error.strerror}") from None


def _run(root: Path, knobs: Mapping[str, str]) -> int:
    """The real command, in a process of its own, and then the health check."""
    environment = {**os.environ, **knobs}
    with subprocess.Popen([sys.executable, "-m", "rpa_shard", "run"], env=environment) as running:
        try:
            code = running.wait()
        except KeyboardInterrupt:
            return running.wait()  # it got the Ctrl-C too, and drains
    checks = check_folder(root)
    print_lines([f"health    {worst(checks).name}", *(f"  {line}" for line in lines(checks))])
    return 1 if worst(checks) is Level.CRITICAL else code
