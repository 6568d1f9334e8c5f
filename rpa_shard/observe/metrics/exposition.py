"""Metrics as text, in the two forms that Prometheus and its exporters read.

Guarantee: pure; label values may hold any text; a family without samples is left out. Limit: no timestamps, exemplars
or units, which the node exporter does not take.

OpenMetrics is what Prometheus prefers. The node exporter's textfile collector reads the older text format only, which
has no end mark, no type for constant information, and types a counter by its complete name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Kind(StrEnum):
    """The types of metrics, as OpenMetrics calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    INFO = "info"


# What is added to a family's name for its only kind of sample.
_ENDINGS = {Kind.COUNTER: "_total", Kind.INFO: "_info"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure. `suffix` is that of a histogram's samples, otherwise empty."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name without `_total` and `_info`, and all its samples."""

    name: str
    kind: Kind
    help: str
    samples: tuple[Sample, ...]

    @property
    def sample_name(self) -> str:
        """What a person asks Prometheus for."""
        return self.name + _ENDINGS.get(self.kind, "")


def open_metrics(families: Iterable[Family]) -> str:
    """The metrics as OpenMetrics."""
    return "".join(f"{line}\n" for each in families for line in _lines(each, each.name, each.kind)) + "# EOF\n"


def text_format(families: Iterable[Family]) -> str:
    """The metrics in the older text format."""
    return "".join(
        f"{line}\n"
        for each in families
        for line in _lines(each, each.sample_name, Kind.GAUGE if each.kind is Kind.INFO else each.kind)
    )


def _lines(family: Family, name: str, kind: Kind) -> Iterator[str]:
    if not family.samples:
        return
    yield f"# HELP {name} {_escaped(family.help)}"
    yield f"# TYPE {name} {kind}"
    for sample in family.samples:
        labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in sample.labels.items())
        yield f"{family.sample_name}{sample.suffix}{f'{{{labels}}}' if labels else ''} {number(sample.value)}"


def _escaped(text: str) -> str:
    text = text.encode(errors="backslashreplace").decode()
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A number as Prometheus reads it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
