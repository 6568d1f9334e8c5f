"""An endpoint on loopback that speaks OpenAI's chat completions and batches, and that bites: limits and faults.

`answers` says what is answered, `server` when, `sending` how; `running` starts and ends it. Shipped with the package,
because users need it: for the demo, and to rehearse a large run without paying for it.
"""

from rpa_shard.testing.llm_mirror.batch import answer_batch_file
from rpa_shard.testing.llm_mirror.running import LlmMirror, LlmMirrorProcess, behaviour_of, serve
from rpa_shard.testing.llm_mirror.server import MODEL, Behaviour

__all__ = ["MODEL", "Behaviour", "LlmMirror", "LlmMirrorProcess", "answer_batch_file", "behaviour_of", "serve"]
