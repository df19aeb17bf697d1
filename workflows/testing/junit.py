"""Results as JUnit XML, which CI systems read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from somagent.workflows.testing.judging import Difference
from somagent.workflows.testing.running import CaseResult

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def junit(results: Iterable[CaseResult], faults: Iterable[tuple[str, str]]) -> str:
    """A suite for each file; `faults` are files with mistakes, and how those are shown."""
    suites: dict[str, list[CaseResult]] = {}
    for result in results:
        suites.setdefault(result.file.text.source.name, []).append(result)
    body = "".join(_suite(name, of_file) for name, of_file in suites.items())
    for name, shown in faults:
        case = f'<testcase classname={_value(name)} name="the file is read" time="0.000">'
        body += f'  <testsuite name={_value(name)} tests="1" failures="0" errors="1" time="0.000">\n    {case}\n'
        body += f'      <error message="the file has mistakes">{_text(shown)}</error>\n'
        body += "    </testcase>\n  </testsuite>\n"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="somagent test">\n{body}</testsuites>\n'


def _suite(name: str, results: list[CaseResult]) -> str:
    failures = sum(not result.passed for result in results)
    took = sum(result.took_s for result in results)
    head = f'tests="{len(results)}" failures="{failures}" errors="0" time="{took:.3f}"'
    return f"  <testsuite name={_value(name)} {head}>\n{''.join(_case(name, one) for one in results)}  </testsuite>\n"


def _case(name: str, result: CaseResult) -> str:
    start = f'    <testcase classname={_value(name)} name={_value(result.case.name)} time="{result.took_s:.3f}">\n'
    body = "".join(
        f"      <failure message={_value(f'line {one.line}: {one.what}')}>{_text(_said(one))}</failure>\n"
        for one in result.judged.failures
    )
    notes = "".join(f"note: {note}\n" for note in result.judged.notes)
    if notes:
        body += f"      <system-err>{_text(notes)}</system-err>\n"
    if result.answered:
        body += f"      <system-out>{_text('answered, not real: ' + ', '.join(result.answered))}</system-out>\n"
    return f"{start}{body}    </testcase>\n"


def _said(one: Difference) -> str:
    sides = (("expected", one.expected), ("actual", one.actual))
    return "\n".join(f"{label}: {text}" for label, text in sides if text)


def _text(text: str) -> str:
    return escape(_ILLEGAL.sub("\ufffd", text))


def _value(text: str) -> str:
    return quoteattr(_ILLEGAL.sub("\ufffd", text))
