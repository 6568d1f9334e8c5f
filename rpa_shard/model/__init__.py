"""The vocabulary of the complete program. Pure; imports no other part of it.

`phase` has the phases and statuses, `failure` and `retry` what goes wrong and what follows from it, `arxiv_id` the
identifiers, `paper` the claim, `partition` which worker and shard a paper belongs to, `errors` the errors that a person
can act on.
"""
