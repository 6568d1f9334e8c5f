"""The wrap phase: limitations and tags, a judge, at most one repair, and then the report."""
