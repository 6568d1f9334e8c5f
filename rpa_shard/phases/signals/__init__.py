"""What the corpus says of a paper: its neighbours, how often it is cited, what of the corpus it cites, and tags."""
