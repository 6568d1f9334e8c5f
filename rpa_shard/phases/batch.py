"""The phases that ask models, when nobody is to be asked: which questions are open, and what answers from a file do.

Guarantee: questions, checks and records are made by the runners of the phases themselves, so they are those of a run;
`open_questions` writes nothing. Limit: the store is not touched here: whoever calls claims papers and ends the claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import NoReturn

from rpa_shard.config.llm import ModelAt
from rpa_shard.config.settings import Settings
from rpa_shard.llm.batch import AnswerLine, answer_of
from rpa_shard.llm.question import Answer, Question
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import PhasePausedError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE, WRAP, Phase
from rpa_shard.phases.analyze.runner import AnalyzeRunner
from rpa_shard.phases.files import files_of
from rpa_shard.phases.runner import Attempt, PhaseRunner, Slots
from rpa_shard.phases.signals.indexer import Indexer
from rpa_shard.phases.signals.opening import CorpusSignals
from rpa_shard.phases.signals.reader import SignalsReader
from rpa_shard.phases.wrap.runner import WrapRunner
from rpa_shard.phases.writing.answers import KeptAnswers
from rpa_shard.phases.writing.desk import PAPERS, Desk
from rpa_shard.phases.writing.inquiry import Asks
from rpa_shard.phases.writing.prompts import load_prompts
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import StoreEngine
from rpa_shard.system.activity import ASKING, begin
from rpa_shard.system.clock import SteadyClock
from rpa_shard.system.threads import background_threads

THREADS = 4
PAPERS_AT_A_TIME = 16
# The name of the writer of half-written files.
WRITER = "batch"


class _Nobody:
    """What stands for models that are not asked."""

    def __init__(self, models: Sequence[ModelAt]) -> None:
        self.models = models
        self.context_tokens = min(each.context_tokens for each in models)


class Recorder(_Nobody):
    """Notes what would be asked."""

    def __init__(self, models: Sequence[ModelAt]) -> None:
        super().__init__(models)
        self.questions: list[Question] = []

    async def ask(self, question: Question) -> NoReturn:
        """Raises PhasePausedError."""
        self.questions.append(question)
        raise PhasePausedError("it is asked in a batch")


class Giver(_Nobody):
    """Gives answers that have come already, as those of the first model, each once."""

    def __init__(self, models: Sequence[ModelAt], price_factor: float) -> None:
        super().__init__(models)
        self._price_factor = price_factor
        self._lines: dict[str, list[AnswerLine]] = {}
        self._clock = SteadyClock()

    def give(self, paper_id: str, lines: Iterable[AnswerLine]) -> None:
        """Takes the lines about a paper, all of which have answers."""
        self._lines[paper_id] = list(lines)

    def has_more(self, paper_id: str) -> bool:
        """Whether there are answers about a paper that were not asked for."""
        return bool(self._lines.get(paper_id))

    def take_back(self, paper_id: str) -> list[AnswerLine]:
        """Forgets the answers about a paper, and returns those that were not asked for."""
        return self._lines.pop(paper_id, [])

    async def ask(self, question: Question) -> Answer:
        """The next answer to the question. Raises PhasePausedError if there is none."""
        begin(ASKING)  # as a call that is under way: what is being kept is waited for
        lines = self._lines.get(question.paper_id, [])
        line = next((each for each in lines if each.key == question.key), None)
        if line is None:
            raise PhasePausedError("its other answers are not there yet")
        lines.remove(line)
        return answer_of(line, question, self.models[0], self._clock(), self._price_factor)


class _UnwrittenAnalysis(AnalyzeRunner):
    """Makes a record, and does not write it."""

    def _write(self, *_: object) -> None:
        raise PhasePausedError("every question is answered")


class _UnwrittenReport(WrapRunner):
    """Likewise."""

    def _write(self, *_: object) -> None:
        raise PhasePausedError("every question is answered")


@contextmanager
def open_desk(settings: Settings, folder: DataFolder, engine: StoreEngine, asker: Asks) -> Iterator[Desk]:
    """The desk of this process, at which `asker` stands for the models. Raises StoreError, SettingsError."""
    if folder.artifacts is not None:
        raise StoreError("RPA_V2_ARTIFACTS: batches of questions need papers' files in the data folder: unset it")
    prompts = load_prompts(settings.prompts)
    Indexer(folder, engine, share=1.0).catch_up()
    with ExitStack() as opened:
        reader = opened.enter_context(closing(SignalsReader(folder.signals_file)))
        yield Desk(
            papers=folder.papers,
            writer=WRITER,
            prompts=prompts,
            asker=asker,
            disk=opened.enter_context(background_threads("answers", THREADS)),
            cpu=opened.enter_context(background_threads("reading", THREADS)),
            signals=CorpusSignals(reader, opened.enter_context(background_threads("signals", THREADS))),
            catalogue=opened.enter_context(closing(engine.catalogue_reader())),
            drain_seconds=settings.drain_seconds,
            slots={PAPERS: PAPERS_AT_A_TIME},
        )


class OpenQuestions:
    """Finds the questions about papers that have no answer of use yet, and writes nothing."""

    def __init__(self, desk: Desk, recorder: Recorder) -> None:
        self._runners: Mapping[Phase, PhaseRunner] = {ANALYZE: _UnwrittenAnalysis(desk), WRAP: _UnwrittenReport(desk)}
        self._slots = Slots(desk.slots)
        self._recorder = recorder

    async def of(self, paper_id: str, phase: Phase) -> list[Question]:
        """The questions that a run would ask first. Raises PaperError if it would fail before, or ask none."""
        self._recorder.questions.clear()
        claim = Claim(paper_id, phase, "", 1)
        with suppress(PhasePausedError):
            await self._runners[phase].run(claim, Attempt(self._slots))
        return list(self._recorder.questions)


def runners_at(desk: Desk) -> Mapping[Phase, PhaseRunner]:
    """The runners of the phases that ask models, at a desk."""
    return {ANALYZE: AnalyzeRunner(desk), WRAP: WrapRunner(desk)}


def kept_answers(folder: DataFolder, paper_id: str) -> KeptAnswers:
    """The answers that are kept about a paper. Raises OSError."""
    return KeptAnswers(files_of(folder.papers, from_canonical(paper_id)).answers)
