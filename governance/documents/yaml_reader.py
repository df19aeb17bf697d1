"""Reads YAML strictly and within bounds: what two readers could understand differently is a mistake, said early.

libyaml gives events with marks; what they mean is decided here. Kept within 1 MiB and 64 levels; aliases, anchors,
tags, merge keys, duplicate keys, keys that are not text, and control characters are refused.
"""

from __future__ import annotations

import re
import unicodedata
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import yaml
from msgspec.structs import replace
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the C parser is not in the type stub's exports
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from somagent.governance.documents.diagnostic import MAX_MISTAKES, Diagnostic, Edit, Label
from somagent.governance.documents.nodes import Entry, MappingNode, Node, ScalarNode, SequenceNode
from somagent.governance.documents.resolve import NotFinite, OtherMeaning, other_meaning, resolve
from somagent.governance.documents.source import Source, Span
from somagent.governance.documents.yaml_syntax import syntax_diagnostic

MAX_BYTES = 1_048_576
MAX_DEPTH = 64
_PATCHES = 100  # unquoted values behind which reading goes on, and the characters that are read again for them
_PATCHED = 500_000
_PROPERTY = re.compile(r"!<[^>\s]*>|[&!][^\s,\[\]{}]*")
_PROPERTIES = re.compile(rf"(?:(?:{_PROPERTY.pattern})(?:\s|#[^\n]*\n)*)*")
MAX_EXACT_INT = 2**53 - 1  # canonical JSON writes numbers as doubles (RFC 8785, section 3.2.2.3)

# Besides control characters: what YAML 1.1 takes for line breaks and 1.2 does not, lone carriage returns, a byte order
# mark inside, and marks that reorder the text on the screen (CVE-2021-42574).
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]|\r(?!\n)"
)

FAULTS = frozenset(
    {
        "document-too-large",
        "not-utf-8",
        "control-character",
        "yaml-syntax",
        "empty-document",
        "several-documents",
        "yaml-too-deep",
        "yaml-alias",
        "yaml-tag",
        "duplicate-key",
        "key-not-text",
        "merge-key",
        "yaml-ambiguous",
        "unreadable-to-kubectl",
        "number-not-finite",
        "number-too-large",
    }
)


def decode_source(name: str, content: bytes) -> tuple[Source, list[Diagnostic]]:
    """The text of a document, or what keeps it from being read."""
    if len(content) > MAX_BYTES:
        message = f"the document has {len(content):,} bytes; the limit is {MAX_BYTES:,} (1 MiB)"
        help_ = "move data into files, and repeated steps into a `forEach`"
        first_line = content[:MAX_BYTES].decode("utf-8", errors="replace").split("\n", 1)[0]
        return Source(name, first_line), [Diagnostic("document-too-large", message, Span(0, 0), help=help_)]
    body = content.removeprefix(BOM_UTF8)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        text = body.decode("utf-8", errors="replace")
        at = len(body[: error.start].decode("utf-8"))
        message = f"byte {error.start + len(content) - len(body)} (0x{body[error.start]:02x}) is not UTF-8"
        help_ = "save the file as UTF-8"
        return Source(name, text), [Diagnostic("not-utf-8", message, Span(at, at + 1), help=help_)]
    source = Source(name, text)
    return source, [_control_character(found) for found in islice(_CONTROL.finditer(text), MAX_MISTAKES)]


def _control_character(found: re.Match[str]) -> Diagnostic:
    code, char = f"U+{ord(found.group()):04X}", found.group()
    title = unicodedata.name(char, "").lower()
    message = f"the character {code}{f' ({title})' if title else ''} is not allowed here"
    help_ = f'remove it, or write it as an escape in a double-quoted string: "\\u{ord(char):04x}"'
    if char == "\r":
        message = f"a carriage return ({code}) without a line feed after it"
        help_ = "end lines with a line feed, or with both as Windows does"
    return Diagnostic("control-character", message, Span(*found.span()), help=help_)


def read_yaml(source: Source, levels: int = MAX_DEPTH) -> tuple[Node | None, list[Diagnostic]]:
    """The document's tree and every mistake in it; the tree is None when nothing useful can be read."""
    return _Reader(source, levels).read()


class _Unreadable(Exception):
    """Reading cannot go on; why is reported."""


