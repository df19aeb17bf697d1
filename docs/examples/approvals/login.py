"""What an identity provider does: `login.py NAME GROUP ...` prints a token for an hour; `login.pem` checks it."""

import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

key = Path("login.key")
if not key.exists():
    private = Ed25519PrivateKey.generate()
    key.touch(mode=0o600)
    key.write_bytes(private.private_bytes_raw())
    pem = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    Path("login.pem").write_bytes(private.public_key().public_bytes(*pem))
claims = {"iss": "https://login.acme.example", "aud": "somagent", "exp": int(time.time()) + 3600}
claims |= {"sub": sys.argv[1], "groups": sys.argv[2:]}
sys.stdout.write(jwt.encode(claims, Ed25519PrivateKey.from_private_bytes(key.read_bytes()), algorithm="EdDSA") + "\n")
