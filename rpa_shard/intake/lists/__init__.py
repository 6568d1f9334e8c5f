"""Lists of papers as people and programs keep them, in any format, encoding and compression.

`reading` is the entrance. `unpacking` gives the bytes, `decoding` the text, `formats` says what it is; `tables`,
`bibliographies` and `json_items` give the items of their formats, and `fields` finds the paper in an item's fields.
"""
