"""One PDF by itself: with a fresh child process for each engine, for suspects and for PDFs that nobody trusts.

Guarantee: an engine that hangs, dies or takes too much memory ends with its child, which has parsed nothing else and
parses nothing else; the paper is left to the next engine. Limit: a fifth of a second for each child.
"""

from __future__ import annotations

import threading
from contextlib import closing

from rpa_shard.extract.child import ExtractionChild
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.search import search_of, try_next
from rpa_shard.system.content import Content


def extract_alone(
    pdf: Content,
    engine: str,
    deadline_seconds: float,
    memory_limit_bytes: int,
    stop: threading.Event | None = None,
) -> Extraction:
    """Parses a PDF, with each engine of the choice `engine` within the deadline; blocks. Raises PaperError.

    Once another thread sets `stop`, the child is killed.
    """
    search = search_of(pdf, engine)
    while not search.is_over:
        with closing(ExtractionChild(memory_limit_bytes, stop)) as child:
            search = try_next(
                search,
                lambda name, content, pages: child.extract(content, name, deadline_seconds, pages),
                outlives_deaths=True,
            )
    return search.result()
