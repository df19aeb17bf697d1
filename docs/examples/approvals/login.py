"""What an identity provider does: `login.py NAME:GROUP ...` writes a token for each; `login.pem` checks them."""

import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

key = Ed25519PrivateKey.generate()
pem = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
Path("login.pem").write_bytes(key.public_key().public_bytes(*pem))
for name, group in (one.split(":") for one in sys.argv[1:]):
    claims = {"iss": "https://login.acme.example", "aud": "somagent", "exp": int(time.time()) + 3600}
    token = Path(f"{name}.token")
    token.touch(mode=0o600)
    token.write_text(jwt.encode(claims | {"sub": name, "groups": [group]}, key, algorithm="EdDSA"))
