"""The frame of a PDF file: whether all of it is there, and how it can be read although the frame is damaged.

A download is cut when it is shorter than announced. Where nothing announces a length (a file, a member of an archive, a
server that only closes), the end marker tells; a file that lost its marker may still be complete, and an engine may
read it, but a part of a paper must never pass for the paper.

Guarantee: pure; a file that was cut anywhere but after its last object is not whole. Limit: what is packed in streams
is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEADER, _END_MARKER = b"%PDF-", b"%%EOF"
_PADDING = b"\0 \t\r\n"
_LINEARIZED = re.compile(rb"/Linearized.{0,300}?/L\s+(\d+)", re.DOTALL)
_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})\s+\d{1,5}\s+obj\b")
_REFERENCE = re.compile(rb"(?<!\d)(\d{1,10})\s+\d{1,5}\s+R\b")
_START = re.compile(rb"startxref\s+\d+\s*[%EOF]{0,5}\s*\Z")
_NUMBER = re.compile(rb"(\d{1,10})\s+(\d{1,5})\s*\Z")
_ROOT = re.compile(rb"/Root\s+(\d{1,10})\s+(\d{1,5})\s+R")
_OBJECT_HEAD_BYTES = 4096
_HEAD_BYTES = 2048
# An end marker with its line ends, for files that tell their length.
_MARKER_BYTES = 16


def is_whole(pdf: bytes) -> bool:
    """Whether all of a PDF is there, with or without an end marker at its end."""
    announced = _LINEARIZED.search(pdf[:_HEAD_BYTES])
    if announced is not None and int(announced[1]) > len(pdf) + _MARKER_BYTES:
        return False
    marker = pdf.rfind(_END_MARKER)
    if marker >= 0 and _OBJECT.search(pdf, marker) is None:
        return True  # something else was appended
    end = pdf.rstrip(_PADDING)
    if _START.search(end[-_HEAD_BYTES:]):
        return True  # only the marker is missing
    has_ended = end.endswith(b"endobj") or (end.endswith(b">>") and end.rfind(b"trailer") > end.rfind(b"endobj"))
    return has_ended and _has_all_objects(end)


def _has_all_objects(pdf: bytes) -> bool:
    """Whether every object that another one names is there; not if objects are packed, where that cannot be seen."""
    if b"/ObjStm" in pdf or b"/Catalog" not in pdf:
        return False
    return set(map(int, _REFERENCE.findall(pdf))) <= set(map(int, _OBJECT.findall(pdf)))


def repaired(content: bytes) -> Iterator[bytes]:
    """A PDF's content as an engine may read it that refused the file, the least change first; nothing if it was cut."""
    header = content.find(_HEADER)
    if header < 0 or not is_whole(content):
        return
    if header > 0:
        content = content[header:]
        yield content
    root = _root(content)
    if root is not None and _has_all_objects(content):
        yield content + b"\ntrailer\n<< /Root %d %d R >>\nstartxref\n0\n%%%%EOF\n" % root


def _root(content: bytes) -> tuple[int, int] | None:
    """The number and generation of the document's catalog: the last one, in a file that was changed."""
    catalog = content.rfind(b"/Catalog")
    if catalog >= 0:
        head = content.rfind(b"obj", max(0, catalog - _OBJECT_HEAD_BYTES), catalog)
        found = _NUMBER.search(content, max(0, head - 24), head) if head >= 0 else None
        if found is not None:
            return int(found[1]), int(found[2])
    named = _ROOT.findall(content)
    return (int(named[-1][0]), int(named[-1][1])) if named else None
