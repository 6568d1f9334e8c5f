"""`python -m rpa_shard.testing.llm_mirror PORT OPTIONS`: what `LlmMirrorProcess` starts."""

from rpa_shard.testing.llm_mirror.running import main

if __name__ == "__main__":
    main()
