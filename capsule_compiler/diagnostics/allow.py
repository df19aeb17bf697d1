"""Warnings that an author allows where they stand: `# somagent: allow CAP403 the reason`.

An allowance at the end of a line is about the warnings that begin on it; one on a line of its own is about the next
line that is more than a comment. A warning inside a text of several lines is also reached from the line on which the
text begins, because inside a text there are no comments. Errors cannot be allowed; neither can what is said here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from somagent.capsule_compiler.diagnostics.codes import CODES, Code, code_of, is_error
from somagent.governance.documents import Diagnostic, Edit, Source, Span, comments, nearest, read_yaml, scalars

SIGN = "somagent:"
FORM = "`# somagent: allow CODE the reason`"
_OURS = re.compile(r"#+[ \t]*somagent:[ \t]*")
_CODE = r"[A-Za-z][A-Za-z0-9-]*"
_ALLOW = re.compile(rf"allow[ \t]+(?P<codes>{_CODE}(?:[ \t]*,[ \t]*{_CODE})*):?(?P<reason>(?:[ \t].*)?)")
_WORD = re.compile(_CODE)


@dataclass(slots=True)
class _Allowance:
    """One comment that allows, and what of it was needed."""

    comment: Span
    codes: list[tuple[Code, Span]]
    line: int  # that it is about; 0 for none
    used: set[str] = field(default_factory=set)


def allow(source: Source, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics without the warnings that the text allows, and with what is wrong about its allowances.

    What is allowed in vain is told only when there is no error: errors may have kept warnings from being looked for.
    """
    if SIGN not in source.text:
        return list(diagnostics)
    places = comments(source)
    faults: list[Diagnostic] = []
    allowances = list(_read(source, places, faults))
    if not allowances:
        return [*diagnostics, *faults]
    begins = _first_lines(source)
    kept = [one for one in diagnostics if is_error(one) or not _is_allowed(source, one, allowances, begins)]
    if not any(map(is_error, diagnostics)):
        for one in allowances:
            faults += _in_vain(source, one)
    return [*kept, *faults]


def _is_allowed(
    source: Source, warning: Diagnostic, allowances: Sequence[_Allowance], begins: Sequence[tuple[Span, int]]
) -> bool:
    lines = {source.position(warning.span.start).line}
    lines |= {line for span, line in begins if span.start <= warning.span.start < span.end}
    allowed = False
    for one in allowances:
        if one.line in lines and any(code.name == warning.name for code, _ in one.codes):
            one.used.add(warning.name)
            allowed = True
    return allowed


def _first_lines(source: Source) -> list[tuple[Span, int]]:
    """The texts of several lines, and the line on which each begins."""
    root, _ = read_yaml(source)
    if root is None:
        return []
    spans = [node.span for node in scalars(root)]
    return [(span, source.position(span.start).line) for span in spans if "\n" in source.text[span.start : span.end]]


def _read(source: Source, places: Sequence[Span], faults: list[Diagnostic]) -> Iterator[_Allowance]:
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
            yield _Allowance(comment, codes, _line_meant(source, comment, places))


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


def _line_meant(source: Source, comment: Span, places: Sequence[Span]) -> int:
    line = source.position(comment.start).line
    if _before(source, comment):
        return line
    full = {source.position(one.start).line for one in places if not _before(source, one)}
    last = source.position(len(source.text)).line
    return next((one for one in range(line + 1, last + 1) if one not in full and source.line(one).strip()), 0)


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
