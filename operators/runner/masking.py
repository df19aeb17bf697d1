"""Takes the values of secrets out of what a process prints, in the forms that programs give them by themselves.

Looked for are each value and its lines of four characters and more: as they stand, as JSON writes them, percent-encoded
as in a URL, in hexadecimal, and in Base64 at each of the three places that a value can have in a longer text (the
password in `user:password`), also when the Base64 is broken into lines. Encoded forms of fewer than 6 characters are
not looked for: they would be found everywhere.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import quote, quote_plus

MASK = b"***"
_LEAST_LINE = 4  # characters of a line of a secret that is looked for by itself
_LEAST_ENCODED = 6
_BREAKS = b"\r\n"


class Mask:
    """Takes values out of a stream of bytes, also where one is cut by the end of a chunk."""

    def __init__(self, values: Iterable[str]) -> None:
        texts = {text for value in values for text in _texts(value)}
        self._plain = _Words({form for text in texts for form in _plain_forms(text)})
        self._broken = _Words({form for text in texts for form in _base64_forms(text.encode())})
        self._held = b""

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._plain)

    def feed(self, chunk: bytes) -> bytes:
        """What can be let out by now.

        What may become a longer word is held back before anything in it is replaced: else a line of a key would be
        taken out of it, and its other lines, too short to be looked for by themselves, would be let out.
        """
        if not self._plain:
            return chunk
        content = self._held + chunk
        ready = len(content) - max(self._plain.begun(content), self._broken_begun(content))
        spans = [span for span in self._spans(content) if span[0] < ready]
        ready = max(ready, spans[-1][1]) if spans else ready
        self._held = content[ready:]
        return _replaced(content[:ready], spans)

    def end(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return _replaced(held, self._spans(held))

    def whole(self, text: str) -> str:
        """A text without the values."""
        content = text.encode(errors="surrogatepass")
        return _replaced(content, self._spans(content)).decode(errors="replace") if self._plain else text

    def finds(self, content: bytes) -> bool:
        """Whether a value is in the content."""
        return self._plain.found(content) or self._broken.found(content.translate(None, _BREAKS))

    def _spans(self, content: bytes) -> list[tuple[int, int]]:
        """Where values are, in order; those that overlap are one."""
        found = [*self._plain.spans(content), *self._broken_spans(content)]
        spans: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if spans and start < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
        return spans

    def _broken_spans(self, content: bytes) -> list[tuple[int, int]]:
        found = self._broken.spans(content.translate(None, _BREAKS))
        if not found:
            return []
        places = [place for place, byte in enumerate(content) if byte not in _BREAKS]
        return [(places[start], places[end - 1] + 1) for start, end in found]

    def _broken_begun(self, content: bytes) -> int:
        """As `begun`, counted with the line breaks in between."""
        tail = content[-2 * self._broken.longest :] if self._broken else b""
        left = self._broken.begun(tail.translate(None, _BREAKS))
        if not left:
            return 0
        for keep, byte in enumerate(reversed(tail), 1):
            left -= byte not in _BREAKS
            if not left:
                return keep
        return len(tail)


def _replaced(content: bytes, spans: list[tuple[int, int]]) -> bytes:
    parts, last = [], 0
    for start, end in spans:
        parts += [content[last:start], MASK]
        last = end
    return b"".join([*parts, content[last:]])


class _Words:
    """Words that are looked for together."""

    def __init__(self, words: set[bytes]) -> None:
        self._words = sorted(words, key=len, reverse=True)  # the longest first, so that none is cut by its own part
        self.longest = len(self._words[0]) if words else 0

    def __bool__(self) -> bool:
        return bool(self._words)

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        return re.compile(b"|".join(map(re.escape, self._words)))  # slow, and seldom needed

    def found(self, content: bytes) -> bool:
        return any(word in content for word in self._words)

    def spans(self, content: bytes) -> list[tuple[int, int]]:
        return [match.span() for match in self._pattern.finditer(content)] if self.found(content) else []

    def begun(self, content: bytes) -> int:
        """The length of the longest end of the content that is the beginning of a word, and not all of it."""
        longest = 0
        for word in self._words:
            if len(word) - 1 <= longest:
                break
            place = content.find(word[:1], max(len(content) - len(word) + 1, 0))
            while place >= 0 and len(content) - place > longest:
                if word.startswith(content[place:]):
                    longest = len(content) - place
                    break
                place = content.find(word[:1], place + 1)
        return longest


def _texts(value: str) -> Iterator[str]:
    yield value
    yield from (line for line in value.splitlines() if len(line) >= _LEAST_LINE)


def _plain_forms(text: str) -> Iterator[bytes]:
    raw = text.encode()
    yield raw
    quoted = [json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]]
    yield from (form.encode() for form in (*quoted, *(one.replace("/", "\\/") for one in quoted)))
    percent = {quote(text), quote(text, safe=""), quote_plus(text), quote(text, safe="!*'()")}
    percent |= {re.sub("%..", lambda match: match[0].lower(), one) for one in percent}
    encoded = [form.encode() for form in percent] + [raw.hex().encode(), raw.hex().upper().encode()]
    yield from (form for form in encoded if len(form) >= _LEAST_ENCODED)


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """The letters that depend on the value alone, for each number of bytes modulo 3 that stand before it (RFC 4648)."""
    for before in range(3):
        begin, end = -(-8 * before // 6), 8 * (before + len(raw)) // 6
        if end - begin >= _LEAST_ENCODED:
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                yield encode(bytes(before) + raw)[begin:end]
