"""PDFium's functions that are called for every line, link or character, without the cost of ctypes' conversions.

Guarantee: each does what PDFium's function of that name does. Limit: callers pass what C expects: pointers as
`c_void_p`, `pointer_to` or `byref`, ints as ints; a pointer that is returned is an int, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, PYFUNCTYPE, addressof, c_float, c_int, c_ulong, c_void_p, cast
from typing import Any

import pypdfium2.raw as c


def keeping_the_gil(function: Any, returns: Any = c_int) -> Callable[..., Any]:
    """A PDFium function, called without releasing the GIL and without checks of its arguments.

    pypdfium2's own releases the GIL at each call and converts each argument to its declared type. With three calls per
    line that takes most of their time, and each call competes with the loop for the GIL. These calls are too short to
    be worth it.
    """
    return PYFUNCTYPE(returns)(_address_of(function))


def releasing_the_gil(function: Any, returns: Any = c_int) -> Callable[..., Any]:
    """A PDFium function whose calls may be long, called without checks of its arguments."""
    return CFUNCTYPE(returns)(_address_of(function))


def _address_of(function: Any) -> int:
    address = cast(function, c_void_p).value
    assert address is not None
    return address


def pointer_to(handle: Any) -> Any:
    """A handle of pypdfium2 as an argument for these functions. It does not keep the handle alive."""
    return c_void_p.from_param(addressof(handle.contents))


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
count_characters = keeping_the_gil(c.FPDFText_CountChars)
object_of_character = keeping_the_gil(c.FPDFText_GetTextObject, c_void_p)

page_width = keeping_the_gil(c.FPDF_GetPageWidthF, c_float)
page_height = keeping_the_gil(c.FPDF_GetPageHeightF, c_float)
count_objects = keeping_the_gil(c.FPDFPage_CountObjects)
page_object = keeping_the_gil(c.FPDFPage_GetObject, c_void_p)
form_object = keeping_the_gil(c.FPDFFormObj_GetObject, c_void_p)
object_kind = keeping_the_gil(c.FPDFPageObj_GetType)
object_matrix = keeping_the_gil(c.FPDFPageObj_GetMatrix)
object_bounds = keeping_the_gil(c.FPDFPageObj_GetBounds)
object_font_size = keeping_the_gil(c.FPDFTextObj_GetFontSize)
make_active = keeping_the_gil(c.FPDFPageObj_SetIsActive)

link_action = keeping_the_gil(c.FPDFLink_GetAction, c_void_p)
link_box = keeping_the_gil(c.FPDFLink_GetAnnotRect)
action_kind = keeping_the_gil(c.FPDFAction_GetType, c_ulong)
action_uri = keeping_the_gil(c.FPDFAction_GetURIPath, c_ulong)
point_of_destination = keeping_the_gil(c.FPDFDest_GetLocationInPage)

# These pass all annotations, names or pages.
count_annotations = releasing_the_gil(c.FPDFPage_GetAnnotCount)
next_link = releasing_the_gil(c.FPDFLink_Enumerate)
action_destination = releasing_the_gil(c.FPDFAction_GetDest, c_void_p)
link_destination = releasing_the_gil(c.FPDFLink_GetDest, c_void_p)
named_destination = releasing_the_gil(c.FPDF_GetNamedDest, c_void_p)
page_of_destination = releasing_the_gil(c.FPDFDest_GetDestPageIndex)
