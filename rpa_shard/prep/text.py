"""Raw text of engines made valid, pages made one text.

Guarantee: pure; what comes out encodes to strict UTF-8 and holds no lone surrogate, NUL, U+FFFE, U+0002 or carriage
return; cleaning twice is cleaning once. Limit: faithful otherwise: no ligature is spelled out, no hyphen joined, no
normal form applied (NFKC would turn 10² into 102).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Below this a page has no text layer worth the name: a scan often carries a stamp or a running head.
SCANNED_PAGE_CHARACTERS = 50

# PDFium marks a line that ends in a hyphen by U+FFFE (whole pages) or U+0002 (rectangles), in place of hyphen and
# line end.
_TABLE = str.maketrans(
    {
        "\ufffe": "-\n",
        "\u0002": "-\n",
        "\r": "\n",
        "\uffff": None,
        "\ufeff": None,
        **{chr(code): None for code in range(32) if chr(code) not in "\n\t\r\u0002"},
        "\u007f": None,
    }
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_page(text: str) -> str:
    """One page's text from an engine as valid text."""
    if _SURROGATE.search(text):
        # Pairs that were split are joined, lone halves become U+FFFD.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\r\n", "\n").translate(_TABLE)


def as_blocks(pages: Sequence[str]) -> str:
    """All pages as one text: `[PAGE n]` and the page's text, in order, blank lines in between."""
    return "\n\n".join(f"[PAGE {number}]\n{page}".rstrip() for number, page in enumerate(pages, 1)) + "\n"


def needs_ocr(pages: Sequence[str]) -> bool:
    """Whether most pages have no text layer worth the name.

    The rule follows olmOCR's gate (few characters a page mean a scan) in a milder form: title slides are short, too.
    """
    scanned = sum(len(page.strip()) < SCANNED_PAGE_CHARACTERS for page in pages)
    return scanned > len(pages) / 2
