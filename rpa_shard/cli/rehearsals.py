"""Commands for trying everything without a source: `mirror`, `llm-mirror`, `demo`, `chaos`."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from rpa_shard.cli.output import OK, SOME_FAILED, UsageError, print_lines, say
from rpa_shard.config.settings import Settings
from rpa_shard.store.layout import Layout
from rpa_shard.system.program import program


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
    return run_demo(parsed.folder.absolute(), parsed.papers, layout, say)


def chaos(parsed: argparse.Namespace, settings: Settings) -> int:
    """Disturbs a run of its own by force, and verifies that the promise holds."""
    from rpa_shard.chaos.harness import DEFAULT_FAULTS, Chaos, Plan, lines

    seed = parsed.seed if parsed.seed is not None else int.from_bytes(os.urandom(4), "big")
    papers = parsed.papers or max(400, 40 * parsed.kills)
    root = Path(tempfile.mkdtemp(prefix="rpa-shard-chaos-", dir=parsed.folder))
    say(f"seed {seed}: {papers} papers, {parsed.kills} kills")
    try:
        faults = ",".join(filter(None, parsed.faults)) if parsed.faults else DEFAULT_FAULTS
        keep_pdf = parsed.keep_pdf == "1"
        options = (" --tar" if parsed.tar else "") + ("" if keep_pdf else " --keep-pdf 0")
        plan = Plan(seed, papers, parsed.kills, parsed.minutes, faults, keep_pdf, parsed.tar)
        report = Chaos(plan, root, say).run()
    except ValueError as error:
        raise UsageError(str(error)) from None
    print_lines(lines(report))
    if report.violations:
        say(f"the promise is broken: everything is kept in {root}; again: chaos --seed {seed}{options}")
        return SOME_FAILED
    shutil.rmtree(root)
    return OK
