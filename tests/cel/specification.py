"""The conformance tests of the CEL specification, read from a copy of it and run by this package.

`python tests/cel/specification.py CEL_SPEC/tests/simple/testdata`, where CEL_SPEC is a clone of
https://github.com/google/cel-spec. A case counts as `value` or `error` when that is what the specification says, as
`refused` when the checker refuses it; `different` is anything else, and is shown. Of a case that is only checked, the
type is the value. Exit 1 when anything is different.
"""

from __future__ import annotations

import argparse
import codecs
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from somagent.governance import cel

Message = dict[str, list[Any]]
_TOKEN = re.compile(
    r"""(?:\s|\#[^\n]*)*(?:(?P<text>[bBrR]?(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))|(?P<sign>[{}\[\]<>:,;])"""
    r"""|(?P<word>[^\s{}\[\]<>:,;"'\#]+)|(?P<end>\Z))""",
    re.DOTALL,
)
_TYPES = {"BOOL": cel.BOOL, "INT64": cel.INT, "DOUBLE": cel.DOUBLE, "STRING": cel.STRING}
_CLOSING = {"{": "}", "<": ">"}


class Foreign(Exception):
    """A value or a type that this subset does not have."""


class _Text(bytes):
    """A string constant, as the bytes that it stands for."""


class _Reader:
    """Protocol buffers' text format, as far as the tests need it."""

    def __init__(self, text: str) -> None:
        self.tokens = [(one.lastgroup, one[one.lastgroup or 0]) for one in _TOKEN.finditer(text)]
        self.at = 0

    def peek(self) -> tuple[str | None, str]:
        return self.tokens[self.at]

    def take(self) -> tuple[str | None, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, sign: str) -> bool:
        if self.peek() == ("sign", sign):
            self.at += 1
            return True
        return False

    def message(self, closing: str = "") -> Message:
        found: Message = {}
        while True:
            kind, text = self.take()
            if kind == "end" or (kind == "sign" and text == closing):
                return found
            if text in {",", ";"}:
                continue
            if text == "[":  # the name of a packed type
                text = ""
                while not self.accept("]"):
                    text += self.take()[1]
            self.accept(":")
            found.setdefault(text, []).extend(self.values())

    def values(self) -> list[Any]:
        if self.accept("["):
            found: list[Any] = []
            while not self.accept("]"):
                found += self.values()
                self.accept(",")
            return found
        kind, text = self.take()
        if kind == "sign":
            return [self.message(_CLOSING[text])]
        if kind == "text":
            content = _unquoted(text)
            while self.peek()[0] == "text":
                content += _unquoted(self.take()[1])
            return [_Text(content)]
        return [text]


def _unquoted(text: str) -> bytes:
    inner = re.sub(r"\\([^0-7xXuUabfnrtv])", r"\1", text[1:-1].replace("\\\\", "\\x5c"))
    inner = re.sub(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})", lambda m: chr(int(m[1] or m[2], 16)), inner)
    return codecs.escape_decode(inner.encode("utf-8", "surrogatepass"))[0]  # type: ignore[attr-defined,no-any-return]


class Case(NamedTuple):
    """One test."""

    name: str
    expr: str
    expected: Any  # `Foreign` when the subset has no such value
    error: bool
    scope: Mapping[str, cel.Type]
    bindings: Mapping[str, Any]
    foreign: str  # why it cannot be asked here at all
    type: cel.Type | None  # of a case that is only checked


def cases(path: Path) -> Iterator[Case]:
    """The tests of a file."""
    for section in _Reader(path.read_text("utf-8")).message().get("section", []):
        for test in section.get("test", []):
            yield _case(f"{_text(section, 'name')}/{_text(test, 'name')}", test)


def _text(message: Message, name: str) -> str:
    found = message.get(name, [b""])[0]
    return found.decode("utf-8", "surrogatepass") if isinstance(found, bytes) else str(found)


