"""One worker: an asyncio task that takes a paper, preps it, settles it, and takes the next.

Guarantee: whatever happens to an attempt, its claim is settled exactly once; a drain hands back free of charge what
has not reached the engine, and lets the rest finish. Limit: the number of workers bounds papers in flight; the
semaphores, not the workers, bound downloads and extractions.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import time
from dataclasses import dataclass

from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PREP
from rpa_shard.phases.prep.pipeline import Prep
from rpa_shard.shard.claims import Claims
from rpa_shard.shard.verdict import verdict
from rpa_shard.shard.vitals import Counters
from rpa_shard.store.outcome import Outcome, completed, released
from rpa_shard.system.failpoints import reach

log = logging.getLogger(__name__)

# Not the paper's fault: no room, no descriptors, no memory, a disk that fails.
_SYSTEM_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EROFS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bench:
    """What the workers of a shard share."""

    claims: Claims
    prep: Prep
    downloads: asyncio.Semaphore
    extractions: asyncio.Semaphore
    counters: Counters
    delay_scale: float


class Worker:
    """One worker; `run` is its task."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        # True while the paper in hand can be handed back without throwing work away.
        self.interruptible = False
        # Set by a cancellation, after which it takes no more papers, whether the shard drains or breaks.
        self._sent_home = False

    async def run(self) -> None:
        """Works until the claims are closed, or it is cancelled."""
        while not self._sent_home and (claim := await self._bench.claims.next()) is not None:
            reach("after_claim")
            begun = time.monotonic()
            outcome = await self._attempt(claim)
            if await self._bench.claims.finish(claim, outcome):
                self._tell(claim, outcome, time.monotonic() - begun)

    async def _attempt(self, claim: Claim) -> Outcome:
        try:
            return completed(PREP, await self._prepare(claim))
        except asyncio.CancelledError:
            self._sent_home = True
            return released(PREP, "shutdown", suspect=claim.suspect)
        except PaperError as error:
            failed = error
        except OSError as error:
            if error.errno not in _SYSTEM_ERRORS:
                log.exception("bug arxiv_id=%s", claim.paper_id)
            failed = PaperError(Failure.DISK_FULL if error.errno in _SYSTEM_ERRORS else Failure.BUG, str(error))
        except Exception as error:
            log.exception("bug arxiv_id=%s", claim.paper_id)
            failed = PaperError(Failure.BUG, f"{type(error).__name__}: {error}")
        finally:
            self.interruptible = False
        self._bench.counters.attempts_failed += 1
        return verdict(claim, failed, random.random(), self._bench.delay_scale)  # noqa: S311  # jitter, not a secret

    async def _prepare(self, claim: Claim) -> dict[str, object]:
        bench = self._bench
        self.interruptible = True
        async with bench.downloads:
            bench.counters.downloading += 1
            try:
                fetched = await bench.prep.download_pdf(claim)
            finally:
                bench.counters.downloading -= 1
        if fetched.pdf is not None and fetched.source is not None:
            bench.counters.downloaded_bytes += fetched.pdf.size_bytes
        async with bench.extractions:
            self.interruptible = False
            result = await bench.prep.extract_text(claim, fetched)
        return {**result, "attempts": claim.attempt}

    def _tell(self, claim: Claim, outcome: Outcome, seconds: float) -> None:
        if outcome.result is not None:
            self._bench.counters.prep_done += 1
            log.info(
                "PREP DONE arxiv_id=%s ms=%.0f pages=%d chars=%d refs=%d",
                claim.paper_id,
                seconds * 1000,
                outcome.result["pages"],
                outcome.result["characters"],
                outcome.result["references"],
            )
        elif outcome.failure is not None:
            log.warning(
                "prep %s arxiv_id=%s attempt=%d reason=%s: %s",
                outcome.event,
                claim.paper_id,
                claim.attempt,
                outcome.failure,
                outcome.detail,
            )
