"""The definition of the prep phase: what is known of it without a runner.

Guarantee: commands that only look at papers load nothing that only a run needs, such as HTTP clients and engines.
Limit: how a runner is made is in `rpa_shard.phases.prep.opening`, which a run loads before it forks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from rpa_shard.config.host_policy import ARXIV_HOST, host_of, polite_url
from rpa_shard.config.settings import Settings
from rpa_shard.config.source_names import template_of
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import PREP, open_statuses
from rpa_shard.phases.prep.kept import has_pdf
from rpa_shard.phases.prep.result import expected_files
from rpa_shard.phases.runner import PhaseDefinition, PhaseRunner, ShardContext
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.protocol import Ledger


@asynccontextmanager
async def open_prep(context: ShardContext) -> AsyncIterator[PhaseRunner]:
    """The runner of one shard."""
    from rpa_shard.phases.prep.opening import open_runner

    async with open_runner(context) as runner:
        yield runner


def warm_up(settings: Settings) -> None:
    """Loads what every shard needs: they share its memory, and start faster."""
    from rpa_shard.phases.prep import opening

    opening.warm_up(settings)


def refuse_too_many(settings: Settings, ledger: Ledger, limit: int | None = None) -> None:
    """Raises StoreError if arXiv's own host, which is not for complete collections, would serve too many papers.

    A run with a `limit` fetches no more than that.
    """
    if limit is not None and limit <= settings.arxiv_max_papers:
        return
    if host_of(polite_url(template_of(settings.sources[0]))) != ARXIV_HOST:
        return
    statuses = open_statuses([PREP])
    papers = ledger.count_arxiv_papers(statuses)
    if papers > settings.arxiv_max_papers:
        # Counted only now: the archives may hold most of several million papers.
        papers = ledger.count_arxiv_papers(statuses, except_archived=True)
    if papers > settings.arxiv_max_papers:
        papers -= _already_fetched(DataFolder.of(settings), ledger)
    papers = papers if limit is None else min(papers, limit)
    if papers > settings.arxiv_max_papers:
        raise StoreError(
            f"{papers} papers from {ARXIV_HOST}, but a run fetches at most {settings.arxiv_max_papers} there: use its "
            "bulk archives (`add --tar`) or RPA_V2_SOURCES='gcs arxiv', or raise RPA_V2_ARXIV_MAX_PAPERS if it agreed"
        )


def _already_fetched(folder: DataFolder, ledger: Ledger) -> int:
    """How many papers with arXiv ids, besides those in known archives, are to be made again from PDFs that are there.

    Looks for each file, since they may be fetched again where there is none.
    """
    with closing(engine_of(folder).catalogue_reader()) as catalogue:
        ids = (each for each in ledger.ids_with(open_statuses([PREP]), outdated=True) if "://" not in each)
        outside = (each for each in ids if catalogue.whereabouts(each).tar_url is None)
        return sum(has_pdf(folder.papers, from_canonical(each)) for each in outside)


PREP_DEFINITION = PhaseDefinition(PREP, open_prep, warm_up, refuse_too_many, expected_files)
