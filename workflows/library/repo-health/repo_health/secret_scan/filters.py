"""Tells a credential from what only looks like one: placeholders, variables, names, paths, hashes, sequences."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter

from repo_health.secret_scan import rules
from repo_health.secret_scan.rules import Rule

ALLOW_MARKERS = re.compile(
    rb"repo-health:\s?allow|gitleaks:\s?allow|pragma: (?:allow|white)list secret|trufflehog:ignore"
)

_INVENTED = re.compile(
    rb"(?i)example|placeholder|redacted|xxxx|0123456789|1234567890|abcdefgh|(?:abc123){2}|deadbeef|cafebabe"
    rb"|(.)\1{5}|\*{3}|\.{3}|<[^>]*>|^[-_.x*]+$"
)
_INVENTED_GENERIC = re.compile(
    rb"(?i)changeme|change[_-]?(?:me|this|it)|dummy|fake|sample|insert|replace|your[_-]|my[_-]|todo|notreal|invalid|insecure"
    rb"|secret|passw|token|test|default|^(?:none|null|true|false|undefined)$"
)
_REFERENCE = re.compile(
    rb"[$%{(\[]\s*[\w.]|\$\{|\{\{|%[sdr(]|^\$|^[&*@!]\w|process\.env|os\.environ|getenv|\bself\.|\bthis\.|\bvars?\.|\w\(|^env[.:]"
)
_NAME = re.compile(rb"^[A-Za-z]+(?:[ _./:-]?[A-Za-z]+)*[ _-]?\d{0,4}$")
_PATH_OR_ADDRESS = re.compile(rb"^(?:[a-z][a-z0-9+.-]*://|\.{0,2}/|~/|[A-Za-z]:\\|[\w.-]+/[\w./-]+\.\w{1,5}$)")
_UUID = re.compile(rb"(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
_VERSION = re.compile(rb"^v?\d+(?:[.:-]\d+)+\w*$")
_ABOUT = re.compile(
    rb"(?i)^[_.-]?(?:s?[_.-]?(?:ur[il]s?|endpoint|name|names|id|ids|uid|path|file|filename|dir|type|types|field|length|len|size|header|param"
    rb"|label|hint|regex|pattern|expir\w*|ttl|env|prefix|suffix|placeholder|policy|version|count|limit|budget|schema|format|algorithm|alg"
    rb"|hash|hashed|digest|checksum|fingerprint|class|provider|store|ref|arn|selector|attribute|column|index|issuer|audience|scope|scopes"
    rb"|status|state|mode|usage|help|text|title|description|message|error|required|enabled|rotation|manager|service|function|handler))(?:[_.-]|$)"
)
_COMMON_PASSWORDS = re.compile(
    rb"(?i)^(?:pass(?:word|wd|phrase)?|secret|pwd|admin|root|user|username|postgres(?:ql)?|mysql|redis|guest|rabbitmq|minio\w*|mongo\w*|"
    rb"changeme|test\w*|dev\w*|local\w*|foo\w*|bar\w*|token|x-oauth-basic|x-access-token|oauth2|\d{1,6})\d{0,4}$"
)
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


def _is_key_body(value: bytes) -> bool:
    body = re.sub(rb"\\[nr]|[^A-Za-z0-9+/=]", b"", value)
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
    if _ABOUT.match(match["suffix"]) or _INVENTED_GENERIC.search(value) or _REFERENCE.search(value):
        return False
    if any(form.search(value) for form in (_NAME, _PATH_OR_ADDRESS, _UUID, _VERSION)):
        return False
    if not _is_mixed(value):
        return False
    is_hex = re.fullmatch(rb"(?i)[0-9a-f]{32,}", value)
    return entropy(value) >= (3.0 if is_hex else rule.entropy)


def _is_mixed(value: bytes) -> bool:
    return bool(re.search(rb"[A-Za-z]", value) and re.search(rb"\d", value))


def _is_jwt(value: bytes) -> bool:
    head = value.split(b".")[0]
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, TypeError):
        return False
