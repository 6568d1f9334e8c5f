"""The commands, and nothing but the commands: what each takes, what it prints, how it exits.

Guarantee: a person's mistake ends in one line on standard error and exit code 2, never in a traceback. Limit: no work
is done here; each command calls the module that does it, and imports it only then, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from rpa_shard.cli.arguments import parser
from rpa_shard.config.settings import Settings, SettingsError
from rpa_shard.model.arxiv_id import InvalidIdError, PaperId, parse
from rpa_shard.model.failure import Failure
from rpa_shard.store.folder import DataFolder, Layout, StoreError

OK, SOME_FAILED, WRONG_USAGE, CRASH_LOOP = 0, 1, 2, 3

Handler = Callable[[argparse.Namespace, Settings], int]


class UsageError(Exception):
    """The person asked for something impossible; the message is one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, "run")
    parsed = parser().parse_args(given)
    environment = dict(os.environ)
    if getattr(parsed, "shards", None) is not None:
        environment["RPA_V2_SHARD_COUNT"] = str(parsed.shards)
    try:
        return _HANDLERS[parsed.command](parsed, Settings.from_environment(environment))
    except (SettingsError, StoreError, UsageError) as error:
        print(f"rpa-shard: {error}", file=sys.stderr)
        return WRONG_USAGE
    except BrokenPipeError:
        # Whoever read our output has enough; keep the interpreter from complaining when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except KeyboardInterrupt:
        return 128 + 2


def add(parsed: argparse.Namespace, settings: Settings) -> int:
    """Queues papers."""
    from rpa_shard.intake.adding import Adder, Tally
    from rpa_shard.intake.id_lines import IntakeError
    from rpa_shard.intake.snapshot import Filter

    if not (parsed.ids or parsed.file or parsed.tar or parsed.metadata):
        raise UsageError("add what? give ids, --file F (- for standard input), --tar FILE… or --metadata FILE")
    snapshot_only = (parsed.category, parsed.since, parsed.until, parsed.limit)
    if any(snapshot_only) and not parsed.metadata:
        raise UsageError("--category, --since, --until and --limit choose from a snapshot: give --metadata FILE, too")
    if parsed.manifest and not parsed.tar:
        raise UsageError("--manifest checks archives: give --tar FILE…, too")
    tally = Tally(lambda line: print(line, file=sys.stderr))
    wanted = Filter(tuple(parsed.category), parsed.since or "", parsed.until or "")
    layout = Layout(settings.workers, settings.shard_count)
    try:
        with Adder(DataFolder(settings.data_dir), layout, parsed.priority, tally) as adder:
            adder.add_ids(parsed.ids, parsed.file)
            adder.add_archives(parsed.tar, parsed.manifest)
            if parsed.metadata:
                adder.add_snapshot(parsed.metadata, wanted, parsed.limit)
    except IntakeError as error:
        raise UsageError(str(error)) from None
    print(f"added {tally.added}, already known {tally.known}, invalid {tally.invalid}")
    return SOME_FAILED if tally.invalid else OK


def run(parsed: argparse.Namespace, settings: Settings) -> int:
    """Runs until nothing is left to do."""
    from rpa_shard.control.launch import launch, log_folder
    from rpa_shard.observe.summary import Summary, advice_lines, summary_lines

    for line in advice_lines(settings):
        _say(line)
    if sys.stderr.isatty():
        _say(f"log lines go to {log_folder(settings)}")
    end = launch(settings, daemon=parsed.daemon, say=_say)
    try:
        summary = summary_lines(DataFolder(settings.data_dir), end)
    except StoreError:
        if end is None or end.cause is None:
            raise
        summary = Summary([])  # what stopped the run says it all
    _print(summary.lines)
    if end is not None and end.cause is not None:
        _say(f"stopped: {end.cause}")
        return CRASH_LOOP
    if end is not None and end.signal:
        return 128 + end.signal
    return SOME_FAILED if summary.failed or (end is not None and summary.refusing_hosts) else OK


