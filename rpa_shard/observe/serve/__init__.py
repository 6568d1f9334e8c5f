"""A page that shows a run live, and lets a person look at papers: one aiohttp application, for a browser.

Guarantee: reads only: answers GET and HEAD, and nothing that it serves loads anything from outside; texts and titles of
papers are data, never markup. Limit: plain HTTP; beyond this machine put a proxy with TLS in front of it.

`source` reads the folder, `live` tells all clients of a change, `papers` and `contents` answer questions about papers,
`guard` lets in whom it should, `application` puts them together, `server` listens.
"""
