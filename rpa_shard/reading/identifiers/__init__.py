"""What a text names: `find` gives the arXiv ids, DOIs and URLs in it, `arxiv_names` and `dois` know their grammars."""
