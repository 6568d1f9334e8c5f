"""The arithmetic of the benchmarks: ratios, slopes, shelves, plots. That they run is shown by `bench.py --quick`."""

from __future__ import annotations

import math
import random
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from rpa_shard.model.arxiv_id import parse
from scripts.benchmarks.measuring import ContenderError, Figures, Lag, measure
from scripts.benchmarks.papers import fill_shelf, id_stream
from scripts.benchmarks.plots import line_chart
from scripts.benchmarks.report import Result, slope, summary


def figures(seconds: float, cpu_seconds: float = 1.0) -> Figures:
    return Figures(100, seconds, cpu_seconds, 10**8, 50, Lag(1, 2, 3), {"shard_memory_bytes": 9e7})


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    # The second round was disturbed; both contenders felt it.
    results = {
        "us": Result([figures(2), figures(20), figures(2)]),
        "limit": Result([figures(1), figures(10), figures(1)]),
    }
    targets = {each.name: each.value for each in summary(results, [], None, 2, 100).targets}
    assert targets["us / limit"] == "0.50"


def test_overhead_is_what_the_limit_does_not_use() -> None:
    results = {"us": Result([figures(1, 4.8)]), "limit": Result([figures(1, 4.2)])}
    targets = {each.name: each.value for each in summary(results, [], None, 2, 100).targets}
    assert targets["CPU of everything but the engine, ms a paper"] == "6.0"


def test_a_skipped_contender_is_reported_and_has_no_ratio() -> None:
    found = summary({"us": Result([figures(1)]), "scripts": Result(skipped="no aria2c")}, [], None, 2, 100)
    assert any("skipped: no aria2c" in line for line in found.lines())
    assert "us / scripts" not in {each.name for each in found.targets}
    assert found.as_json()["contenders"]["scripts"] == {"skipped": "no aria2c"}


def test_slope_finds_growth_in_spite_of_offsets_and_warm_up() -> None:
    chance = random.Random(1)
    grows = [[(x, offset + 50.0 * x + chance.gauss(0, 10)) for x in range(0, 3000, 10)] for offset in (1e6, 9e6)]
    for series in grows:
        series[:50] = [(x, y - 1e7) for x, y in series[:50]]  # the warm-up climbs steeply
    found = slope(grows)
    assert found["bytes_per_paper"] == pytest.approx(50, abs=3 * found["standard_error"])
    flat = slope([[(x, 5e6 + chance.gauss(0, 10)) for x in range(0, 3000, 10)]])
    assert abs(flat["bytes_per_paper"]) < 4 * flat["standard_error"]
    assert math.isnan(slope([[(1, 1)]])["bytes_per_paper"])


def test_ids_are_valid_and_distinct() -> None:
    ids = list(id_stream(200_000))
    assert len(set(ids)) == len(ids)
    assert all(parse(each).canonical == each for each in ids[::9973])


def test_a_shelf_repeats_its_sources_pass_by_pass(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a", "b", "c"):
        (source / f"{name}.pdf").write_text(name)
    shelf = fill_shelf(tmp_path / "shelf", [source], 8)
    assert "".join(path.read_text() for path in shelf.files) == "abcabcab"
    assert (len(shelf.passes(1).ids), len(shelf.passes(2).ids), len(shelf.passes(9).ids)) == (3, 6, 8)
    with pytest.raises(FileNotFoundError, match="no PDF in"):
        fill_shelf(tmp_path / "other", [tmp_path / "nowhere"], 8)


def test_a_measured_command_counts_its_children(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    found = measure([sys.executable, "-c", parent], 10, tmp_path / "log")
    assert found.cpu_seconds > 0.2
    assert found.memory_peak_bytes > 0


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ContenderError, match="exit 3: no luck"):
        measure(["sh", "-c", "echo no luck; exit 3"], 1, tmp_path / "log")


def test_a_chart_is_svg_with_every_point() -> None:
    chart = line_chart("T <1>", "rows", "s", {"one": [(10, 1.0), (1000, 2.5)], "two": [(10, 0.0), (1000, 9.0)]})
    root = ElementTree.fromstring(chart)
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 4
    assert "T <1>" in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
