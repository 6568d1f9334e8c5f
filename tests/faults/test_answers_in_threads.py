"""Several threads of a new process read answers at once: none dies of it (msgspec prepares a type at its first use)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rpa_shard.llm.question import Answer, Parameters, Question, Usage
from rpa_shard.phases.writing.answers import KeptAnswers

PROCESSES, THREADS = 60, 8
_READ = f"""
import os, sys, threading
from pathlib import Path
from rpa_shard.phases.writing.answers import KeptAnswers

path, died = Path(sys.argv[1]), 0
sys.setswitchinterval(1e-6)
for _ in range({PROCESSES}):
    pid = os.fork()
    if pid == 0:
        together = threading.Barrier({THREADS})
        read = lambda: (together.wait(), KeptAnswers(path))
        threads = [threading.Thread(target=read) for _ in range({THREADS})]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        os._exit(0)
    died += os.waitpid(pid, 0)[1] != 0
sys.exit(died)
"""


def test_threads_read_answers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "paper.answers.jsonl"
    question = Question(
        paper_id="2401.00001",
        step="analyze/why",
        prompt_sha256="p",
        input_sha256="i",
        system="s",
        document="d",
        instruction="i",
        schema={},
        parameters=Parameters(max_output_tokens=9),
    )
    answer = Answer(
        model="m",
        place="here",
        text="{}",
        finish="complete",
        usage=Usage(1, 1),
        request_id="r",
        asked_at=1.0,
        answered_at=2.0,
    )
    KeptAnswers(path).keep(question, answer)
    died = subprocess.run([sys.executable, "-c", _READ, str(path)], check=False).returncode
    assert died == 0, f"{died} of {PROCESSES} processes died"
