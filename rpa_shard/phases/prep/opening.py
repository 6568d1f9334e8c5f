"""How the runner of the prep phase is made, with all that it works with.

Guarantee: what a runner opens is closed when its shard ends, whatever happens. Limit: one runner per shard.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

from rpa_shard.config.host_policy import host_of, polite_url
from rpa_shard.config.settings import Settings
from rpa_shard.config.source_names import template_of
from rpa_shard.extract.engines import load, names_for
from rpa_shard.extract.pool import ExtractionPool, ExtractionRules
from rpa_shard.extract.slow_lane import WIDTH, SlowLane
from rpa_shard.fetch.address_guard import AddressGuard
from rpa_shard.fetch.download import Downloader, DownloadLimits
from rpa_shard.fetch.transport import open_client, trusted_certificates
from rpa_shard.fetch.unkept import Memory
from rpa_shard.ipc.breadcrumb import Breadcrumb
from rpa_shard.phases.prep.runner import DOWNLOAD, EXTRACT, SLOW, PrepRunner
from rpa_shard.phases.runner import PhaseRunner, ShardContext
from rpa_shard.system.threads import background_threads

# How much memory of a shard PDFs may take that nobody keeps, while they wait to be parsed. What is more, and all of
# them if other processes parse them, goes to temporary files.
UNKEPT_BYTES = 32 * 2**20


@asynccontextmanager
async def open_runner(context: ShardContext) -> AsyncIterator[PhaseRunner]:
    """The runner of one shard."""
    settings, share, run = context.settings, context.share, context.folder.run
    writer = f"shard-{context.number:03d}"
    context.folder.remove_half_written(writer)  # what a killed predecessor left
    rules = ExtractionRules(
        settings.extract_pool,
        settings.engine,
        settings.extract_deadline_seconds,
        settings.child_memory_bytes,
        settings.extract_slow_seconds,
    )
    limits = DownloadLimits(settings.max_pdf_bytes, settings.download_deadline_seconds, settings.min_bytes_per_second)
    guard = AddressGuard(host_of(template_of(source)) for source in settings.sources)
    async with AsyncExitStack() as opened:
        breadcrumb = opened.enter_context(closing(Breadcrumb(run.breadcrumb_file(context.number))))
        catalogue = opened.enter_context(closing(context.engine.catalogue_reader()))
        disk = opened.enter_context(background_threads("disk", share.io_threads))
        pool = opened.enter_context(closing(ExtractionPool(rules, share.extract_workers, breadcrumb)))
        slow_lane = opened.enter_context(closing(SlowLane(rules)))
        client = open_client(settings, share, guard, context.leases.check)
        opened.push_async_callback(client.aclose)
        yield PrepRunner(
            context.folder.papers,
            settings.sources,
            Downloader(client, disk, writer, limits, context.permits, guard),
            pool,
            slow_lane,
            catalogue,
            {DOWNLOAD: share.download_concurrency, EXTRACT: share.extract_concurrency, SLOW: WIDTH},
            None if settings.keep_pdf else Memory(UNKEPT_BYTES if settings.extract_pool == "thread" else 0),
        )


def warm_up(settings: Settings) -> None:
    """Reads certificates, if a source needs them, and loads the engine: shards share their memory and start faster."""
    if any(polite_url(template_of(source)).startswith("https:") for source in settings.sources):
        trusted_certificates()
    if settings.extract_pool == "thread":
        load(names_for(settings.engine)[0])
