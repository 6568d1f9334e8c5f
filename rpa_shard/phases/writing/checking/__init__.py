"""Whether an answer may become a part of a report."""