def status(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows states, failures, rates and leases."""
    from rpa_shard.observe.status import folder_status, lines
    from rpa_shard.store.sqlite.ledger import open_ledger

    with open_ledger(DataFolder(settings.data_dir)) as ledger:
        found = folder_status(ledger)
    _print([json.dumps(found.as_json())] if parsed.json else lines(found))
    return OK


def verify(parsed: argparse.Namespace, settings: Settings) -> int:
    """Recounts the store against the files."""
    from rpa_shard.maintain.verify import verify as recount
    from rpa_shard.store.sqlite.ledger import open_ledger

    with open_ledger(DataFolder(settings.data_dir)) as ledger:
        found = recount(ledger, hashes=parsed.hashes, fix=parsed.fix)
    _print([json.dumps(found.as_json())] if parsed.json else found.lines())
    return OK if found.clean else SOME_FAILED


def repair(parsed: argparse.Namespace, settings: Settings) -> int:
    """Rebuilds shard files that are damaged."""
    from rpa_shard.maintain.repair import repair as repair_folder

    done = repair_folder(DataFolder(settings.data_dir), _say)
    _print(done.lines())
    return OK if done.complete else SOME_FAILED


def retry(parsed: argparse.Namespace, settings: Settings) -> int:
    """Puts failed papers back to pending."""
    from rpa_shard.store.sqlite.ledger import open_ledger

    ids = [_paper(text).canonical for text in parsed.ids] or None
    with open_ledger(DataFolder(settings.data_dir)) as ledger:
        moved = ledger.retry(ids, Failure(parsed.reason) if parsed.reason else None)
    _print([f"back to pending: {len(moved)}"])
    for each in ids or []:
        if each not in moved:
            _say(f"{each}: not failed{f' with {parsed.reason}' if parsed.reason else ''}, left as it is")
    return OK


def plan(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows what a run would have to fetch, from where and how long that takes."""
    from rpa_shard.intake.id_lines import IntakeError, ids_of
    from rpa_shard.observe.plan import lines
    from rpa_shard.observe.plan import plan as make_plan
    from rpa_shard.store.sqlite.catalogue import open_catalogue
    from rpa_shard.store.sqlite.ledger import open_ledger

    folder = DataFolder(settings.data_dir)
    invalid: list[str] = []
    with ExitStack() as opened:
        catalogue = opened.enter_context(open_catalogue(folder))
        mean_pdf_bytes = None
        if folder.read_manifest() is not None or not parsed.file:
            ledger = opened.enter_context(open_ledger(folder))
            mean_pdf_bytes = ledger.mean_pdf_bytes()
            ids = ledger.ids_to_do()
        if parsed.file:
            ids = ids_of((), parsed.file, invalid.append)
        try:
            planned = make_plan(ids, settings, catalogue, mean_pdf_bytes)
        except IntakeError as error:
            raise UsageError(str(error)) from None
    _print(lines(planned, settings, measured=mean_pdf_bytes is not None))
    for line in invalid:
        _say(line)
    return SOME_FAILED if invalid else OK


def hosts(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows governed hosts, or asks for one to be opened again."""
    from rpa_shard.config.host_policy import plain_host
    from rpa_shard.observe.hosts import host_lines, reopen

    folder = DataFolder(settings.data_dir)
    if parsed.reopen:
        _print([reopen(folder, plain_host(parsed.reopen))])
    else:
        _print(host_lines(folder, settings))
    return OK


def failures(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows every failure class and what follows from it."""
    from rpa_shard.model.retry import table_lines

    _print(table_lines())
    return OK


def resize(parsed: argparse.Namespace, settings: Settings) -> int:
    """Gives a living run another number of shards."""
    from rpa_shard.control.resizing import resize as ask_for

    Settings.from_environment({**os.environ, "RPA_V2_SHARD_COUNT": str(parsed.shards)})
    _print([ask_for(DataFolder(settings.data_dir), parsed.shards)])
    return OK


def show(parsed: argparse.Namespace, settings: Settings) -> int:
    """Shows one paper."""
    from rpa_shard.observe.show import NotShownError, show_clean
    from rpa_shard.observe.show import show as show_paper
    from rpa_shard.store.sqlite.ledger import open_ledger

    with open_ledger(DataFolder(settings.data_dir)) as ledger:
        try:
            _print((show_clean if parsed.clean else show_paper)(ledger, _paper(parsed.id).canonical))
        except NotShownError as error:
            raise UsageError(str(error)) from None
    return OK


def export(parsed: argparse.Namespace, settings: Settings) -> int:
    """Writes one record for every paper."""
    from rpa_shard.observe.export import ExportError, Texts
    from rpa_shard.observe.export import export as export_papers
    from rpa_shard.store.sqlite.ledger import open_ledger

    with open_ledger(DataFolder(settings.data_dir)) as ledger:
        try:
            texts = Texts(parsed.text, parsed.clean)
            done = export_papers(ledger, parsed.out, format=parsed.format, what=parsed.what, texts=texts)
        except ExportError as error:
            raise UsageError(str(error)) from None
    damaged = f", {done.damaged} with missing or damaged files: see `verify`" if done.damaged else ""
    rows = f", {done.rows} references" if done.rows != done.papers else ""
    _say(f"exported {done.papers} papers{rows} to {parsed.out}, {done.size_bytes} bytes{damaged}")
    return SOME_FAILED if done.damaged else OK


def mirror(parsed: argparse.Namespace, settings: Settings) -> int:
    """Serves a folder of PDFs as arXiv does."""
    from rpa_shard.testing.faults import parse_faults
    from rpa_shard.testing.mirror import Behaviour, MirrorError, serve

    def announce(url: str) -> None:
        _print(
            [
                f"serving {parsed.folder} at {url}/pdf/<id>, until Ctrl-C",
                f"queue all of it:   curl -s {url}/ids | ./run.sh add --file -",
                f"and run against it: RPA_V2_SOURCES='{url}/pdf/{{id}}' ./run.sh",
            ]
        )

    try:
        behaviour = Behaviour(parse_faults(parsed.faults, parsed.seed), parsed.log)
        serve(parsed.folder, parsed.host, parsed.port, announce, behaviour)
    except (MirrorError, ValueError) as error:
        raise UsageError(str(error)) from None
    return OK


def demo(parsed: argparse.Namespace, settings: Settings) -> int:
    """Runs the whole pipeline on papers made here."""
    from rpa_shard.cli.demo import run_demo

    layout = Layout(settings.workers, settings.shard_count)
    return run_demo(parsed.folder.absolute(), parsed.papers, layout, _say)


def chaos(parsed: argparse.Namespace, settings: Settings) -> int:
    """Beats a run of its own, and holds it to the promise."""
    from rpa_shard.chaos.harness import DEFAULT_FAULTS, Chaos, Plan, lines

    seed = parsed.seed if parsed.seed is not None else int.from_bytes(os.urandom(4), "big")
    papers = parsed.papers or max(400, 40 * parsed.kills)
    _say(f"seed {seed}: {papers} papers, {parsed.kills} kills")
    root = Path(tempfile.mkdtemp(prefix="rpa-shard-chaos-", dir=parsed.folder))
    try:
        faults = DEFAULT_FAULTS if parsed.faults is None else parsed.faults
        report = Chaos(Plan(seed, papers, parsed.kills, parsed.minutes, faults), root, _say).run()
    except ValueError as error:
        raise UsageError(str(error)) from None
    _print(lines(report))
    if report.violations:
        _say(f"the promise is broken: everything is kept in {root}; again: chaos --seed {seed}")
        return SOME_FAILED
    shutil.rmtree(root)
    return OK


def _paper(text: str) -> PaperId:
    try:
        return parse(text)
    except InvalidIdError as error:
        raise UsageError(f"{text}: {error}") from None


def _say(line: str) -> None:
    with _as_long_as_it_is_there(sys.stderr):
        print(f"rpa-shard: {line}", file=sys.stderr, flush=True)


def _print(lines: Iterable[str]) -> None:
    with _as_long_as_it_is_there(sys.stdout):
        for line in lines:
            print(line)
        sys.stdout.flush()


@contextmanager
def _as_long_as_it_is_there(stream: TextIO) -> Iterator[None]:
    """Writing to a terminal that was closed is no reason to fail: from here on it goes nowhere."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_COMMANDS: tuple[Handler, ...] = (
    add, run, status, verify, repair, retry, plan, hosts, failures, resize, show, export, mirror, demo, chaos,
)  # fmt: skip
_HANDLERS: Mapping[str, Handler] = {each.__name__: each for each in _COMMANDS}
