"""Scans one piece of text. The value leaves only as a digest that tells equal secrets apart within this process."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..languages import GENERATED, VENDORED, language_of, role_of
from . import rules
from .filters import ALLOW_MARKERS, is_credential, key_body
from .rules import RULES, Rule

_SALT = os.urandom(16)  # so that a digest says nothing outside this process
_SETTINGS = re.compile(
    r"(?:^|/)(?:\.env[^/]*|[^/]*\.(?:env|ini|cfg|conf|config|properties|ya?ml|toml|tfvars|envrc|npmrc|pypirc|netrc)"
    r"|\.(?:npmrc|pypirc|netrc|envrc|htpasswd)|(?:docker|container)file[^/]*|credentials)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A credential: what kind, where (line from 1 within the text), how long; `same` is equal for equal values."""

    rule: Rule
    line: int
    length: int
    same: bytes
    encrypted: bool  # a private key that a passphrase protects
    allowed: bool  # the line carries an allow marker


def scan(text: bytes, path: str) -> Iterator[Hit]:
    """All credentials in the text; `path` decides which rules suit."""
    candidates = list(_candidates(text))
    if not candidates:
        return
    own = role_of(path, language_of(path)) not in (GENERATED, VENDORED)
    settings = bool(_SETTINGS.search(path))
    taken: set[int] = set()  # lines where a rule has found something; one thing is not reported twice
    for rule in candidates:
        generic = rule in (rules.QUOTED, rules.UNQUOTED)
        if generic and (not own or (rule is rules.UNQUOTED and not settings)):
            continue
        for match in rule.pattern.finditer(text):
            if not is_credential(rule, match):
                continue
            line = text.count(b"\n", 0, match.start("secret")) + 1
            if rule is rules.PRIVATE_KEY:
                line = text.count(b"\n", 0, match.start()) + 1
            if generic and line in taken:
                continue
            taken.add(line)
            value = key_body(match["secret"]) if rule is rules.PRIVATE_KEY else match["secret"]
            yield Hit(
                rule=rule,
                line=line,
                length=len(value),
                same=hashlib.blake2b(value, key=_SALT, digest_size=16).digest(),
                encrypted=rule is rules.PRIVATE_KEY and _is_encrypted(match),
                allowed=bool(ALLOW_MARKERS.search(_line_at(text, match.start(), match.end()))),
            )


def _candidates(text: bytes) -> Iterator[Rule]:
    lowered = text.lower()
    for rule in RULES:
        haystack = lowered if rule.any_case else text
        if any(word in haystack for word in rule.keywords):
            yield rule


def _is_encrypted(match: re.Match[bytes]) -> bool:
    return b"ENCRYPTED" in match["kind"] or b"ENCRYPTED" in match["secret"][:200]


def _line_at(text: bytes, start: int, end: int) -> bytes:
    first = text.rfind(b"\n", 0, start) + 1
    last = text.find(b"\n", end if end - start < 400 else start)
    return text[first : last if last >= 0 else len(text)]
