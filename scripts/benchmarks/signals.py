"""What the index of the corpus costs: how fast it is built, how large it gets, how long one paper's signals take.

Guarantee: the code that a run uses, over papers whose words are as unevenly common as those of abstracts. Limit: made
up papers, written without the limit on the share of a core that a run keeps to.

    python -m scripts.benchmarks.signals FOLDER PAPERS
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from rpa_shard.phases.signals.counting import count_again, must_count_again
from rpa_shard.phases.signals.index import IndexedPaper, add_papers, open_index
from rpa_shard.phases.signals.reader import SignalsReader

WORDS, TITLE_WORDS, ABSTRACT_WORDS, CITED = 400_000, 9, 150, 12
BATCH, READS = 20, 400


def papers(number: int) -> Iterator[IndexedPaper]:
    """Made up papers, the same each time."""
    chance = random.Random(0)  # noqa: S311 - no secret
    for each in range(number):
        words = [_word(chance) for _ in range(TITLE_WORDS + ABSTRACT_WORDS)]
        paper_id = _id(each)
        yield IndexedPaper(
            paper_id=paper_id,
            row_id=paper_id,
            record_sha256=f"{each:064x}",
            title=" ".join(words[:TITLE_WORDS]),
            abstract=" ".join(words[TITLE_WORDS:]),
            categories="cs.LG",
            cited=tuple(_id(int(number * chance.random() ** 3)) for _ in range(CITED)),
        )


def _id(number: int) -> str:
    return f"{15 + number // 20_000:02}{1 + number // 2000 % 10:02}.{1 + number % 2000:05}"


def _word(chance: random.Random) -> str:
    """A word, as common as its rank says (Zipf)."""
    rank = int(WORDS ** chance.random())
    letters = ""
    while rank:
        rank, letter = divmod(rank, 20)
        letters += "bcdfghjklmnpqrstvwxz"[letter] + "aeiou"[letter % 5]
    return letters + "q"


def main(folder: Path, number: int) -> None:
    """Builds an index, and reads from it."""
    path = folder / "signals.sqlite3"
    with closing(open_index(path, create=True)) as connection:
        made, begun = papers(number), time.perf_counter()
        making = 0.0
        slowest = 0.0
        while True:
            at = time.perf_counter()
            batch = list(islice(made, BATCH))
            making += time.perf_counter() - at
            if not batch:
                break
            at = time.perf_counter()
            add_papers(connection, batch)
            if must_count_again(connection):
                count_again(connection, lambda: None)
            slowest = max(slowest, time.perf_counter() - at)
        took = time.perf_counter() - begun - making
        print(f"indexed: {number / took:.0f} papers/s, slowest step {slowest:.2f} s", flush=True)
        at = time.perf_counter()
        count_again(connection, lambda: None)
        print(f"counted: {time.perf_counter() - at:.1f} s", flush=True)
    print(f"size: {path.stat().st_size / number:.0f} bytes a paper", flush=True)
    chance = random.Random(1)  # noqa: S311 - no secret
    wanted = [each for each in papers(min(number, 50_000)) if chance.random() < READS / min(number, 50_000)]
    with closing(SignalsReader(path, seconds=60.0)) as reader:
        seconds = []
        for each in wanted:
            at = time.perf_counter()
            found = reader.read(each.paper_id, each.title, each.abstract)
            seconds.append(time.perf_counter() - at)
            assert found.complete
    seconds.sort()
    print(
        f"read: p50 {statistics.median(seconds) * 1000:.1f} ms, p99 {seconds[int(len(seconds) * 0.99)] * 1000:.1f} ms"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
