"""PDFium's functions that are called for every line or character, without the cost of ctypes' conversions.

Guarantee: each does what PDFium's function of that name does. Limit: callers pass what C expects: pointers as
`c_void_p` or `byref`, ints as ints.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import PYFUNCTYPE, c_float, c_int, c_ulong, c_void_p, cast
from typing import Any

import pypdfium2.raw as c


def keeping_the_gil(function: Any, returns: Any = c_int) -> Callable[..., Any]:
    """A PDFium function, called without releasing the GIL and without checks of its arguments.

    pypdfium2's own releases the GIL at each call and converts each argument to its declared type. With three calls per
    line that takes most of their time, and each call competes with the loop for the GIL. These calls are too short to
    be worth it.
    """
    address = cast(function, c_void_p).value
    assert address is not None
    return PYFUNCTYPE(returns)(address)


char_origin = keeping_the_gil(c.FPDFText_GetCharOrigin)
char_box = keeping_the_gil(c.FPDFText_GetCharBox)
loose_char_box = keeping_the_gil(c.FPDFText_GetLooseCharBox)
character_at = keeping_the_gil(c.FPDFText_GetCharIndexFromTextIndex)
count_rectangles = keeping_the_gil(c.FPDFText_CountRects)
rectangle = keeping_the_gil(c.FPDFText_GetRect)
is_unmapped = keeping_the_gil(c.FPDFText_HasUnicodeMapError)
angle_of = keeping_the_gil(c.FPDFText_GetCharAngle, c_float)
unicode_of = keeping_the_gil(c.FPDFText_GetUnicode)
font_info = keeping_the_gil(c.FPDFText_GetFontInfo, c_ulong)