def _case(name: str, test: Message) -> Case:
    foreign = "a container of names" if "container" in test else ""
    expected, scope, bindings, type_ = True, {}, {}, None
    error = "eval_error" in test or "any_eval_errors" in test
    try:
        scope = {_text(one, "name"): _declared(one) for one in test.get("type_env", [])}
        for one in test.get("bindings", []):
            bindings[_text(one, "key")] = value_of(one["value"][0]["value"][0])
            scope.setdefault(_text(one, "key"), cel.DYN)
    except Foreign as reason:
        foreign = str(reason)
    try:
        if "typed_result" in test:
            typed = test["typed_result"][0]
            if "check_only" in test:
                type_ = _type(typed["deduced_type"][0])
            else:
                expected = value_of(typed["result"][0])
        elif "value" in test:
            expected = value_of(test["value"][0])
    except Foreign:
        expected = Foreign
    return Case(name, _text(test, "expr"), expected, error, scope, bindings, foreign, type_)


def _declared(one: Message) -> cel.Type:
    if "ident" not in one:
        raise Foreign("functions of the caller")
    return _type(one["ident"][0]["type"][0])


def _type(type_: Message) -> cel.Type:
    if "primitive" in type_ and type_["primitive"][0] in _TYPES:
        return _TYPES[type_["primitive"][0]]
    if "dyn" in type_:
        return cel.DYN
    if "null" in type_:
        return cel.NULL
    if "list_type" in type_:
        return cel.ListType(_type(type_["list_type"][0]["elem_type"][0]))
    if "map_type" in type_:
        parts = type_["map_type"][0]
        return cel.MapType(_type(parts["key_type"][0]), _type(parts["value_type"][0]))
    raise Foreign(f"the type {next(iter(type_), '?')}")


def value_of(message: Message) -> Any:
    """The value; raises `Foreign`."""
    (kind, (given, *_)), *_ = message.items()
    match kind:
        case "null_value":
            return None
        case "bool_value":
            return given == "true"
        case "int64_value":
            return int(given, 0)
        case "double_value":
            return float(given.lower().removesuffix("f") if "inf" not in given.lower() else given)
        case "string_value":
            return given.decode("utf-8", "surrogatepass")
        case "list_value":
            return [value_of(one) for one in given.get("values", [])]
        case "map_value":
            entries = given.get("entries", [])
            return {value_of(one["key"][0]): value_of(one["value"][0]) for one in entries}
        case _:
            raise Foreign(kind)


def same(one: Any, other: Any) -> bool:
    """The same value of the same type, at every place."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        typed = [{(type(key), key): part for key, part in each.items()} for each in (one, other)]
        return typed[0].keys() == typed[1].keys() and all(same(typed[0][key], typed[1][key]) for key in typed[0])
    return bool(one == other) or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def outcome(case: Case) -> tuple[str, str]:
    """Into which column the case falls, and what came out where it is another than specified."""
    if case.foreign:
        return "refused", ""
    try:
        expr = cel.parse(case.expr)
    except cel.SyntaxFault:
        return "refused", ""
    checked = cel.check(expr, case.scope)
    if checked.diagnostics:
        return "refused", ""
    if case.type is not None:
        return ("value", "") if checked.type == case.type else ("different", cel.show(checked.type))
    try:
        value = cel.evaluate(expr, case.bindings)
    except cel.EvaluationError as fault:
        return ("error", "") if case.error else ("different", f"error: {fault.message}")
    if case.error or case.expected is Foreign or not same(value, case.expected):
        return "different", repr(value)
    return "value", ""


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="tests/simple/testdata of a clone of cel-spec")
    options = parser.parse_args()
    columns = ("value", "error", "refused", "different")
    total: Counter[str] = Counter()
    shown = []
    print(f"{'file':<20}{'cases':>8}" + "".join(f"{column:>11}" for column in columns))
    for path in sorted(options.folder.glob("*.textproto")):
        row: Counter[str] = Counter()
        for case in cases(path):
            column, found = outcome(case)
            row[column] += 1
            if column == "different":
                wanted = "an error" if case.error else "what this subset has not" if case.expected is Foreign else ""
                shown.append(f"{path.stem}/{case.name}: {case.expr} gives {found}, not {wanted or repr(case.expected)}")
        total += row
        print(f"{path.stem:<20}{row.total():>8}" + "".join(f"{row[column]:>11}" for column in columns))
    print(f"{'all':<20}{total.total():>8}" + "".join(f"{total[column]:>11}" for column in columns))
    print("\n".join(shown))
    return 1 if shown or not total else 0


if __name__ == "__main__":
    sys.exit(main())
