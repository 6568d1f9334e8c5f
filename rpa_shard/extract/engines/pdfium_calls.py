"""PDFium's functions that are called for every line or character, without the cost of ctypes' conversions.

Guarantee: each does what PDFium's function of that name does. Limit: callers pass what C expects: pointers as
`c_void_p` or `byref`, ints as ints.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import PYFUNCTYPE, c_int, c_void_p, cast
from typing import Any

import pypdfium2.raw as c


def _keeping_the_gil(function: Any) -> Callable[..., int]:
    """A PDFium function that returns an int, called without releasing the GIL and without checks of its arguments.

    pypdfium2's own releases the GIL at each call and converts each argument to its declared type. With three calls per
    line that takes most of their time, and each call competes with the loop for the GIL. These calls are too short to
    be worth it.
    """
    address = cast(function, c_void_p).value
    assert address is not None
    return PYFUNCTYPE(c_int)(address)


char_origin = _keeping_the_gil(c.FPDFText_GetCharOrigin)
loose_char_box = _keeping_the_gil(c.FPDFText_GetLooseCharBox)
character_at = _keeping_the_gil(c.FPDFText_GetCharIndexFromTextIndex)
count_rectangles = _keeping_the_gil(c.FPDFText_CountRects)
rectangle = _keeping_the_gil(c.FPDFText_GetRect)
