"""Values of form fields that are kept with the fields' ancestors, for PDFium.

PDFium tells such a value only after it has read all fields of the document, in quadratic time; pypdf follows the one
field that matters. Few papers have such fields, and fewer without a drawing of the value.

Guarantee: pypdf is imported, and the file read again, only for the first such field; whatever pypdf raises is no value.
Limit: one thread of the process at a time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from rpa_shard.system.content import Readable, as_file


class FieldValues:
    """The values of the fields of one document."""

    def __init__(self, pdf: Readable) -> None:
        self._pdf = pdf
        self._pages: Any = None

    def value(self, page: int, annotation: int) -> str:
        """What the field of a page's annotation holds, both counted from 0; empty if pypdf cannot tell."""
        with suppress(Exception):  # pypdf raises whatever its parsing runs into
            from pypdf import PdfReader

            from rpa_shard.extract.engines.pypdf.annotations import field_value

            if self._pages is None:
                self._pages = ()
                self._pages = PdfReader(as_file(self._pdf), strict=False).pages
            return field_value(self._pages[page]["/Annots"][annotation].get_object())
        return ""
