"""What a Python program uses: `read` parses one PDF, `open` gives the papers of a data folder.

Guarantee: everything exported here is typed, and may be used from several threads; nothing that is read changes. Limit:
synchronous (`rpa_shard.aio` is the same for asyncio); runs are started with the command, not from here.

`record` is what was found in a paper, `reading` makes it of a PDF, `report` is what models wrote about it; `paper` and
`corpus` are of a data folder. Programs import these names from `rpa_shard` itself.
"""

from rpa_shard.api.corpus import Corpus, open
from rpa_shard.api.paper import Metadata, Paper
from rpa_shard.api.reading import EngineChoice, Pdf, read
from rpa_shard.api.record import Document, Engine, Record, Timings
from rpa_shard.api.report import Analysis, CorpusSignals, PaperOfCorpus, Report, ShownDocument, Spent, WrittenSection
from rpa_shard.extract.result import AddedSpan, Citation, PageSize
from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.phase import Status
from rpa_shard.reading.clean import TextLayout
from rpa_shard.reading.quality.figures import Quality
from rpa_shard.reading.references import Reference
from rpa_shard.reading.sections import Section
from rpa_shard.reading.stamp import Stamp

__all__ = [
    "AddedSpan",
    "Analysis",
    "Citation",
    "Corpus",
    "CorpusSignals",
    "Document",
    "Engine",
    "EngineChoice",
    "Failure",
    "Metadata",
    "PageSize",
    "Paper",
    "PaperError",
    "PaperOfCorpus",
    "Pdf",
    "Quality",
    "Record",
    "Reference",
    "Report",
    "Section",
    "ShownDocument",
    "Spent",
    "Stamp",
    "Status",
    "StoreError",
    "TextLayout",
    "Timings",
    "WrittenSection",
    "open",
    "read",
]
