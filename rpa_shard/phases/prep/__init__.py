"""The prep phase: from an id to a PDF, its text, its references and the record.

`definition` is what a shard knows of it, `runner` takes one paper through it; `record` is what is kept beside the text,
`result` what the row keeps of that, `artifacts` writes the files.
"""
