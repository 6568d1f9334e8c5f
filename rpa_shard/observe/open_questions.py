"""The questions about papers that can be asked now and have no answer of use, as lines of a batch.

Guarantee: nothing is written and nobody is asked; memory stays flat. Limit: questions that depend on the answers to
these, as a judge's on what is to be judged, come once those are there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rpa_shard.config.settings import Settings
from rpa_shard.llm.batch import request_line
from rpa_shard.model.failure import PaperError
from rpa_shard.model.phase import Phase, phase_from
from rpa_shard.phases.batch import OpenQuestions, Recorder, open_desk
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.rows import PaperRow


@dataclass(slots=True)
class Found:
    """How many papers have open questions, by the phase that asks them; how many would fail before, and why.

    `answered` papers have all their answers: the next run finishes them without asking.
    """

    papers: Counter[Phase] = field(default_factory=Counter)
    answered: int = 0
    failing: Counter[str] = field(default_factory=Counter)


def question_lines(settings: Settings, folder: DataFolder, rows: Iterable[PaperRow], found: Found) -> Iterator[bytes]:
    """A line for each open question about papers that wait for a phase that asks models.

    Raises StoreError, SettingsError and OSError.
    """
    models = settings.llm_endpoints
    recorder = Recorder(models)
    with asyncio.Runner() as loop, open_desk(settings, folder, engine_of(folder), recorder) as desk:
        questions = OpenQuestions(desk, recorder)
        for row in rows:
            phase = phase_from(row.status)
            try:
                asked = loop.run(questions.of(row.paper_id, phase))
            except PaperError as error:
                found.failing[error.failure.value] += 1
                continue
            found.papers[phase] += bool(asked)
            found.answered += not asked
            yield from (request_line(each, models[0]) for each in asked)
