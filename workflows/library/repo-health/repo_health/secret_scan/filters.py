"""Tells a credential from what only looks like one: placeholders, variables, names, paths, hashes, sequences."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter

from . import rules
from .rules import Rule

ALLOW_MARKERS = re.compile(
    rb"repo-health:\s?allow|gitleaks:\s?allow|pragma: (?:allow|white)list secret|trufflehog:ignore"
)

_INVENTED = re.compile(
    rb"(?i)example|placeholder|redacted|xxxx|0123456789|1234567890|abcdefgh|(?:abc123){2}|deadbeef|cafebabe"
    rb"|(.)\1{5}|\*{3}|\.{3}|<[^>]*>|^[-_.x*]+$"
)
_INVENTED_GENERIC = re.compile(
    rb"(?i)changeme|change[_-]?(?:me|this|it)|dummy|fake|sample|insert|replace|your[_-]|my[_-]|todo|notreal|invalid"
    rb"|insecure"
    rb"|secret|passw|token|test|default|^(?:none|null|true|false|undefined)$"
)
_REFERENCE = re.compile(
    rb"[$%{(\[]\s*[\w.]|\$\{|\{\{|%[sdr(]|^\$|^[&*@!]\w|process\.env|os\.environ|getenv|\bself\.|\bthis\.|\bvars?\."
    rb"|\w\(|^env[.:]"
)
_NAME = re.compile(rb"^[A-Za-z]+(?:[ _./:-]?[A-Za-z]+)*[ _-]?\d{0,4}$")
_PATH_OR_ADDRESS = re.compile(rb"^(?:[a-z][a-z0-9+.-]*://|\.{0,2}/|~/|[A-Za-z]:\\|[\w.-]+/[\w./-]+\.\w{1,5}$)")
_UUID = re.compile(rb"(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
_VERSION = re.compile(rb"^v?\d+(?:[.:-]\d+)+\w*$")
# Words in a setting's name that say it holds something about a credential, not the credential.
_ABOUT = frozenset(
    b"""alg algorithm arn attribute attributes audience checksum class column count description digest dir enabled
    endpoint env error expires expiration expiry field fields file filename fingerprint format function handler hash
    hashed header help hint id ids index issuer label length limit manager message mode name names param params path
    pattern placeholder policy prefix provider ref regex required rotation schema scope scopes selector service size
    state status store suffix text title ttl type types uid uri uris url urls usage version""".split()
)
_WORD = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_COMMON_PASSWORDS = re.compile(
    rb"(?i)^(?:pass(?:word|wd|phrase)?|secret|pwd|admin|root|user|username|postgres(?:ql)?|mysql|redis|guest"
    rb"|rabbitmq|minio\w*|mongo\w*|"
    rb"changeme|test\w*|dev\w*|local\w*|foo\w*|bar\w*|token|x-oauth-basic|x-access-token|oauth2|\d{1,6})\d{0,4}$"
)
_KEY_LINE = re.compile(rb"[A-Za-z0-9+/]{40}")  # a line of a key has 64, or 70 in OpenSSH's form
# What may stand around a key's lines: its own headers, and how source code writes a text of many lines.
_AROUND_KEY = re.compile(rb"(?m)^[A-Za-z-]{1,40}: .*$|\\[nr]|[\s\"'`+,;>#*/]")
_EXAMPLE_HOST = re.compile(
    rb"(?i)^(?:localhost|127\.|0\.0\.0\.0|(?:[\w-]+\.)*(?:example|test|invalid|localhost)(?:\.|$))"
)
_PATTERN_CHARACTERS = re.compile(rb"[\[\](){}|\\^*]")


def entropy(value: bytes) -> float:
    """Shannon entropy of the value's bytes, in bits per character."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) if total else 0.0


def is_credential(rule: Rule, match: re.Match[bytes]) -> bool:
    """Whether what the rule matched is likely real."""
    value = match["secret"]
    if rule is rules.PRIVATE_KEY:
        return _is_key_body(value)
    if _INVENTED.search(value):
        return False
    if rule is rules.ADDRESS:
        return _is_password_in_address(match)
    if rule in (rules.QUOTED, rules.UNQUOTED):
        return _is_random_setting(match, rule)
    if rule.id == "json-web-token":
        return _is_jwt(value)
    return entropy(value) >= rule.entropy


def key_body(value: bytes) -> bytes:
    """A private key without line ends, quotes and indentation, so that equal keys compare equal."""
    return re.sub(rb"\\[nr]|[^A-Za-z0-9+/=]", b"", value)


def _is_key_body(value: bytes) -> bool:
    written = _AROUND_KEY.sub(b"", value)
    body = key_body(written)
    if not _KEY_LINE.search(value) or len(body) < 0.95 * len(written):
        return False
    return len(body) >= 64 and entropy(body) >= rules.PRIVATE_KEY.entropy


def _is_password_in_address(match: re.Match[bytes]) -> bool:
    value, user, host = match["secret"], match["user"], match["host"]
    if value.lower() == user.lower() or _COMMON_PASSWORDS.match(value) or _INVENTED_GENERIC.search(value):
        return False
    if (
        _REFERENCE.search(value)
        or _PATTERN_CHARACTERS.search(value + user)
        or b"$" in user
        or _EXAMPLE_HOST.match(host)
    ):
        return False
    if b"." not in host:  # a name inside one network: a simple password there is a development default
        return _is_mixed(value) and entropy(value) >= rules.QUOTED.entropy
    return entropy(value) >= rules.ADDRESS.entropy


def _is_random_setting(match: re.Match[bytes], rule: Rule) -> bool:
    value = match["secret"]
    suffix = _suffix(match, rule)
    if suffix is None or any(word.lower() in _ABOUT for word in _WORD.findall(suffix)):
        return False
    if _INVENTED_GENERIC.search(value) or _REFERENCE.search(value):
        return False
    if any(form.search(value) for form in (_NAME, _PATH_OR_ADDRESS, _UUID, _VERSION)):
        return False
    if not _is_mixed(value):
        return False
    is_hex = re.fullmatch(rb"(?i)[0-9a-f]{32,}", value)
    return entropy(value) >= (3.0 if is_hex else rule.entropy)


def _suffix(match: re.Match[bytes], rule: Rule) -> bytes | None:
    """What follows the credential's name in the setting's name; None when the setting has no such name."""
    if rule is rules.UNQUOTED:
        return match["suffix"]
    start = match.start()
    named = rules.NAME_BEFORE.search(match.string, max(start - rules.NAME_REACH, 0), start)
    return named["suffix"] if named else None


def _is_mixed(value: bytes) -> bool:
    return bool(re.search(rb"[A-Za-z]", value) and re.search(rb"\d", value))


def _is_jwt(value: bytes) -> bool:
    head = value.split(b".")[0]
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return False
