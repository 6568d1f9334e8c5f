"""The prep phase: from an id to a PDF, its text, its references and the record of it all.

`definition` is what a shard gets of it, `runner` one paper's way through it; `record` is what is kept beside the text,
`result` what the row keeps of that, `artifacts` writes the files.
"""
