"""The prep phase: from an id to a PDF, its text, its references and the record of it all.

`pipeline` is one paper's way through it; `sources`, `transport` and `download` get the PDF; `engines` read it,
`extract` makes of it what `rpa_shard.reading` can tell, `record` is what is kept; `extraction_pool` runs that off the
loop, `extract_child` in a process that may be killed; `artifacts` writes the files.
"""
