"""Commands for papers and runs: `add`, `run`, `status`, `plan`, `resize`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rpa_shard.cli.output import CRASH_LOOP, OK, SOME_FAILED, UsageError, in_columns, print_lines, report, say
from rpa_shard.config.settings import Settings
from rpa_shard.model.errors import StoreError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.layout import Layout

if TYPE_CHECKING:
    from rpa_shard.control.supervisor import RunEnd, Watcher
    from rpa_shard.ipc.shard_report import BackOff
    from rpa_shard.observe.summary import Summary


def add(parsed: argparse.Namespace, settings: Settings) -> int:
    """Queues papers."""
    from rpa_shard.intake.adding import Adder, AddResult
    from rpa_shard.intake.errors import IntakeError
    from rpa_shard.intake.snapshot import Filter

    if not (parsed.ids or parsed.file or parsed.tar or parsed.metadata):
        raise UsageError("add what? give ids, --file F (- for standard input), --tar FILE… or --metadata FILE")
    snapshot_only = (parsed.category, parsed.since, parsed.until, parsed.limit)
    if any(snapshot_only) and not parsed.metadata:
        raise UsageError("--category, --since, --until and --limit select from a snapshot: give --metadata FILE too")
    if parsed.column and not parsed.file:
        raise UsageError("--column chooses a column of a list: give --file F too")
    if parsed.manifest and not parsed.tar:
        raise UsageError("--manifest checks archives: give --tar FILE… too")
    result = AddResult(report)
    wanted = Filter(tuple(parsed.category), parsed.since or "", parsed.until or "")
    layout = Layout(settings.workers, settings.shard_count)
    problem = ""
    try:
        with Adder(DataFolder.of(settings), layout, parsed.priority, result) as adder:
            adder.add_ids(parsed.ids, parsed.file, parsed.column)
            adder.add_archives(parsed.tar, parsed.manifest)
            adder.add_snapshots(parsed.metadata, wanted, parsed.limit)
    except IntakeError as error:
        problem = str(error)
    except KeyboardInterrupt:
        say(f"interrupted: added {result.added} papers so far; the same command again adds the rest")
        raise
    if not problem or result.added or result.known or result.invalid:
        print_lines([f"added {result.added}, already known {result.known}, invalid {result.invalid}"])
    if problem:
        raise UsageError(problem)
    return SOME_FAILED if result.invalid else OK


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Runs until nothing is left to do."""
    if getattr(parsed, "on", None) is not None:
        from rpa_shard.cli.clusters import run_on_ray

        return run_on_ray(parsed, settings)
    from rpa_shard.control.launch import launch, log_folder
    from rpa_shard.observe.summary import Summary, advice_lines, summary_lines
    from rpa_shard.system.logs import Console

    # A bar and log lines would disturb each other.
    bar = parsed.progress == "bar" or (sys.stderr.isatty() and not (parsed.quiet or parsed.verbose or parsed.progress))
    console = None if bar else Console(settings.log_level, settings.log_format == "json")

    def advise() -> None:
        for line in () if parsed.quiet else advice_lines(settings):
            say(line)
        if bar:
            say(f"log lines go to {log_folder(settings)}")

    end = launch(
        settings,
        daemon=parsed.daemon,
        limit=parsed.limit,
        say=say,
        before_work=advise,
        watchers=_watchers(parsed, settings, bar=bar),
        console=console,
    )
    try:
        summary = summary_lines(DataFolder.of(settings), end)
    except StoreError:
        if end is None or end.cause is None:
            raise
        summary = Summary([])  # the cause is the complete message
    figures = _figures(parsed, settings) if end is not None else {}
    if parsed.progress == "json":
        print_lines([json.dumps({"event": "summary", **figures})])
    elif not parsed.quiet:
        print_lines(summary.lines)
    return _exit_code(end, summary)


