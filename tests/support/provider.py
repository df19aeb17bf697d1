"""An identity provider: its keys, and the tokens that it signs."""

from __future__ import annotations

import time
from typing import Any

import pytest

jwt = pytest.importorskip("jwt", reason="the extra `tokens` is missing: pip install 'pyjwt[crypto]'")

from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402

ISSUER, AUDIENCE = "https://login.acme.example", "somagent-acme"
PRIVATE = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "other": ed25519.Ed25519PrivateKey.generate(),
}
HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Identity\nspec:\n"
TOKENS = f"  tokens:\n    issuer: {ISSUER}\n    audience: {AUDIENCE}\n    keys: [login.pem]\n"


def public(name: str) -> bytes:
    """The public key as PEM."""
    return (
        PRIVATE[name]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def signed(key: str = "ed25519", *, algorithm: str = "EdDSA", kid: str | None = None, **claims: Any) -> str:
    """A token of ana's for an hour; a claim that is None is left out."""
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "iat": now, "exp": now + 3600, "jti": "t-1"}
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    token: str = jwt.encode(said, PRIVATE[key], algorithm=algorithm, headers={"kid": kid} if kid else None)
    return token
