"""The order of reading, where it is not the order of drawing.

`columns` finds the columns of a page, `jumps` the pages whose lines jump between them, `reordered` puts a document in
order and leads back to its own offsets, `notes` moves footnotes and captions out of sentences.
"""
