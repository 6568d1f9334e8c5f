"""The bibliography of a document: where each entry begins, and what it names.

Guarantee: pure; entries are complete, in order, on one line, without running heads; their offsets point into the raw
text. Methods find where entries begin, in this order, and the result names the one used: `destinations` (the
named destinations that hyperref makes), `numbers` and `labels` (`[1]`, `1.`, `(1)`, `[Abc12]` at the beginnings of
lines), `author_year` (a heading, then hanging indents, gaps or names). Where there is no bibliography, `footnotes` are
looked through for references. Limit: what no method finds gives no entries; nothing is guessed from running text.

`by_destination`, `by_marker`, `by_indent` and `by_footnote` find the beginnings, `section` headings and ends, `entries`
the lines of each entry, `fields` what it names.
"""

from rpa_shard.reading.references.find import Bibliography, Reference, find_references

__all__ = ["Bibliography", "Reference", "find_references"]
