"""A language model with random weights, as a GGUF file: small, fast, and of no sense at all.

It prefers to end whatever it has begun, so that under a grammar it writes short JSON, which is complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

LAYERS, WIDTH, HEADS, CONTEXT_TOKENS = 1, 32, 2, 4096
# In SentencePiece's vocabulary: unknown, control, byte, normal.
_UNKNOWN, _CONTROL, _BYTE, _NORMAL = 2, 3, 6, 1
_ENDS = b'"}]'


def write_tiny_model(path: Path, seed: int = 0) -> None:
    """Writes the model. Needs the packages `gguf` and `numpy`."""
    import gguf
    import numpy as np

    writer, draw = gguf.GGUFWriter(str(path), "llama"), np.random.default_rng(seed)
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256)), "\u2581".encode()]
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, _NORMAL])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    def random(*shape: int) -> Any:
        return (draw.standard_normal(shape) * 0.1).astype(np.float32)

    embedding, output = random(len(tokens), WIDTH), random(len(tokens), WIDTH)
    embedding[:, 0] = 3.0  # what every state has in common, and what ends prefer
    for byte in _ENDS:
        output[3 + byte, 0] = 5.0
    weights = {"token_embd": embedding, "output": output}
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weights[f"blk.0.{name}"] = random(WIDTH, WIDTH)
    weights |= {f"blk.0.ffn_{name}": random(2 * WIDTH, WIDTH) for name in ("gate", "up")}
    weights["blk.0.ffn_down"] = random(WIDTH, 2 * WIDTH)
    weights |= {name: np.ones(WIDTH, np.float32) for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")}
    for name, weight in weights.items():
        writer.add_tensor(f"{name}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
