"""The messages that a run prints before it starts and when it ends.

Guarantee: figures come from the store after the run, so they are those that `status` and `verify` see. Limit: rates are
of this run only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rpa_shard.config.host_policy import host_of
from rpa_shard.config.settings import Settings, knobs
from rpa_shard.config.source_names import template_of
from rpa_shard.control.governors.at_rest import saved_hosts
from rpa_shard.control.supervisor import RunEnd
from rpa_shard.ipc.account import LimitOfRun
from rpa_shard.ipc.run_status import RunStatus, read_status
from rpa_shard.model.phase import PREP, Status
from rpa_shard.observe import statistics
from rpa_shard.observe.status import count_lines
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.system.program import program

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

NOTHING_QUEUED = (
    "nothing is queued in {folder}",
    "  queue papers:  {program} add 2401.00001 hep-th/9901001      or  {program} add --file ids.txt",
    "  try it first:  {program} demo      (no network needed)",
)


def advice_lines(settings: Settings) -> list[str]:
    """Advice before a run."""
    if PREP not in settings.run_phases:
        return []  # nothing is fetched
    hosts = {host_of(template_of(source)) for source in settings.sources} - {""}
    default = next(knob.default for knob in knobs() if knob.name == "user_agent")
    if settings.user_agent == default and hosts - _LOOPBACK:
        return ["please add a contact: RPA_V2_DOWNLOAD_USER_AGENT='rpa_shard (mailto:you@example.org)'"]
    return []


@dataclass(frozen=True, slots=True)
class Summary:
    """What to print at the end of a run, how many papers failed for good, and the hosts that refuse us."""

    lines: Sequence[str]
    failed: int = 0
    refusing_hosts: int = 0


def summary_lines(folder: DataFolder, end: RunEnd | None) -> Summary:
    """The summary of a folder after a run; `end` is None if there was nothing to do."""
    with open_ledger(folder) as ledger:
        counts = ledger.counts()
    failed = counts.by_status.get(Status.FAILED, 0)
    if not counts.by_status:
        return Summary([line.format(folder=folder.root, program=program()) for line in NOTHING_QUEUED])
    lines = count_lines(counts)
    if end is None:
        lines.insert(0, "nothing left to do")
    else:
        status = read_status(folder.run.status_file)
        figures = statistics.lines(status) if status is not None else ()
        first = [_run_line(end, status)]
        if end.limit is not None and status is not None:
            first.append(_limit_line(end.limit, status.account.open))
        lines[:0] = [*first, *figures]
    lines.append(f"results   {folder.artifacts or folder.papers}")
    lines.append(f"look      {program()} show ID    {program()} status    {program()} export --out papers.jsonl")
    saved = saved_hosts(folder)
    refusals = {each.host: each.status.blocked for each in saved if each.status.blocked}
    for host, said in refusals.items():
        lines.append(f"blocked   {host} refuses us: {said}")
        lines.append(f"          once you know why: {program()} hosts --reopen {host}, then retry --reason blocked")
    if failed:
        lines.append(f"failures  {program()} retry --reason R puts them back to pending")
    return Summary(lines, failed, len(refusals))


def _run_line(end: RunEnd, status: RunStatus | None) -> str:
    """How many papers came through, and how fast: where there are several phases, through the last of them."""
    several = status is not None and len(status.phases) > 1
    papers = status.completed.get(status.phases[-1], 0) if status is not None and several else end.completed
    through = f" through {status.phases[-1]}" if status is not None and several else ""
    rate = papers / end.seconds if end.seconds else 0.0
    return f"this run  {papers} papers{through} in {end.seconds:.1f} s: {rate:.1f} papers/s"


def _limit_line(limit: LimitOfRun, open_papers: int) -> str:
    """How far a run with a limit came, and what is left for the next one."""
    more = f"; {open_papers:,} still queued: {program()} run takes more of them" if open_papers else ""
    return f"limit     {limit.ended:,} of {limit.papers:,} papers have had their turn{more}"