def _exit_code(end: RunEnd | None, summary: Summary) -> int:
    """The exit code of a run, and why it stopped early, if it did."""
    if end is None:
        return SOME_FAILED if summary.failed else OK
    if end.cause is not None:
        say(f"stopped: {end.cause}")
        return CRASH_LOOP
    if end.refused is not None:
        say(f"papers wait for a model: {end.refused}")
    if end.signal:
        return 128 + end.signal
    return SOME_FAILED if summary.failed or summary.refusing_hosts or end.refused is not None else OK


def _figures(parsed: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """The figures of the run that has ended, also in the file that a person wants them in."""
    from rpa_shard.ipc.run_status import read_status
    from rpa_shard.observe.statistics import statistics
    from rpa_shard.system.files import replace_file

    status = read_status(DataFolder.of(settings).run.status_file)
    figures = statistics(status) if status is not None else {}
    if parsed.stats is not None:
        replace_file(parsed.stats, json.dumps(figures, indent=1).encode() + b"\n", durable=False)
    return figures


def _watchers(parsed: argparse.Namespace, settings: Settings, *, bar: bool) -> list[Watcher]:
    """What shows the progress of a run."""
    from rpa_shard.observe.progress import Bar, JsonLines, Lines

    watchers: list[Watcher] = []
    if parsed.progress == "json":
        watchers.append(JsonLines(sys.stdout))
    elif not parsed.quiet:
        watchers.append(Bar() if bar else Lines())
    if settings.metrics_file is not None:
        from rpa_shard.observe.metrics.textfile import MetricsFile

        watchers.append(MetricsFile(settings.metrics_file, DataFolder.of(settings).disks()))
    return watchers


def status(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows states, failures, rates and leases."""
    from rpa_shard.observe.status import folder_status, lines
    from rpa_shard.store.factory import open_ledger

    folder = DataFolder.of(settings)
    with open_ledger(folder) as ledger:
        found = folder_status(folder, ledger, settings)
    print_lines([json.dumps(found.as_json())] if parsed.json else in_columns(lines(found)))
    return OK


def plan(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows what a run would have to fetch, from where and how long that takes."""
    from rpa_shard.intake.errors import IntakeError
    from rpa_shard.intake.id_lines import ids_of
    from rpa_shard.observe.hosts import known_hosts
    from rpa_shard.observe.plan import lines
    from rpa_shard.observe.plan import plan as make_plan
    from rpa_shard.phases.finished import ids_to_fetch, mean_pdf_bytes
    from rpa_shard.store.factory import engine_of

    folder = DataFolder.of(settings)
    engine = engine_of(folder)
    invalid: list[str] = []
    back_offs: Mapping[str, BackOff] = {}
    with ExitStack() as opened:
        catalogue = opened.enter_context(engine.open_catalogue())
        mean_bytes = None
        if engine.stored_layout() is not None or not parsed.file:
            ledger = opened.enter_context(engine.open_ledger())
            mean_bytes = mean_pdf_bytes(ledger)
            ids = ids_to_fetch(ledger, folder.papers)
        if parsed.file:
            ids = ids_of((), parsed.file, invalid.append, parsed.column)
        else:
            back_offs = ledger.counts().back_offs
        try:
            planned = make_plan(ids, settings, known_hosts(folder, settings), catalogue, mean_bytes)
        except IntakeError as error:
            raise UsageError(str(error)) from None
    print_lines(in_columns(lines(planned, settings, back_offs, measured=mean_bytes is not None)))
    for line in invalid:
        say(line)
    return SOME_FAILED if invalid else OK


def resize(parsed: argparse.Namespace, settings: Settings) -> int:
    """Gives a living run, or a node of one, another number of shards."""
    if parsed.node is not None:
        from rpa_shard.control.nodes.asking import resize as ask_node

        print_lines([ask_node(settings, parsed.node, parsed.shards)])
        return OK
    from rpa_shard.control.resizing import resize as ask_for

    print_lines([ask_for(DataFolder.of(settings), parsed.shards)])
    return OK
