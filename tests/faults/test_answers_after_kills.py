"""A process that analyzes is killed, at every point that matters: what was answered is not asked again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.phase import ANALYZE, WRAP
from rpa_shard.phases.files import files_of
from rpa_shard.phases.writing.answers import KeptAnswers
from rpa_shard.store.data_folder import DataFolder
from tests.model_desk import PAPER, office, prepped_paper

QUESTIONS = 7
REPOSITORY = Path(__file__).parents[2]


def killed_at(point: str, folder: Path) -> None:
    """Analyzes and wraps the paper in a process that dies at a point."""
    code = "import sys; from tests.model_desk import main; main(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=os.environ | {"RPA_SHARD_FAILPOINTS": point},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("point", "kept"),
    [
        ("keep_answer=kill@2", 1),
        ("after_answer=kill@3", 3),
        ("before_analysis=kill", 4),
        ("after_analysis=kill", 4),
        ("after_answer=kill@6", 6),
        ("before_report=kill", 7),
        ("sync_artifact=kill@2", 7),
        ("after_report=kill", 7),
    ],
)
async def test_after_a_kill_nothing_that_was_answered_is_asked_again(tmp_path: Path, point: str, kept: int) -> None:
    folder = DataFolder(tmp_path)
    prepped_paper(folder)
    killed_at(point, tmp_path)
    answers = files_of(folder.papers, from_canonical(PAPER)).answers
    on_disk = [answer.key for answer in KeptAnswers(answers).all()]
    assert len(on_disk) == kept
    with office(tmp_path) as one:
        results = [await one.run(ANALYZE), await one.run(WRAP)]
        asked = [question.key for question in one.asker.asked]
        assert set(asked).isdisjoint(on_disk)
        assert len(asked) == QUESTIONS - kept
        in_the_end = [answer.key for answer in KeptAnswers(answers).all()]
        assert len(in_the_end) == len(set(in_the_end)) == QUESTIONS
        assert [await one.run(ANALYZE), await one.run(WRAP)] == results
        assert len(one.asker.asked) == len(asked)
