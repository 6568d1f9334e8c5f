"""PDFium, through pypdfium2: `engine` reads documents, the other modules each give one part of a page.

`calls` are PDFium's functions without the cost of ctypes' conversions; `crowding`, `places` and `pieces` look at where
text is, `shapes` gives shapeless text a shape, `annotations` and `drawings` read what is not a page's own content.
"""
