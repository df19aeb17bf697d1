"""A log in which each entry holds the hash of the one before it: none is changed, taken out or put in unseen.

An entry is one line: a canonical JSON object (RFC 8785) with `seq`, counted from 1, `prev`, the hash of the entry
before it, and `hash`, the SHA-256 of the entry's own canonical JSON without it. Whoever may write the whole log can
write another one from the beginning; only a hash that was noted elsewhere shows that, or that the end was cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from somagent.governance.canonical import canonical_json, digest_of

NO_HASH = ""  # what the first entry has as `prev`


class Checked(NamedTuple):
    """What was found: how many entries hold, the hash of the last of them, and what is wrong with the next one."""

    entries: int
    head: str
    fault: str = ""

    @property
    def said(self) -> str:
        """In words, when nothing is wrong."""
        return f"{self.entries:,} entr{'y' if self.entries == 1 else 'ies'}, each as it was written"


def chained(last: bytes | None, fields: Mapping[str, Any]) -> bytes:
    """The entry after `last` with these fields, as a line without its end."""
    before: dict[str, Any] = msgspec.json.decode(last) if last is not None else {"seq": 0, "hash": NO_HASH}
    entry = {**fields, "seq": before["seq"] + 1, "prev": before["hash"]}
    return canonical_json({**entry, "hash": digest_of(canonical_json(entry))})


def check_chain(lines: Iterable[bytes], noted: str = "") -> Checked:
    """Follows the chain up to the first entry that is not as it was written.

    With `noted`, the hash of an entry that was kept elsewhere, one of the entries must still have it.
    """
    seq, head, seen = 0, NO_HASH, not noted
    for line in lines:
        fault = _fault(line, seq + 1, head)
        if fault:
            return Checked(seq, head, f"entry {seq + 1}: {fault}")
        seq, head = seq + 1, msgspec.json.decode(line)["hash"]
        seen = seen or head == noted
    return Checked(seq, head, "" if seen else f"no entry has the hash {noted}: the log was cut off or written anew")


def _fault(line: bytes, seq: int, head: str) -> str:
    try:
        entry = msgspec.json.decode(line)
        if not isinstance(entry, dict) or not {"seq", "prev", "hash"} <= entry.keys():
            return "it has no `seq`, `prev` and `hash`"
        own = entry.pop("hash")
        sound = canonical_json({**entry, "hash": own}) == line and digest_of(canonical_json(entry)) == own
    except (msgspec.DecodeError, ValueError) as error:  # the latter: bytes that are no text, numbers without a form
        return f"it is not canonical JSON ({error})"
    if not sound:
        return "it was changed: its hash is not that of its content"
    if entry["seq"] != seq:
        return f"it is number {entry['seq']}: entries were taken out or put in"
    if entry["prev"] != head:
        return f"it does not follow the entry before it (`prev` is {entry['prev'] or 'empty'})"
    return ""
