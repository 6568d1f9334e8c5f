"""The vocabulary of the whole program. Pure, and imports nothing else of it.

`phase` has the phases and statuses, `failure` and `retry` what goes wrong and what follows from it, `arxiv_id` the
identifiers, `paper` the claim, `partition` who works on which paper, `errors` the errors that a person can act on.
"""
