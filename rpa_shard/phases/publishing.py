"""What a node does around an attempt where papers' files are kept elsewhere: it brings, publishes, and clears up.

Guarantee: what a result names is durable in the artifact store before `run` returns, so before the row says so; texts
before records. Answers of models are published after every attempt, so that no node pays for them again. What cannot be
published stays here for the next attempt, which costs the paper none. A paper's files here are those of one attempt at
a time: one whose lease was lost, and which is still at work when its paper is claimed again, is waited for. Limit: a
PDF that an attempt has left for the next one is of use to this node only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from rpa_shard.ipc.shard_report import Gauge
from rpa_shard.model.arxiv_id import PaperId, from_canonical
from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure, PaperError, PhasePausedError
from rpa_shard.model.paper import Claim
from rpa_shard.phases.bringing import Bringer
from rpa_shard.phases.files import ENDINGS, PaperFiles, files_of, stem_of
from rpa_shard.phases.published import publish
from rpa_shard.phases.runner import Attempt, PhaseDefinition, PhaseRunner, Result, ShardContext
from rpa_shard.store.artifacts import ArtifactStoreError
from rpa_shard.store.artifacts.factory import artifact_store_of
from rpa_shard.system.activity import begin
from rpa_shard.system.failpoints import reach
from rpa_shard.system.threads import background_threads, run_to_its_end

BRING, PUBLISH = "bring", "publish"
_THREADS = 4
_KIND_OF = {ending: kind for kind, ending in ENDINGS.items()}
# Held by the attempt that has a paper's files, in whichever phase, by the paper's id; gone when nobody wants it.
_AT_WORK: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


class PublishingRunner:
    """A phase's runner, whose files are published."""

    def __init__(self, runner: PhaseRunner, definition: PhaseDefinition, bringer: Bringer) -> None:
        self._runner = runner
        self._definition = definition
        self._bringer = bringer

    @property
    def slots(self) -> Mapping[str, int]:
        return self._runner.slots

    def summary(self, result: Result) -> str:
        return self._runner.summary(result)

    def gauges(self) -> Mapping[str, Gauge]:
        return self._runner.gauges()

    def totals(self) -> Mapping[str, int]:
        return self._runner.totals()

    def tallies(self) -> Mapping[str, Mapping[str, int]]:
        return self._runner.tallies()

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        alone = _AT_WORK.setdefault(claim.paper_id, asyncio.Lock())
        async with alone:
            return await self._run(claim, attempt)

    async def _run(self, claim: Claim, attempt: Attempt) -> Result:
        paper = from_canonical(claim.paper_id)
        files = files_of(self._bringer.folder.papers, paper)
        begin(BRING)
        with _unreachable():
            brought = await self._bringer.bring(paper, claim)
        try:
            result = await self._runner.run(claim, attempt)
        except asyncio.CancelledError:
            with suppress(ArtifactStoreError):  # they stay here for the next attempt
                await self._save_answers(paper, files, brought)
            raise
        except (PaperError, PhasePausedError):
            with _unreachable():
                await self._save_answers(paper, files, brought)
            raise
        attempt.must_finish()
        begin(PUBLISH)
        with _unreachable():
            await self._publish(paper, files, result, brought)
        return result

    async def _publish(self, paper: PaperId, files: PaperFiles, result: Result, brought: set[Path]) -> None:
        papers = str(self._bringer.folder.papers)
        stem = stem_of(papers, paper)
        expected = [each.path.removeprefix(stem) for each in self._definition.expected_files(papers, paper, result)]
        kinds = [_KIND_OF[ending] for ending in expected]
        records = [kind for kind in kinds if kind.endswith("record")]
        reach("before_publish")
        await self._publish_all(paper, files, [kind for kind in kinds if kind not in records], brought)
        reach("mid_publish")
        await self._publish_all(paper, files, records, brought)
        await self._save_answers(paper, files, brought)
        reach("after_publish")
        await self._clear_up({*brought, *(getattr(files, kind) for kind in kinds)})

    async def _publish_all(self, paper: PaperId, files: PaperFiles, kinds: Collection[str], there: set[Path]) -> None:
        paths = {kind: getattr(files, kind) for kind in kinds}
        left = {kind: path for kind, path in paths.items() if path not in there}
        await asyncio.gather(*(self._publish_file(paper, kind, path) for kind, path in left.items()))

    async def _publish_file(self, paper: PaperId, kind: str, path: Path) -> None:
        content = await run_to_its_end(self._bringer.disk, path.read_bytes)
        await publish(self._bringer.store, paper, kind, content)

    async def _save_answers(self, paper: PaperId, files: PaperFiles, brought: set[Path]) -> None:
        """Publishes the answers so far, if models were asked, and clears up what was brought."""
        if not self._definition.asks_models:
            return
        if await run_to_its_end(self._bringer.disk, files.answers.exists):
            await self._publish_file(paper, "answers", files.answers)
        await self._clear_up({*brought, files.answers})

    async def _clear_up(self, paths: Collection[Path]) -> None:
        await run_to_its_end(self._bringer.disk, _remove, paths)


def _remove(paths: Collection[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


@contextmanager
def _unreachable() -> Iterator[None]:
    """What either store says, that of the artifacts or that of the rows, becomes the failure of the attempt."""
    try:
        yield
    except StoreError as error:
        raise PaperError(Failure.ARTIFACTS, str(error)) from None


@asynccontextmanager
async def open_published(definition: PhaseDefinition, context: ShardContext) -> AsyncIterator[PhaseRunner]:
    """The runner of a phase: as it is if papers' files are kept in the data folder, else with publishing around it."""
    store = artifact_store_of(context.folder)
    async with definition.open_runner(context) as runner:
        if store is None:
            yield runner
            return
        with background_threads("artifacts", _THREADS) as disk:
            writer = f"shard-{context.number:03d}"
            bringer = Bringer(store, context.folder, writer, disk, context.settings.keep_pdf)
            yield PublishingRunner(runner, definition, bringer)
