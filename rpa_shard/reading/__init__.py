"""From the pages that an engine read to text, references and figures: pure logic, no engine, no file, no clock.

`document` is what an engine returns; `raw` makes the faithful text, `lines` its lines with their places, `furniture`
finds what repeats on every page, `paragraphs` where paragraphs begin, `clean` makes the text for reading and models
with `joining` and `spelling`; `order/` puts it into the order of reading; `sections`, `stamp`, `metadata` and
`quality/` describe the paper, `identifiers/` finds arXiv ids, DOIs and URLs, `references/` the bibliography; `roman`
reads Roman numerals. `frame` knows how a PDF's file must begin and end.
"""
