"""What was found in a document put into the order of reading, with offsets in its own raw text.

Guarantee: pure; everything but offsets stays as it is. Limit: the span of something that consists of several pieces of
the raw text goes from where its first piece begins to where the last of the pieces behind that ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rpa_shard.extract.result import Extraction
from rpa_shard.reading.clean import Span, TextLayout
from rpa_shard.reading.lines import Reading
from rpa_shard.reading.order.reordered import Reordered


def with_raw_offsets(found: Extraction, reordered: Reordered, reading: Reading) -> Extraction:
    """The extraction of the document as the engine read it, `reading`, from that of the reordered one."""
    references = []
    for each in found.references:
        start, end = reordered.raw_span(each.start, each.end)
        references.append(each._replace(start=start, end=end))
    sections = []
    for section in found.sections:
        start, end = reordered.raw_span(section.start, section.end)
        sections.append(replace(section, start=start, end=end))
    layout = found.layout
    return replace(
        found,
        text=reading.raw,
        page_offsets=reading.page_spans,
        references=tuple(references),
        sections=tuple(sections),
        citations=tuple(each._replace(offset=reordered.raw_start(each.offset)) for each in found.citations),
        layout=TextLayout(
            tuple(sorted({raw for span in layout.furniture for raw in reordered.raw_spans(*span)})),
            tuple(sorted({reordered.raw_start(each) for each in layout.paragraphs})),
            tuple(_order(layout.order, reordered)),
        ),
        flags=tuple(sorted({*found.flags, "reordered"})),
    )


def _order(moved: Sequence[Span], reordered: Reordered) -> Iterator[Span]:
    """The order of the lines of each page that is reordered, or on which notes were moved."""
    placed = 0
    for number, (_, end) in enumerate(reordered.reading.page_spans, 1):
        first = placed
        while placed < len(moved) and moved[placed][0] < end:
            placed += 1
        if placed > first:
            for span in moved[first:placed]:
                yield from reordered.raw_spans(*span)
        else:
            yield from reordered.order.get(number, ())
