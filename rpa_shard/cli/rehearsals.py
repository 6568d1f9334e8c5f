"""Commands for trying everything without a source: `mirror`, `llm-mirror`, `demo`, `chaos`."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rpa_shard.cli.output import OK, SOME_FAILED, UsageError, print_lines, say
from rpa_shard.config.settings import Settings
from rpa_shard.store.layout import Layout
from rpa_shard.system.program import program
from rpa_shard.testing.installed import NotInstalledError

if TYPE_CHECKING:
    from rpa_shard.chaos.cluster.harness import On
    from rpa_shard.chaos.plan import Plan
    from rpa_shard.chaos.report import Report


def mirror(parsed: argparse.Namespace, settings: Settings) -> int:
    """Serves a folder of PDFs as arXiv does."""
    from rpa_shard.testing.faults import parse_faults
    from rpa_shard.testing.mirror import Behaviour, serve
    from rpa_shard.testing.serving import MirrorError

    def announce(url: str) -> None:
        print_lines(
            [
                f"serving {parsed.folder} at {url}/pdf/<id>, until Ctrl-C",
                f"queue all of it:   curl -s {url}/ids | {program()} add --file -",
                f"and run against it: RPA_V2_SOURCES='{url}/pdf/{{id}}' {program()} run",
            ]
        )

    try:
        behaviour = Behaviour(parse_faults(",".join(filter(None, parsed.faults)), parsed.seed), parsed.log)
        serve(parsed.folder, parsed.host, parsed.port, announce, behaviour)
    except (MirrorError, ValueError) as error:
        raise UsageError(str(error)) from None
    return OK


def llm_mirror(parsed: argparse.Namespace, settings: Settings) -> int:
    """Serves made-up answers as an endpoint of a model does, or answers a batch."""
    from rpa_shard.testing.llm_mirror import MODEL, answer_batch_file, behaviour_of, serve
    from rpa_shard.testing.serving import MirrorError

    def announce(url: str) -> None:
        knobs = f"RPA_V2_PHASES=prep,analyze,wrap RPA_V2_LLM_ENDPOINTS='{url}/v1 models={MODEL}'"
        print_lines(
            [
                f"answering at {url}/v1/chat/completions as {MODEL}, until Ctrl-C",
                f"and run against it: {knobs} {program()} run",
            ]
        )

    try:
        behaviour = behaviour_of(
            ",".join(filter(None, parsed.faults)),
            parsed.seed,
            parsed.limits,
            parsed.log,
            latency_seconds=parsed.latency,
            tokens_per_second=parsed.speed,
            structured=parsed.structured,
        )
        if parsed.batch is not None:
            answered = answer_batch_file(behaviour, *parsed.batch)
            print_lines([f"answered {answered} requests: {parsed.batch[1]}"])
        else:
            serve(parsed.host, parsed.port, announce, behaviour)
    except (MirrorError, ValueError) as error:
        raise UsageError(str(error)) from None
    return OK


def demo(parsed: argparse.Namespace, settings: Settings) -> int:
    """Runs the complete pipeline on generated papers."""
    from rpa_shard.cli.demo import run_demo

    layout = Layout(settings.workers, settings.shard_count)
    return run_demo(parsed.folder.absolute(), parsed.papers, layout, say, analyze=parsed.analyze)


def chaos(parsed: argparse.Namespace, settings: Settings) -> int:
    """Disturbs a run of its own by force, and verifies that the promise holds."""
    from rpa_shard.chaos.plan import DEFAULT_FAULTS, DEFAULT_LLM_FAULTS, PHASES_OF_RUNS, Plan
    from rpa_shard.chaos.report import lines

    seed = parsed.seed if parsed.seed is not None else int.from_bytes(os.urandom(4), "big")
    papers = parsed.papers or max(400, 40 * parsed.kills)
    plan = Plan(
        seed,
        papers,
        parsed.kills,
        parsed.minutes,
        ",".join(filter(None, parsed.faults)) if parsed.faults else DEFAULT_FAULTS,
        parsed.keep_pdf == "1",
        parsed.tar,
        PHASES_OF_RUNS[parsed.phases_of_trial],
        ",".join(filter(None, parsed.llm_faults)) if parsed.llm_faults else DEFAULT_LLM_FAULTS,
    )
    _refuse(parsed)
    root = Path(tempfile.mkdtemp(prefix="rpa-shard-chaos-", dir=parsed.folder))
    say(f"seed {seed}: {papers} papers, {parsed.kills} kills")
    report = _trial(parsed.on, plan, root)
    print_lines(lines(report))
    if report.violations:
        say(f"the promise is broken: everything is kept in {root}; again: chaos --seed {seed}{_options(parsed)}")
        return SOME_FAILED
    shutil.rmtree(root)
    return OK


def _refuse(parsed: argparse.Namespace) -> None:
    """Raises UsageError for what does not go with many nodes."""
    if parsed.on is not None and (parsed.tar or parsed.keep_pdf == "0" or parsed.phases_of_trial != "prep"):
        raise UsageError("--on goes with none of --tar, --keep-pdf 0 and --phases all")


def _trial(on: On | None, plan: Plan, root: Path) -> Report:
    """Runs it on this machine alone, or on nodes. Raises UsageError."""
    from rpa_shard.chaos.harness import Chaos

    try:
        if on is None:
            return Chaos(plan, root, say).run()
        from rpa_shard.chaos.cluster.harness import ClusterChaos

        return ClusterChaos(plan, on, root, say).run()
    except (ValueError, NotInstalledError) as error:
        shutil.rmtree(root)
        raise UsageError(str(error)) from None


def _options(parsed: argparse.Namespace) -> str:
    """The options that make a trial another one."""
    given = [f" --on {parsed.on}"] if parsed.on is not None else []
    given += [" --tar"] if parsed.tar else []
    given += [" --keep-pdf 0"] if parsed.keep_pdf == "0" else []
    given += [f" --phases {parsed.phases_of_trial}"] if parsed.phases_of_trial != "prep" else []
    return "".join(given)
