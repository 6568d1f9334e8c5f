"""What `analyze` and `wrap` share: prompts, the document that a model is shown, checks, and the answers that are kept.

Both ask models about papers; neither knows how an endpoint is asked (`rpa_shard.llm`).
"""
