"""Asking a model at an endpoint that speaks OpenAI's chat completions.

`question` says what is asked and what came back, `asking` gets a question answered: by the first model that may be
asked, once the governor allows it.
"""
