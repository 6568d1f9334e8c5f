"""The analyze phase: several writers work on a paper at a time; it is done once all of its sections are there."""
