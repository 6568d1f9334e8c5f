"""What is made of a document that an engine read: pure logic, no engine, no file, no clock.

`document` is what an engine reads; `raw` makes the faithful text, `lines` its lines with their places, `furniture`
finds what repeats on every page, `paragraphs` where they begin, `clean` makes the text for reading and models by
`joining` and `spelling`; `sections`, `stamp`, `metadata`, `quality` say what can be told of it, `identifiers` finds
arXiv ids, DOIs and URLs, `references` the bibliography.
"""
