"""What people write for an arXiv paper: ids, URLs, DOIs, stamps, citations; `arxiv_id` is the entrance.

`grammar` says which ids exist, `sites` which hosts show arXiv's papers, `urls` and `text` find ids in what was written;
`other_urls` writes the URL of any other PDF.
"""
