"""JSON Web Tokens (RFC 7519): believed when a trusted key signed them, for us, and now.

The key decides which algorithms are taken, never the token's own header (RFC 8725, section 3.1); so `none` and a public
key taken for a shared secret cannot pass. PyJWT holds signature and claims, `cryptography` does the arithmetic.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from msgspec import UNSET

from somagent.operators.names import name_fault
from somagent.workflows.identity.document import IdentityRefused, TokenTrust

try:
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
except ImportError:
    install = f"{sys.executable} -m pip install 'pyjwt[crypto]'"
    raise IdentityRefused(f"tokens need PyJWT and cryptography (the extra `tokens`): {install}") from None

LEEWAY_S = 30  # clocks of issuers and machines are never quite the same
_LEAST_RSA_BITS = 2048
_LONGEST = 65_536
_OF_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_OF_RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


# OpenID Connect Core 1.0, section 5.1; `sub` may be another one for each program that asks (section 8.1).
_OF_A_PERSON = ("sub", "email", "preferred_username")


class Claims(NamedTuple):
    """What a token says, and is believed."""

    name: str
    groups: tuple[str, ...]
    id: str
    aliases: tuple[str, ...]


class _Key(NamedTuple):
    id: str | None
    key: Any
    algorithms: list[str]


def verified(token: str, trust: TokenTrust, files: Mapping[str, bytes]) -> Claims:
    """What the token says; raises `IdentityRefused`, which never shows the token."""
    keys = [key for name, content in files.items() for key in _keys(name, content)]
    if len(token) > _LONGEST:
        raise _refused("it is longer than 64 KiB")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise _refused("it is no JSON Web Token") from None
    claims = _claims(token, header, trust, keys)
    if trust.tenant is not UNSET and claims.get("tenant") != trust.tenant:
        raise _refused(f"it is of tenant {_said(claims.get('tenant'))}, and runs here are of `{trust.tenant}`")
    name, groups = claims.get(trust.person), claims.get(trust.groups, [])
    if not isinstance(name, str) or name_fault(name):
        raise _refused(f"its claim `{trust.person}` is {_said(name)}, which is no name")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise _refused(f"its claim `{trust.groups}` is not a list of names")
    said = [claims.get(one) for one in _OF_A_PERSON]
    aliases = tuple(dict.fromkeys(one for one in said if isinstance(one, str) and one not in {"", name}))
    return Claims(name, tuple(groups), str(claims.get("jti", "")), aliases)


def _claims(token: str, header: Mapping[str, Any], trust: TokenTrust, keys: list[_Key]) -> dict[str, Any]:
    kid, algorithm = header.get("kid"), header.get("alg")
    named = [key for key in keys if key.id is not None and key.id == kid]
    candidates = named or [key for key in keys if key.id is None or kid is None]
    if not candidates:
        raise _refused(f"it is signed with a key that is not trusted here (`kid` {_said(kid)})")
    fitting = [key for key in candidates if algorithm in key.algorithms]
    if not fitting:
        taken = sorted({one for key in candidates for one in key.algorithms})
        raise _refused(f"it is signed by {_said(algorithm)}; these keys sign by {', '.join(taken)}")
    for key in fitting:
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=key.algorithms,
                audience=trust.audience,
                issuer=trust.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", trust.person]},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:  # of the claims: the signature is held before them
            raise _refused(_why(error, token, trust)) from None
    raise _refused("its signature is of no key that is trusted here: it was altered, or somebody else signed it")


def _why(error: jwt.PyJWTError, token: str, trust: TokenTrust) -> str:
    claims: dict[str, Any] = {}
    if not isinstance(error, jwt.DecodeError):
        claims = jwt.decode(token, options={"verify_signature": False})
    match error:
        case jwt.ExpiredSignatureError():
            return f"it expired at {_time(claims['exp'])}; get a new one"
        case jwt.ImmatureSignatureError():
            return f"it is not valid before {_time(claims.get('nbf', claims.get('iat')))}"
        case jwt.InvalidAudienceError():
            return f"it is meant for {_said(claims.get('aud'))}, not for `{trust.audience}`"
        case jwt.InvalidIssuerError():
            return f"it was issued by {_said(claims.get('iss'))}, not by `{trust.issuer}`"
        case jwt.MissingRequiredClaimError():
            return f"it has no claim `{error.claim}`"
        case _:
            return str(error)[:1].lower() + str(error)[1:]


def _keys(name: str, content: bytes) -> Iterator[_Key]:
    try:
        if name.endswith(".pem"):
            yield _ready(None, load_pem_public_key(content))
            return
        for described in json.loads(content)["keys"]:
            if described.get("use", "sig") == "sig":
                yield _ready(described.get("kid"), jwt.PyJWK(described).key)
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        why = "it is a private key; put the public one there" if b"PRIVATE KEY" in content else str(error)
        raise IdentityRefused(f"the key file {name} cannot be used: {why}") from None


def _ready(kid: str | None, key: Any) -> _Key:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _Key(kid, key, ["EdDSA"])
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _LEAST_RSA_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits is too short; {_LEAST_RSA_BITS} are needed")
        return _Key(kid, key, _OF_RSA)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _OF_CURVE:
        return _Key(kid, key, [_OF_CURVE[key.curve.name]])
    raise ValueError("it is no public key of Ed25519, RSA, P-256, P-384 or P-521")


def _refused(why: str) -> IdentityRefused:
    return IdentityRefused(f"the token is refused: {why}")


def _time(seconds: Any) -> str:
    return f"{datetime.fromtimestamp(float(seconds), UTC):%Y-%m-%d %H:%M:%S %Z}"


def _said(value: Any) -> str:
    if value is None:
        return "nobody"
    return f"`{(value if isinstance(value, str) else json.dumps(value))[:80]}`"
