"""What a run would have to fetch: for each source the papers, the allowed rate, the time and the bytes.

Guarantee: counts every paper once, at the first source that would be tried and does not refuse us. Limit: whether a
source has a paper is known only when it is asked; sizes are the mean of what this folder has fetched, or an assumption
if it has fetched little; a host that is asked more slowly than it allows is taken to stay so.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from rpa_shard.config.host_policy import ARXIV_HOST, HostPolicy, host_of, polite_url
from rpa_shard.config.settings import Settings
from rpa_shard.config.source_names import template_of
from rpa_shard.control.sentences import duration, time_of_day
from rpa_shard.fetch.sources import urls_of
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.ipc.shard_report import BackOff
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.observe.hosts import KnownHosts, state_lines
from rpa_shard.observe.statistics import size
from rpa_shard.store.catalogue import Catalogue
from rpa_shard.system.cores import usable_cores

# arXiv's PDFs were 2.7 TB for 2.2 million papers in March 2023 ("Full text via S3").
ASSUMED_PDF_BYTES = 1_200_000
# Without a policy: a line of 100 Mbit/s, and what a core can parse (39 papers/s were measured on two).
ASSUMED_BYTES_PER_SECOND = 12_500_000
PAPERS_PER_CORE_SECOND = 20
# A window runs from the beginning of an answer.
ASSUMED_ANSWER_SECONDS = 0.2
ARCHIVES = "archives (tar)"
LOCAL_FILES = "local files"
UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One source.

    `host` is its state if it is governed. `seconds` is the longest of the times for its rate, for the line and for
    parsing, after its pause; None if it refuses us.
    """

    source: str
    papers: int
    policy: HostPolicy | None
    seconds: float | None
    size_bytes: int
    host: HostStatus | None = None


def plan(
    ids: Iterable[str], settings: Settings, known: KnownHosts, catalogue: Catalogue | None, mean_pdf_bytes: float | None
) -> list[PlanLine]:
    """The plan for papers given by canonical ids."""
    in_archives = catalogue is not None and catalogue.has_members()
    counts: Counter[str] = Counter()
    refusing = {host for host, each in known.hosts.items() if each.blocked}
    # Millions of arXiv ids need not be examined one by one if each source has the same host for all of them.
    templates = [template_of(source) for source in settings.sources]
    fixed = not any("{" in urlsplit(template).netloc for template in templates)
    of_arxiv_papers = _first_source(map(polite_url, templates), refusing) if fixed else None
    for paper_id in ids:
        if in_archives and catalogue is not None and catalogue.whereabouts(paper_id).tar_url:
            counts[ARCHIVES] += 1
        else:
            same = None if "://" in paper_id else of_arxiv_papers
            counts[same or _first_source(urls_of(from_canonical(paper_id), settings.sources), refusing)] += 1
    policies = known.policies
    mean = mean_pdf_bytes or ASSUMED_PDF_BYTES
    return [
        PlanLine(
            source,
            papers,
            policies.get(source),
            _seconds(source, papers, policies.get(source), known.hosts.get(source), mean),
            round(papers * mean),
            known.hosts.get(source),
        )
        for source, papers in counts.most_common()
    ]


def _first_source(urls: Iterable[str], refusing: Collection[str]) -> str:
    """The first source that does not refuse us, or else the first."""
    sources = [host_of(url) or LOCAL_FILES for url in urls]
    return next((source for source in sources if source not in refusing), sources[0])


def _seconds(
    source: str, papers: int, policy: HostPolicy | None, host: HostStatus | None, mean_bytes: float
) -> float | None:
    seconds = papers / (PAPERS_PER_CORE_SECOND * usable_cores())
    if source not in (ARCHIVES, LOCAL_FILES):
        seconds = max(seconds, papers * mean_bytes / ASSUMED_BYTES_PER_SECOND)
    if policy is None or host is None:
        return seconds
    if host.blocked:
        return None
    window_seconds = policy.per_seconds / host.factor + ASSUMED_ANSWER_SECONDS
    return (host.closed_seconds or 0.0) + max(seconds, papers / policy.requests * window_seconds)


def lines(
    planned: list[PlanLine], settings: Settings, back_offs: Mapping[str, BackOff], *, measured: bool
) -> list[str]:
    """The plan for a terminal. `back_offs` are the papers of it that wait for another attempt, by reason."""
    if not planned:
        return ["nothing to fetch"]
    now = time.time()
    rows = [("source", "papers", "time", "bytes"), *map(_row, planned)]
    notes: list[list[str]] = [[], *([f"  {note}" for note in _notes(line, now)] for line in planned)]
    together = _together(planned, back_offs, now)
    if len(planned) > 1 or together.seconds != planned[0].seconds:
        rows.append(_row(together))
        notes.append([])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    shown = []
    for row, below in zip(rows, notes, strict=True):
        source, *figures = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        shown += [" ".join([source.strip().ljust(widths[0]), *figures]), *below]
    for reason, each in sorted(back_offs.items(), key=lambda item: -item[1].papers):
        first, last = time_of_day(each.first_at, now), time_of_day(each.last_at, now)
        when = f"at {first}" if first == last else f"between {first} and {last}"
        shown.append(f"waiting {each.papers:,} of them for another attempt after {reason}, {when}")
    return [*shown, *_explained(planned, settings, measured=measured)]


def _together(planned: list[PlanLine], back_offs: Mapping[str, BackOff], now: float) -> PlanLine:
    """All sources, which are asked at the same time: as long as the longest, and until the last attempt may begin."""
    papers = sum(line.papers for line in planned)
    last_at = max((each.last_at for each in back_offs.values()), default=now)
    times = [line.seconds for line in planned if line.seconds is not None]
    seconds = max(papers / (PAPERS_PER_CORE_SECOND * usable_cores()), last_at - now, *times) if times else None
    return PlanLine("together", papers, None, seconds, sum(line.size_bytes for line in planned))


def _row(line: PlanLine) -> tuple[str, str, str, str]:
    time_needed = UNKNOWN if line.seconds is None else duration(line.seconds)
    return line.source, f"{line.papers:,}", time_needed, size(line.size_bytes)


def _notes(line: PlanLine, now: float) -> Iterator[str]:
    """What is said of a source below its figures; `now` is in Unix seconds."""
    if line.policy is None or line.host is None:
        yield "as fast as it answers"
        return
    if not line.host.blocked:
        yield f"{line.policy.requests} in {line.policy.per_seconds:g} s allowed"
    yield from state_lines(line.source, line.host, now)


def _explained(planned: list[PlanLine], settings: Settings, *, measured: bool) -> Iterator[str]:
    how = "the mean of what this folder has fetched" if measured else "arXiv's mean of 1.2 MB per paper"
    yield f"bytes by {how}; a paper that its source lacks goes on to the next one"
    yield (
        f"times: the longest of the allowed rate, a line of 100 Mbit/s, and {usable_cores()} cores that parse"
        + (", after the pause that a host asked for" if any(_pauses(line) for line in planned) else "")
    )
    if any(line.seconds is None for line in planned):
        yield f"{UNKNOWN}: no time can be given, it needs a person"
    if any(line.source == ARXIV_HOST and line.papers > settings.arxiv_max_papers for line in planned):
        yield (
            f"{ARXIV_HOST} is not for this many papers ({settings.arxiv_max_papers} at most): use its bulk archives "
            "(`add --tar`) or RPA_V2_SOURCES='gcs arxiv'"
        )


def _pauses(line: PlanLine) -> bool:
    return line.host is not None and not line.host.blocked and bool(line.host.closed_seconds)