class _Reader:
    def __init__(self, source: Source, levels: int, patches: int | None = None) -> None:
        self._source = source
        self._levels = levels
        self._patches = min(_PATCHES, _PATCHED // (len(source.text) + 1)) if patches is None else patches
        self._diagnostics: list[Diagnostic] = []
        self._flow = 0  # how many `[ ]` and `{ }` are open
        self._plain: dict[str, Any] = {}  # what plain scalars mean that were read before and are sound
        self._parser: Any = CParser(source.text)
        self._next: Callable[[], Any] = self._parser.get_event

    def read(self) -> tuple[Node | None, list[Diagnostic]]:
        root: Node | None = None
        try:
            self._next()  # the start of the stream
            if isinstance(self._next(), DocumentStartEvent):
                root = self._node(self._next(), self._levels)
                self._expect_end()
            if root is None or (isinstance(root, ScalarNode) and root.value is None and not root.text):
                root = None
                self._report("empty-document", "the document is empty", Span(0, 0), help="write something into it")
        except yaml.YAMLError as error:
            root = None
            self._diagnostics = self._behind(syntax_diagnostic(self._source, error))
        except _Unreadable:
            root = None
        if root is not None and any(one.name == "yaml-ambiguous" for one in self._diagnostics):
            keys = set(_keys(root))
            return root, [_of_key(one) if one.span in keys else one for one in self._diagnostics]
        return root, self._diagnostics

    def _behind(self, found: Diagnostic) -> list[Diagnostic]:
        """With a mistake of YAML what else there is; where only quotes are missing, reading goes on behind them."""
        if found.edit is None or not self._patches:
            return [*self._diagnostics, found]
        span, text = found.edit.span, self._source.text
        patched = text[: span.start] + "x" * (span.end - span.start) + text[span.end :]
        _, others = _Reader(Source(self._source.name, patched), self._levels, self._patches - 1).read()
        return sorted([found, *others], key=lambda one: one.span)[:MAX_MISTAKES]

    def _node(self, event: Any, levels_left: int) -> Node:
        kind: type = type(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        span = Span(event.start_mark.index, event.end_mark.index)
        if kind is AliasEvent:
            help_ = "write the value out; shared types go under `spec.types`, shared settings under `spec.defaults`"
            self._report("yaml-alias", f"the alias `*{event.anchor}` is not allowed", span, help=help_)
            return ScalarNode(None, "", span)
        if event.anchor is not None or event.tag is not None:
            self._anchor_or_tag(event)
        if levels_left == 0:
            help_ = "keep such data in a file, and read it in a step"
            self._report("yaml-too-deep", f"nested more than {MAX_DEPTH} levels deep", span, help=help_)
            raise _Unreadable
        flow = bool(event.flow_style)
        self._flow += flow
        if kind is SequenceStartEvent:
            sequence = SequenceNode(span)
            while type(event := self._next()) is not SequenceEndEvent:
                sequence.items.append(self._node(event, levels_left - 1))
            sequence.span = Span(span.start, self._trimmed_end(span.start, event))
            self._flow -= flow
            return sequence
        mapping = MappingNode(span)
        entries, next_event, scalar = mapping.entries, self._next, self._scalar
        while type(event := next_event()) is not MappingEndEvent:
            key = scalar(event) if type(event) is ScalarEvent else self._node(event, levels_left - 1)
            event = next_event()
            value = scalar(event) if type(event) is ScalarEvent else self._node(event, levels_left - 1)
            if type(key) is ScalarNode and key.value is key.text and key.text not in entries and key.text != "<<":
                entries[key.text] = Entry(key, value)
            else:
                self._entry(mapping, key, value)
        mapping.span = Span(span.start, self._trimmed_end(span.start, event))
        self._flow -= flow
        return mapping

    def _expect_end(self) -> None:
        while self._parser.check_event():
            event = self._next()
            if type(event) is DocumentStartEvent and event.start_mark and event.end_mark:
                span = Span(event.start_mark.index, event.end_mark.index)
                help_ = "put the second one into its own file"
                self._report("several-documents", "a file holds one document", span, help=help_)
                return

    def _entry(self, mapping: MappingNode, key: Node, value: Node) -> None:
        if not isinstance(key, ScalarNode):
            self._report("key-not-text", "a key must be text, not a list or a mapping", key.span)
            return
        name = key.text
        if key.value is not name and key.value != name:
            if not (self._diagnostics and self._diagnostics[-1].span == key.span):
                self._report(
                    "key-not-text",
                    f"the key `{name}` is read as {_kind(key.value)}; a key must be text",
                    key.span,
                    help="quote it",
                    edit=Edit(key.span, f'"{name}"', "quote the key", safe=True),
                )
        elif name == "<<" and self._source.text[key.span.start] == "<":
            self._report("merge-key", "merge keys are not allowed", key.span, help="write the fields out")
            return
        first = mapping.entries.get(name)
        if first is not None:
            self._report(
                "duplicate-key",
                f"the key `{name}` is here twice",
                key.span,
                note="again here",
                labels=(Label(first.key.span, "first here"),),
                help="remove one of the two",
            )
            return
        mapping.entries[name] = Entry(key, value)

    def _scalar(self, event: Any) -> ScalarNode:
        text: str = event.value
        span = Span(event.start_mark.index, event.end_mark.index)
        if event.style == "" and text in self._plain and event.anchor is None and event.tag is None:
            value = self._plain[text]
            return ScalarNode(value, value if type(value) is str else text, span)
        if event.anchor is not None or event.tag is not None:
            self._anchor_or_tag(event)
        if event.style:
            if event.style in "|>":
                span = Span(span.start, self._trimmed_end(span.start, event))
            return ScalarNode(text, text, span)
        try:
            value = resolve(text)
        except NotFinite:
            help_ = "write a finite number, or quote it when text is meant"
            self._report("number-not-finite", f"`{text}` is not a finite number", span, help=help_)
            return ScalarNode(0.0, text, span)
        other = other_meaning(text)
        if other is not None:
            who = "to kubectl, which reads YAML 1.1" if other.kubectl else "in YAML 1.1"
            self._report(
                "yaml-ambiguous",
                f"`{text}` is {_exactly(value)} in YAML 1.2, but {other.words} {who}",
                span,
                note="quote it",
                help=_unambiguous(text, other),
                edit=Edit(span, f'"{text}"', "quote it", safe=_surely_text(text, value)),
            )
        elif type(value) is int and not -MAX_EXACT_INT <= value <= MAX_EXACT_INT:
            self._report(
                "number-too-large",
                f"`{text}` cannot be kept exactly: JSON numbers are exact up to {MAX_EXACT_INT}",
                span,
                help="quote it and convert with int(...) in an expression",
            )
            value = 0
        elif "?" in text and self._flow:
            self._report(
                "unreadable-to-kubectl",
                "kubectl cannot read a `?` in plain text between `{ }` or `[ ]`",
                span,
                note="quote it",
                help="quote the text; go-yaml, which kubectl reads with, ends plain text there at `?`",
                edit=Edit(span, _quoted(text), "quote it", safe=True),
            )
        else:
            self._plain[text] = value
        return ScalarNode(value, text, span)

    def _anchor_or_tag(self, event: Any) -> None:
        properties = _PROPERTIES.match(self._source.text, event.start_mark.index)
        for match in _PROPERTY.finditer(self._source.text, *properties.span()) if properties else ():
            written, span = match.group(), Span(*match.span())
            if written[0] == "&":
                help_ = "write the value out where it is needed"
                self._report("yaml-alias", f"the anchor `{written}` is not allowed", span, help=help_)
            else:
                help_ = "quote what is text; everything else has its type by its place"
                self._report("yaml-tag", f"the tag `{written}` is not allowed", span, help=help_)

    def _trimmed_end(self, start: int, event: Any) -> int:
        end: int = event.end_mark.index
        text = self._source.text
        while end > start and text[end - 1] in " \n\r\t":
            end -= 1
        return end

    def _report(self, name: str, message: str, span: Span, **details: Any) -> None:
        self._diagnostics.append(Diagnostic(name, message, span, **details))
        if len(self._diagnostics) >= MAX_MISTAKES:
            raise _Unreadable


def _keys(root: Node) -> Iterator[Span]:
    """Where the keys stand."""
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if isinstance(node, MappingNode):
            yield from (entry.key.span for entry in node.entries.values())
            nodes += (entry.value for entry in node.entries.values())
        elif isinstance(node, SequenceNode):
            nodes += node.items


def _of_key(one: Diagnostic) -> Diagnostic:
    """What is ambiguous as a value is only to be quoted as a key: nothing but text can be meant."""
    if one.name != "yaml-ambiguous" or one.edit is None:
        return one
    help_ = "a key is text, and in quotes it is nothing else"
    return replace(one, message=f"the key {one.message}", help=help_, edit=replace(one.edit, safe=True))


def _unambiguous(text: str, other: OtherMeaning) -> str:
    if other.words == "a boolean":
        return f'write "{text}" for the text, {str(text.lower() in {"y", "yes", "on"}).lower()} for the boolean'
    return f'write "{text}" for the text; a number is written with digits alone and does not begin with 0'


def _exactly(value: object) -> str:
    return f"the number {value}" if isinstance(value, int | float) and not isinstance(value, bool) else _kind(value)


def _quoted(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def _surely_text(text: str, value: object) -> bool:
    """Whether nobody can have meant a boolean or a number."""
    return type(value) is str and (text in {"y", "n", "Y", "N"} or ":" in text)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, int | float) else "text"
