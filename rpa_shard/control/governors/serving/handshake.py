"""How a node and the node that governs show each other that both know the secret of the epoch.

Guarantee: the secret never travels; each side proves that it knows it for this connection alone. Limit: what follows is
neither encrypted nor signed: the network between the nodes must be one that is trusted.
"""

from __future__ import annotations

import hmac
import secrets
import time

from rpa_shard.ipc.node_messages import Challenge, Hello, Welcome


class HandshakeError(Exception):
    """The other side does not know the secret of this epoch, or speaks another language."""


def challenge() -> Challenge:
    """What the governing node begins with."""
    return Challenge(secrets.token_hex(16))


def hello(
    secret: str, challenged: Challenge, node: str, policies: tuple[str, ...] = (), models: tuple[str, ...] = ()
) -> Hello:
    """A node's answer."""
    nonce = secrets.token_hex(16)
    proof = _proof(secret, "node", challenged.nonce, nonce, node)
    return Hello(node, nonce, proof, time.monotonic(), policies, models)


def welcome(secret: str, challenged: Challenge, said: Hello) -> Welcome:
    """The governing node's answer to a node that it believes. Raises HandshakeError."""
    if not hmac.compare_digest(said.proof, _proof(secret, "node", challenged.nonce, said.nonce, said.node)):
        raise HandshakeError(f"node {said.node!r:.80} does not know the secret of this epoch")
    return Welcome(_proof(secret, "governor", said.nonce, challenged.nonce, said.node), time.monotonic())


def check(secret: str, challenged: Challenge, said: Hello, welcomed: Welcome) -> None:
    """The node's look at that. Raises HandshakeError."""
    if not hmac.compare_digest(welcomed.proof, _proof(secret, "governor", said.nonce, challenged.nonce, said.node)):
        raise HandshakeError("what listens there does not know the secret of this epoch")


def _proof(secret: str, *parts: str) -> str:
    return hmac.digest(secret.encode(), "\n".join(parts).encode(), "sha256").hex()
