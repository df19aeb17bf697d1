"""What must hold of every input: it ends in time with a value, a plan or mistakes, and all of them can be shown."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from documents import Documents
from editing import Editor, drawn

from somagent.capsule_compiler.compile import Compilation, compile_capsule
from somagent.capsule_compiler.diagnostics import render_all, to_record
from somagent.capsule_compiler.diagnostics.codes import CODES, is_error
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.capsule_compiler.diagnostics.fix import Checked, fix
from somagent.capsule_compiler.diagnostics.github import annotation
from somagent.capsule_compiler.diagnostics.sarif import sarif
from somagent.capsule_compiler.draft import FileBeside, Given
from somagent.capsule_compiler.language import prepare_language
from somagent.capsule_compiler.plan import decode_plan, encode_plan, plan_digest
from somagent.governance import cel
from somagent.governance.constitution import default_constitution, load_constitution
from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Source, Span, decode_source
from somagent.governance.documents.formatting import format_source
from somagent.operators.registry import load_operators
from somagent.workflows.capsules import Installation

NAME = "a.capsule.yaml"
ITEM = cel.ObjectType({"name": cel.Field(cel.STRING), "lines": cel.Field(cel.INT, required=False)})
SCOPE: dict[str, cel.Type] = {
    "i": cel.INT,
    "d": cel.DOUBLE,
    "s": cel.STRING,
    "b": cel.BOOL,
    "n": cel.NULL,
    "x": cel.DYN,
    "li": cel.ListType(cel.INT),
    "ls": cel.ListType(cel.STRING),
    "m": cel.MapType(cel.STRING, cel.INT),
    "o": ITEM,
    "lo": cel.ListType(ITEM),
}
BINDINGS: dict[str, cel.Value] = {
    "i": 3,
    "d": 0.5,
    "s": "aé😀",
    "b": True,
    "n": None,
    "x": {"name": [1, 2.0, "a"], "a": {"name": None}},
    "li": [1, -7, 2**63 - 1],
    "ls": ["a", "", "b" * 40],
    "m": {"a": 1, "b": 2},
    "o": {"name": "api"},
    "lo": [{"name": "a", "lines": 1}, {"name": "b"}],
}


class Broken(AssertionError):
    """Something that must hold of every input does not."""


def must(holds: object, what: str) -> None:
    """Raises `Broken` unless it holds."""
    if not holds:
        raise Broken(what)


class Pipeline:
    """The language prepared once; `hold` gives a short text that stands for everything that came out."""

    def __init__(self) -> None:
        registry = load_operators(search=[])
        self.language = prepare_language(registry.catalogue)
        self.constitution = default_constitution()
        installation = Installation(registry.operators, self.language, registry.faults)
        self.documents = Documents(installation, self.constitution, _shown, must)
        given = Given(self.language, self.constitution, self._files, self.documents.installation.packages)
        self.editor = Editor(given, must, self._ended)
        self.longest_s = 0.0
        self.beside: dict[str, bytes] = {}
        for code in CODES:
            example = example_of(code)
            for path in example.beside("fixed"):
                self.beside.setdefault(path.relative_to(example.folder / "fixed.beside").as_posix(), path.read_bytes())

    def hold(self, kind: str, content: bytes, turn: int, place: Path | None = None) -> str:
        """`turn` decides which of the dear checks are made; `longest_s` is then the longest of the operations."""
        self.longest_s = 0.0
        if kind == "capsule":
            return self._capsule(content, turn)
        start = time.process_time()
        if kind == "expression":
            outcome = _expression(content.decode("utf-8", "replace"))
        elif kind == "constitution":
            outcome = _constitution(content)
        else:
            outcome = self.documents.hold(kind, content, place)
        self._ended(start)
        if turn % 8 == 1 and kind != "expression":
            self._laid_out(content)
        if turn % 8 == 2 and kind == "constitution":
            self._mended(content, _checked_constitution, unsafe=turn % 16 == 2)
        return outcome

    def _ended(self, start: float) -> None:
        self.longest_s = max(self.longest_s, time.process_time() - start)

    def compile(self, content: bytes) -> Compilation:
        start = time.process_time()
        done = compile_capsule(
            NAME,
            content,
            language=self.language,
            constitution=self.constitution,
            files=self._files,
            packages=self.documents.installation.packages,
        )
        self._ended(start)
        return done

    def _files(self, path: str) -> Sequence[FileBeside]:
        found = [one for one in self.beside if one == path or one.startswith(path + "/")]
        if not found:
            raise FileNotFoundError(2, "No such file or directory", path)
        return [FileBeside(one, self.beside[one], executable=False) for one in found]

    def _capsule(self, content: bytes, turn: int) -> str:
        done = self.compile(content)
        start = time.process_time()
        outcome = _shown(done.source, done.diagnostics)
        self._ended(start)
        wrong = any(map(is_error, done.diagnostics))
        must((done.plan is None) == wrong, "a plan without errors, or errors without a plan")
        if done.plan is not None:
            encoded = encode_plan(done.plan)
            again = decode_plan(encoded)
            must(again == done.plan and encode_plan(again) == encoded, "a plan reads back as it was written")
            must(plan_digest(again) == plan_digest(done.plan), "a plan keeps its digest")
            outcome += hashlib.sha256(encoded).hexdigest()
        if turn % 8 == 0:
            second = self.compile(content)
            must(second.diagnostics == done.diagnostics and second.plan == done.plan, "the same input, the same answer")
        if turn % 8 == 1:
            self._formatted(content, done)
        if turn % 8 == 2:
            for one in done.diagnostics[:20]:
                annotation(done.source, one)
            if done.source.text:
                self._mended(content, self._checked, unsafe=turn % 16 == 2)
        if turn % 8 == 3:
            json.dumps(sarif([(done.source, done.diagnostics)], version="1"))
        if turn % 16 == 4:
            outcome += self.editor.hold(NAME, content, turn, self.compile)
        if turn % 8 == 5 and done.plan is not None:
            outcome += drawn(done.plan)
        return outcome

    def _formatted(self, content: bytes, done: Compilation) -> None:
        if decode_source(NAME, content)[1]:
            return  # no command lays out what is no text
        start = time.process_time()
        laid_out, _ = format_source(done.source)
        self._ended(start)
        if laid_out is None:
            return
        once = self.compile(laid_out.encode())
        must((once.plan is None) == (done.plan is None), "layout changes no verdict")
        if done.plan is not None and once.plan is not None:
            must(plan_digest(once.plan) == plan_digest(done.plan), "layout keeps the digest")
        must(format_source(once.source)[0] == laid_out, "layout twice is layout once")

    def _laid_out(self, content: bytes) -> None:
        source, found = decode_source("a.yaml", content)
        laid_out = None if found else format_source(source)[0]
        if laid_out is not None:
            again = format_source(Source("a.yaml", laid_out))[0]
            must(again == laid_out, "layout twice is layout once")

    def _mended(self, content: bytes, check: Callable[[bytes], Checked], *, unsafe: bool) -> None:
        def check_text(changed: str) -> Checked:
            return check(changed.encode("utf-8", "surrogatepass"))

        _ = fix(check(content), check_text, unsafe=unsafe)

    def _checked(self, content: bytes) -> Checked:
        found = self.compile(content)
        digest = None if found.plan is None else plan_digest(found.plan)
        return Checked(found.source, found.diagnostics, digest)


def _checked_constitution(content: bytes) -> Checked:
    source, found = decode_source("constitution.yaml", content)
    if found:
        return Checked(source, found)
    constitution, found = load_constitution(source)
    return Checked(source, found, None if constitution is None else constitution.digest)


def _shown(source: Source, diagnostics: Sequence[Diagnostic]) -> str:
    must(len(diagnostics) <= MAX_MISTAKES, "at most so many mistakes")
    end = len(source.text)
    for one in diagnostics:
        _inside(one.span, end)
        for label in one.labels:
            _inside(label.span, end)
        if one.edit is not None:
            _inside(one.edit.span, end)
            changed = source.text[: one.edit.span.start] + one.edit.text + source.text[one.edit.span.end :]
            must(changed != source.text, f"an edit of {one.name} changes something")
    shown = render_all(source, diagnostics)
    must("\x1b" not in shown, "no control characters reach a terminal")
    return shown + json.dumps([to_record(source, one) for one in diagnostics], ensure_ascii=False)


def _inside(span: Span, end: int) -> None:
    must(0 <= span.start <= span.end <= end + 1, f"{span} is inside of {end} characters")


def _constitution(content: bytes) -> str:
    source, found = decode_source("constitution.yaml", content)
    constitution = None
    if not found:
        constitution, found = load_constitution(source)
    must((constitution is None) == bool(found), "a constitution, or mistakes")
    return _shown(source, found) + (constitution.digest if constitution is not None else "")


def _expression(text: str) -> str:
    try:
        template = cel.parse_template(text)
        for hole in template.holes:
            cel.check(hole.expr, SCOPE)
    except cel.SyntaxFault as fault:
        _spans(text, fault.diagnostics)
    try:
        expr = cel.parse(text)
    except cel.SyntaxFault as fault:
        _spans(text, fault.diagnostics)
        return str(fault)
    checked = cel.check(expr, SCOPE)
    _spans(text, checked.diagnostics)
    cel.references(expr)
    if checked.diagnostics:
        return str([one.message for one in checked.diagnostics])
    again = cel.parse(cel.write(expr))
    must(cel.write(again) == cel.write(expr), "an expression written and read again is the same")
    try:
        value = cel.evaluate(expr, BINDINGS)
    except cel.EvaluationError as error:
        _inside(error.span, len(text))
        return error.message
    must(fits(value, checked.type), f"{value!r:.60} is of the type {cel.show(checked.type)}")
    cel.render_text(value)
    return repr(value)


def _spans(text: str, diagnostics: Sequence[Diagnostic]) -> None:
    for one in diagnostics:
        _inside(one.span, len(text))
        if one.edit is not None:
            _inside(one.edit.span, len(text))


def fits(value: Any, type_: cel.Type) -> bool:
    """Whether a value is of the type that the checker foretold."""
    simple = {cel.BOOL: bool, cel.INT: int, cel.DOUBLE: float, cel.STRING: str, cel.NULL: type(None)}
    match type_:
        case cel.ListType(item):
            return isinstance(value, list) and all(fits(part, item) for part in value)
        case cel.MapType(key, item):
            return isinstance(value, dict) and all(fits(k, key) and fits(part, item) for k, part in value.items())
        case cel.ObjectType(fields):
            return isinstance(value, dict) and all(
                fits(part, fields[k].type) for k, part in value.items() if k in fields
            )
        case _ if type_ in simple:
            return type(value) is simple[type_]
        case _:
            return True
