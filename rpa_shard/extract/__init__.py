"""From a PDF to its text, references and figures.

`engines` read PDFs, `runner` turns one document into a `result`; `pool` does that off the loop, `child` in a process
that may be killed.
"""
