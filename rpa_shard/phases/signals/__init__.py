"""What the corpus says of a paper: its neighbours, how often it is cited, what of the corpus it cites, and tags.

`signals` is the result, `reader` reads it from the index, and `opening` gives both to the runners of a shard. `index`
writes the file, `indexer` is the thread that does so, with `entries` out of records and `counting` over the complete
index. `terms` chooses words, `tags` makes and checks tags, and `stop_words` are those that say nothing.
"""
