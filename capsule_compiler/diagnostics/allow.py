"""Warnings that an author allows where they stand: `# somagent: allow CAP403 the reason`.

An allowance at the end of a line is about the warnings that begin on it; one on a line of its own is about the next
line that is more than a comment. A warning inside a text of several lines is also reached from the line on which the
text begins, because inside a text there are no comments. Errors cannot be allowed; neither can what is said here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from somagent.capsule_compiler.diagnostics.codes import CODES, Code, code_of, is_error
from somagent.governance.documents import (
    MAX_MISTAKES,
    Diagnostic,
    Edit,
    Source,
    Span,
    comments,
    nearest,
    read_yaml,
    scalars,
)

SIGN = "somagent:"
_FURTHEST = 100  # lines from a comment to what it is about
FORM = "`# somagent: allow CODE the reason`"
_OURS = re.compile(r"#+[ \t]*somagent:[ \t]*")
_CODE = r"[A-Za-z][A-Za-z0-9-]*"
_ALLOW = re.compile(rf"allow[ \t]+(?P<codes>{_CODE}(?:[ \t]*,[ \t]*{_CODE})*):?(?P<reason>(?:[ \t].*)?)")
_WORD = re.compile(_CODE)


class _Allowance(Struct):
    """One comment that allows, and what of it was needed."""

    comment: Span
    codes: list[tuple[Code, Span]]
    line: int  # that it is about; 0 for none
    used: set[str] = field(default_factory=set)


def allow(source: Source, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics without the warnings that the text allows, and with what is wrong about its allowances.

    What is allowed in vain is told only when there is no error, nor so much that the search was ended: both may have
    kept warnings from being found.
    """
    if SIGN not in source.text:
        return list(diagnostics)
    places = comments(source)
    faults: list[Diagnostic] = []
    allowances = list(_read(source, places, faults))
    if not allowances:
        return [*diagnostics, *faults]
    by_line: dict[int, list[_Allowance]] = {}
    for one in allowances:
        by_line.setdefault(one.line, []).append(one)
    texts = _texts_of_several_lines(source)
    kept = [one for one in diagnostics if is_error(one) or not _is_allowed(source, one, by_line, texts)]
    if len(diagnostics) < MAX_MISTAKES and not any(map(is_error, diagnostics)):
        for one in allowances:
            faults += _in_vain(source, one)
    return [*kept, *faults]


def _is_allowed(
    source: Source, warning: Diagnostic, by_line: Mapping[int, Sequence[_Allowance]], texts: Sequence[Span]
) -> bool:
    start = warning.span.start
    lines = {source.position(start).line}
    text = texts[bisect_right(texts, start, key=lambda span: span.start) - 1] if texts else Span(0, 0)
    if text.start <= start < text.end:
        lines.add(source.position(text.start).line)
    allowed = False
    for line in lines:
        for one in by_line.get(line, ()):
            if any(code.name == warning.name for code, _ in one.codes):
                one.used.add(warning.name)
                allowed = True
    return allowed


def _texts_of_several_lines(source: Source) -> list[Span]:
    """Where they are, in the order of the text."""
    root, _ = read_yaml(source)
    spans = [node.span for node in scalars(root)] if root is not None else []
    return sorted(span for span in spans if "\n" in source.text[span.start : span.end])


def _read(source: Source, places: Sequence[Span], faults: list[Diagnostic]) -> Iterator[_Allowance]:
    alone = frozenset(source.position(one.start).line for one in places if not _before(source, one))
    for comment in places:
        text = source.text[comment.start : comment.end]
        ours = _OURS.match(text)
        if ours is None:
            continue
        form = _ALLOW.fullmatch(text, ours.end())
        if form is None:
            faults.append(_malformed(comment))
            continue
        codes = list(_codes(form["codes"], comment.start + form.start("codes"), faults))
        if not any(char.isalnum() for char in form["reason"]):
            message = "an allowance says why; without a reason it allows nothing"
            faults.append(Diagnostic("allow-without-reason", message, comment, help=f"write {FORM}"))
        elif codes:
            yield _Allowance(comment, codes, _line_meant(source, comment, alone))


def _malformed(comment: Span) -> Diagnostic:
    message = "`# somagent:` begins an instruction, and this is none"
    return Diagnostic("allow-malformed", message, comment, help=f"write {FORM}")


def _codes(text: str, start: int, faults: list[Diagnostic]) -> Iterator[tuple[Code, Span]]:
    for match in _WORD.finditer(text):
        name, span = match.group(), Span(*match.span()).shifted(start)
        try:
            code = code_of(name)
        except KeyError:
            faults.append(_unknown(name, span))
            continue
        if code.severity == "error" or code.number[:4] == "CAP8":
            kind = "an error" if code.severity == "error" else "about allowances"
            message = f"`{name}` ({code.name}) cannot be allowed: it is {kind}"
            help_ = "only warnings can; mend it" if code.severity == "error" else "mend the allowance that it is about"
            faults.append(Diagnostic("allow-of-error", message, span, help=help_))
        else:
            yield code, span


def _unknown(name: str, span: Span) -> Diagnostic:
    upper = name[:3].upper() == "CAP"
    near = nearest(name, (code.number if upper else code.name for code in CODES if code.severity == "warning"))
    note = f"did you mean `{near}`?" if near else ""
    edit = Edit(span, near, f"write `{near}`") if near else None
    help_ = "" if near else "`somagent explain` lists all"
    return Diagnostic("allow-unknown", f"there is no code `{name}`", span, note=note, help=help_, edit=edit)


def _line_meant(source: Source, comment: Span, alone: frozenset[int]) -> int:
    line = source.position(comment.start).line
    if _before(source, comment):
        return line
    last = source.position(len(source.text)).line
    reached = range(line + 1, min(last, line + _FURTHEST) + 1)
    return next((one for one in reached if one not in alone and source.line(one).strip()), 0)


def _before(source: Source, comment: Span) -> str:
    """What stands before a comment on its line."""
    start = source.text.rfind("\n", 0, comment.start) + 1
    return source.text[start : comment.start].strip()


def _in_vain(source: Source, one: _Allowance) -> Iterator[Diagnostic]:
    for index, (code, span) in enumerate(one.codes):
        if code.name not in one.used:
            message = f"`{code.number}` ({code.name}) is allowed here, but there is no such warning"
            edit = _code_removal(one, index) if one.used else _removal(source, one.comment)
            yield Diagnostic("allow-unused", message, span, help="take it away", edit=edit)


def _code_removal(one: _Allowance, index: int) -> Edit:
    spans = [span for _, span in one.codes]
    unneeded = Span(spans[index - 1].end, spans[index].end) if index else Span(spans[0].start, spans[1].start)
    return Edit(unneeded, "", "take the code away", safe=True)


def _removal(source: Source, comment: Span) -> Edit:
    """Takes the comment away, with its line when nothing else is there."""
    text = source.text
    start = comment.start
    while start and text[start - 1] in " \t":
        start -= 1
    end = comment.end
    if not _before(source, comment):
        if text[end : end + 2] == "\r\n":
            end += 2
        elif text[end : end + 1] == "\n":
            end += 1
    return Edit(Span(start, end), "", "take the comment away", safe=True)
