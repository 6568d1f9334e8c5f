"""What a run would have to fetch: for each source the papers, the allowed rate, the time and the bytes.

Guarantee: counts every paper once, at the first source that would be tried. Limit: whether a source has a paper is
known only when it is asked; sizes are the mean of what this folder has fetched, or an assumption if it has fetched
little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from rpa_shard.config.host_policy import ARXIV_HOST, HostPolicy, host_of, policies_by_host, polite_url
from rpa_shard.config.settings import Settings
from rpa_shard.config.source_names import template_of
from rpa_shard.fetch.sources import urls_of
from rpa_shard.model.arxiv_id import from_canonical
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


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One source; `seconds` is the longest of the times for its policy, for the line and for parsing."""

    source: str
    papers: int
    policy: HostPolicy | None
    seconds: float
    size_bytes: int


def plan(
    ids: Iterable[str], settings: Settings, catalogue: Catalogue | None, mean_pdf_bytes: float | None
) -> list[PlanLine]:
    """The plan for papers given by canonical ids."""
    in_archives = catalogue is not None and catalogue.has_members()
    counts: Counter[str] = Counter()
    template = template_of(settings.sources[0])
    # Millions of arXiv ids need not be examined one by one if all have the same host.
    of_arxiv_papers = None if "{" in urlsplit(template).netloc else _host_or_local(polite_url(template))
    for paper_id in ids:
        if in_archives and catalogue is not None and catalogue.whereabouts(paper_id).tar_url:
            counts[ARCHIVES] += 1
        else:
            known = None if "://" in paper_id else of_arxiv_papers
            counts[known or _host_or_local(urls_of(from_canonical(paper_id), settings.sources)[0])] += 1
    policies = policies_by_host(settings.host_policies)
    mean = mean_pdf_bytes or ASSUMED_PDF_BYTES
    return [
        PlanLine(source, papers, policies.get(source), _seconds(source, papers, policies, mean), round(papers * mean))
        for source, papers in counts.most_common()
    ]


def _host_or_local(url: str) -> str:
    return host_of(url) or LOCAL_FILES


def _seconds(source: str, papers: int, policies: Mapping[str, HostPolicy], mean_bytes: float) -> float:
    seconds = papers / (PAPERS_PER_CORE_SECOND * usable_cores())
    if source not in (ARCHIVES, LOCAL_FILES):
        seconds = max(seconds, papers * mean_bytes / ASSUMED_BYTES_PER_SECOND)
    policy = policies.get(source)
    if policy is not None:
        seconds = max(seconds, papers / policy.requests * (policy.per_seconds + ASSUMED_ANSWER_SECONDS))
    return seconds


def lines(planned: list[PlanLine], settings: Settings, *, measured: bool) -> list[str]:
    """The plan for a terminal."""
    if not planned:
        return ["nothing to fetch"]
    shown = [f"{'source':<32} {'papers':>10}  {'allowed':<24} {'time':>10} {'bytes':>10}"]
    for line in planned:
        allowed = "as fast as it answers"
        if line.policy is not None:
            allowed = f"{line.policy.requests} in {line.policy.per_seconds:g} s"
        figures = f"{duration(line.seconds):>10} {size(line.size_bytes):>10}"
        shown.append(f"{line.source:<32} {line.papers:>10}  {allowed:<24} {figures}")
    how = "the mean of what this folder has fetched" if measured else "arXiv's mean of 1.2 MB per paper"
    shown.append(f"bytes by {how}; a paper that its source lacks goes on to the next one")
    shown.append(f"times: the longest of the allowed rate, a line of 100 Mbit/s, and {usable_cores()} cores that parse")
    if any(line.source == ARXIV_HOST and line.papers > settings.arxiv_max_papers for line in planned):
        shown.append(
            f"{ARXIV_HOST} is not for this many papers ({settings.arxiv_max_papers} at most): use its bulk archives "
            "(`add --tar`) or RPA_V2_SOURCES='gcs arxiv'"
        )
    return shown


def duration(seconds: float) -> str:
    """A time in a suitable unit."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def size(size_bytes: float) -> str:
    """A size in a suitable unit."""
    for unit, length in (("TB", 1e12), ("GB", 1e9)):
        if size_bytes >= length:
            return f"{size_bytes / length:.1f} {unit}"
    return f"{size_bytes / 1e6:.1f} MB"
