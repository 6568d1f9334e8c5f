"""rpa_shard: takes papers from ids to text and references.

    import rpa_shard

    record = rpa_shard.read("paper.pdf")        # one PDF: its text, references, sections
    corpus = rpa_shard.open("data")             # the papers of a data folder
    record = await rpa_shard.aio.read(...)      # the same for asyncio

The promise of a run: after any process dies for any reason, running the program again loses no paper, repeats no
finished paper, and never exceeds a source's rate.
"""

from typing import TYPE_CHECKING

__version__ = "0.2.0.dev0"

if TYPE_CHECKING:
    from rpa_shard import aio as aio
    from rpa_shard.api import Analysis as Analysis
    from rpa_shard.api import Corpus as Corpus
    from rpa_shard.api import Failure as Failure
    from rpa_shard.api import Metadata as Metadata
    from rpa_shard.api import Paper as Paper
    from rpa_shard.api import PaperError as PaperError
    from rpa_shard.api import Record as Record
    from rpa_shard.api import Reference as Reference
    from rpa_shard.api import Report as Report
    from rpa_shard.api import Section as Section
    from rpa_shard.api import Status as Status
    from rpa_shard.api import StoreError as StoreError
    from rpa_shard.api import open as open
    from rpa_shard.api import read as read

# Loaded when they are first used, so that the command starts fast.
_API = (
    "Analysis", "Corpus", "Failure", "Metadata", "Paper", "PaperError", "Record", "Reference", "Report", "Section",
    "Status", "StoreError", "open", "read",
)  # fmt: skip

__all__ = [*_API, "__version__", "aio"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "aio":
        return import_module("rpa_shard.aio")
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("rpa_shard.api"), name)


def __dir__() -> list[str]:
    return [*globals(), *_API, "aio"]
