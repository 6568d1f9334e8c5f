#!/usr/bin/env python3
"""Measures how the time for a paper grows with its size: CPU seconds for n, 2n and 4n of each kind of thing.

    scripts/bench_growth.py [--count N] [--engine pdfium|pypdf] [KIND ...]

The exponent is that of the power of n that fits the three times best: 1 is in proportion to the size, 2 is its square.
Each time is the shortest of three, less that of the same paper with hardly anything in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from math import log
from pathlib import Path

from rpa_shard.extract.runner import extract
from rpa_shard.model.failure import PaperError
from rpa_shard.testing.growing_papers import GROWING

FACTORS = (1, 2, 4)
RUNS = 3
# Times below this are noise.
MIN_SECONDS = 0.002


def cpu_seconds(make: Callable[[int], bytes], count: int, engine: str, path: Path) -> float:
    """The CPU time for a paper with that many of the things."""
    path.write_bytes(make(count))
    times = []
    for _ in range(RUNS):
        begun = time.process_time()
        try:
            extract(path, engine)
        except PaperError as error:
            raise SystemExit(f"{count}: {error}") from None
        times.append(time.process_time() - begun)
    return min(times)


def exponent(seconds: list[float]) -> float | None:
    """The slope of the logarithms, by least squares; None if the times are too short to tell."""
    if min(seconds) < MIN_SECONDS:
        return None
    xs, ys = [log(factor) for factor in FACTORS], [log(each) for each in seconds]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", default=list(GROWING), help="by default all")
    parser.add_argument("--count", type=int, default=2_000, help="n (default: 2000)")
    parser.add_argument("--engine", choices=["pdfium", "pypdf"], default="pdfium")
    options = parser.parse_args()
    print(f"| kind | {' | '.join(f'{factor * options.count}' for factor in FACTORS)} | exponent |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "paper.pdf"
        for kind in options.kinds:
            least = cpu_seconds(GROWING[kind], 8, options.engine, path)
            seconds = [
                max(cpu_seconds(GROWING[kind], factor * options.count, options.engine, path) - least, 0.0)
                for factor in FACTORS
            ]
            slope = exponent(seconds)
            times = " | ".join(f"{each:.3f}" for each in seconds)
            print(f"| {kind} | {times} | {'-' if slope is None else f'{slope:.2f}'} |", flush=True)


if __name__ == "__main__":
    main()
