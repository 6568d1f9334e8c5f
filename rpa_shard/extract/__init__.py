"""From a PDF to everything that can be found in it.

`engines` read PDFs, `runner` makes of one document a `result`; `pool` does that off the loop, `child` in a process that
may be killed.
"""
