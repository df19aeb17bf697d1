"""A comparison with a value that can never be there is told, wherever the closed list of values comes from."""

from __future__ import annotations

import pytest

from somagent.governance import cel
from somagent.governance.cel import Field, ListType, MapType, ObjectType, SimpleType

LANGUAGE = SimpleType("string", ("python", "ts"))
SHELL = SimpleType("string", ("bash", "Python"))
LEVEL = SimpleType("int", (1, 2, 3))
MODULE = ObjectType({"language": Field(LANGUAGE), "name": Field(cel.STRING), "level": Field(LEVEL)})
SCOPE = {
    "language": LANGUAGE,
    "shell": SHELL,
    "level": LEVEL,
    "text": cel.STRING,
    "flag": cel.BOOL,
    "open": cel.DYN,
    "languages": ListType(LANGUAGE),
    "modules": ListType(MODULE),
    "by_name": MapType(cel.STRING, LANGUAGE),
}


def found(text: str) -> list[str]:
    diagnostics = cel.check(cel.parse(text), SCOPE).diagnostics
    assert {one.name for one in diagnostics} <= {"never-equal"}, diagnostics
    return [text[one.span.start : one.span.end] for one in diagnostics]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('language == "Python"', ['"Python"']),
        ('"Python" != language', ['"Python"']),
        ("level == 4", ["4"]),
        ('language in ["go", "python", "Ts"]', ['"go"', '"Ts"']),
        ('"go" in languages', ['"go"']),
        ('languages[0] == "go"', ['"go"']),
        ('by_name["a"] == "go" || by_name.a == "rust"', ['"go"', '"rust"']),
        ('modules[0].language == "go"', ['"go"']),
        ('modules.exists(m, m.language == "go" && m.name == "go")', ['"go"']),
        ('modules.map(m, m.language).exists(x, x == "go")', ['"go"']),
        ('modules.filter(m, m.level == 0).exists(m, m.language == "c")', ["0", '"c"']),
        ('(flag ? language : "none") == "go"', ['"go"']),
        ('(flag ? "none" : language) == "go"', ['"go"']),
        ('language == (flag ? "python" : "go")', ['"go"']),
        ('["a", language].exists(x, x == "b")', ['"b"']),
        ('(languages + ["go"]).exists(x, x == "rust")', ['"rust"']),
        ('[1].map(m, modules[0].language).exists(m, m == "go")', ['"go"']),
        ("language == shell", ["=="]),
        ("languages.exists(x, x in [shell])", ["in"]),
    ],
)
def test_what_can_never_be_equal_is_told_at_the_constant(text: str, wrong: list[str]) -> None:
    assert found(text) == wrong


@pytest.mark.parametrize(
    "text",
    [
        'language == "python"',
        'language in ["python", "ts"] && "ts" in languages && level != 3',
        'text == "go" || open == "go" || dyn(language) == "go" || open.language == "go"',
        '(flag ? language : text) == "go"',
        '(flag ? text : language) == "go"',
        '(flag ? languages : ["go"]).exists(x, x == "go")',
        '(languages + [text]).exists(x, x == "go")',
        '[language, text].exists(x, x == "go") && [text, language].exists(x, x == "go")',
        'modules.exists(m, m.name == "go")',
        'modules.map(language, language.name).exists(x, x == "go")',
        '["go"].exists(language, language == "go")',
        '"a" == "b" || "a" in ["b"]',
        'language + "x" == "pythonx"',
        "(flag ? shell : language) == language",
        '{"a": language, "b": text}.b == "go"',
        '{"a": language, "b": "go"}["b"] == "go"',
        '"go" in by_name',
    ],
)
def test_nothing_is_told_where_the_value_may_be_there(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "note", "edit", "safe"),
    [
        ("language == 'PYTHON'", 'did you mean "python"?', "'python'", True),
        ('language == "pyton"', 'did you mean "python"?', '"python"', False),
        ('language == "go"', "", None, False),
    ],
)
def test_the_nearest_value_is_suggested(text: str, note: str, edit: str | None, safe: bool) -> None:
    (one,) = cel.check(cel.parse(text), SCOPE).diagnostics
    assert (one.note, one.edit.text if one.edit else None, bool(one.edit and one.edit.safe)) == (note, edit, safe)
    assert one.help == 'it is "python" or "ts"'


def test_equality_of_types_knows_nothing_of_their_values() -> None:
    assert SimpleType("string", ("a",)) == cel.STRING
    assert hash(SimpleType("string", ("a",))) == hash(cel.STRING)
