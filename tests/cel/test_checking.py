"""Types before a run: everything wrong is said, once, with the way out, and suggested edits mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from somagent.governance import cel
from somagent.governance.cel import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Field,
    ListType,
    MapType,
    ObjectType,
    OpaqueType,
)

ARTIFACT = OpaqueType("artifact")
MODULE = ObjectType({"name": Field(STRING), "goal": Field(STRING), "lines": Field(INT, required=False)}, "this module")
TEST = ObjectType(
    {"coverage": Field(DOUBLE), "report": Field(ARTIFACT), "count": Field(INT)},
    "step `test`",
    "output",
    "unknown-output",
)
STEPS = ObjectType({"test": Field(TEST), "modules": Field(ListType(MODULE))}, "this capsule", "step", "unknown-step")
SCOPE = {
    "steps": STEPS,
    "module": MODULE,
    "i": INT,
    "d": DOUBLE,
    "s": STRING,
    "b": BOOL,
    "n": NULL,
    "x": DYN,
    "li": ListType(INT),
    "ls": ListType(STRING),
    "m": MapType(STRING, INT),
    "a": ARTIFACT,
    "la": ListType(ARTIFACT),
}


def check(text: str, wanted: cel.Type | None = None) -> cel.Checked:
    return cel.check(cel.parse(text), SCOPE, wanted=wanted)


def blocks(name: str) -> list[tuple[str, list[str]]]:
    """The blocks of a golden file: a text, and indented below it what is said of it."""
    read = (Path(__file__).parent / name).read_text("utf-8").strip().split("\n\n")
    return [(text, [line.strip() for line in faults]) for text, *faults in (block.splitlines() for block in read)]


def show_faults(text: str, wanted: cel.Type | None = None) -> list[str]:
    """Each fault as name, marked text, message and what else is said."""
    return [
        f"{fault.name} [{text[slice(*fault.span)]}] {fault.message} ({fault.note or fault.help})"
        for fault in check(text, wanted).diagnostics
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("i + 1", "int"),
        ("x + 1", "int"),
        ("x + x", "dyn"),
        ("x.a.b", "dyn"),
        ('x["a"]', "dyn"),
        ("d / 2.0", "double"),
        ("b ? [] : li", "list(int)"),
        ("[]", "list(dyn)"),
        ("{}", "map(dyn, dyn)"),
        ("[1, 2.0]", "list(dyn)"),
        ("[1, x]", "list(dyn)"),
        ("[[], [1]]", "list(list(int))"),
        ('{"a": 1, "b": x}', "map(string, dyn)"),
        ("b ? i : x", "dyn"),
        ("li + [x]", "list(dyn)"),
        ("li.map(e, string(e))", "list(string)"),
        ("m.filter(k, m[k] > 1)", "list(string)"),
        ("m.map(k, m[k])", "list(int)"),
        ("steps.modules.map(e, e.name)", "list(string)"),
        ("steps.modules.filter(e, has(e.lines))", "list({name: string, goal: string, lines?: int})"),
        ("module.map(k, k)", "list(string)"),
        ('module["name"]', "string"),
        ("module[s]", "dyn"),
        ('"name" in module', "bool"),
        ("module == steps.modules[0]", "bool"),
        ('module == {"name": "a", "lines": 1}', "bool"),
        ("[module] + steps.modules", "list({name: string, goal: string, lines?: int})"),
        ('b ? module : {"name": s, "lines": i}', "map(string, dyn)"),
        ("[a, steps.test.report]", "list(artifact)"),
        ("a == steps.test.report && a in la", "bool"),
        ("size(module)", "int"),
        ("[[1, 2], []].all(e, e.all(f, f > 0))", "bool"),
        ("[].all(e, e.all(f, f))", "bool"),
    ],
)
def test_a_type_is_found_for(text, shown):
    checked = check(text)
    assert (checked.diagnostics, cel.show(checked.type)) == ((), shown)


@pytest.mark.parametrize(("text", "faults"), blocks("mistakes.txt"))
def test_a_mistake_is_said_with_the_way_out(text, faults):
    assert show_faults(text) == faults


def test_all_mistakes_are_reported_each_once():
    text = "stpes.a.b + 1 > 2 && (s - 1).size() == nope(i + d) || li.all(e, e.f.g == 1) && {q: 1}.r == [s < 1].size()"
    assert [fault.partition("]")[0] + "]" for fault in show_faults(text)] == [
        "unknown-name [stpes]",
        "no-matching-overload [-]",
        "no-matching-overload [+]",
        "unknown-function [nope]",
        "unknown-member [f]",
        "unknown-name [q]",
        "no-matching-overload [<]",
    ]


UNKNOWN = ["stpes", "nope(1)", "s.nope()", "s - 1", "li.q", "b ? q : 1", "-q", "q[0]", "li[0].q", "q + 1", "q.r.s(1)"]
AROUND = ["{} + 1", "-{}", "{} && b", "{}.f", "{}[0]", "[{}, 1][0] > s", "{} == 1.0", "size({})", "{}.map(e, e + 1)"]
AROUND += [
    "{} ? 1 : 2",
    "li.all(e, {} > e)",
    "string({})",
    "{} in li",
    "[1] + {}",
    '{{"a": {}}}.a > s',
    "{}.startsWith(s)",
]


@pytest.mark.parametrize("text", UNKNOWN)
@pytest.mark.parametrize("around", AROUND)
def test_a_mistake_inside_does_not_cascade(text, around):
    assert len(check(text).diagnostics) == 1
    assert len(check(around.format(f"({text})")).diagnostics) == 1


ONE_MISTAKE = """[s - 1]|{q: 1}|q.all(e, e)|q ? 1 : 2|!q|q in li|has(q.r)|has(module.q)|int(q)|q == 1|q && 1 < 2
[q, 1][0]|q.size()|li.map(e, q, e)|{1.5: 1}[2]|b ? (i - s) : s""".replace("\n", "|").split("|")


@pytest.mark.parametrize("text", ONE_MISTAKE)
def test_one_mistake_is_one_diagnostic(text):
    assert len(check(text).diagnostics) == 1


WANTED = {
    "module": MODULE,
    "artifact": ARTIFACT,
    "list(module)": ListType(MODULE),
    "list(artifact)": ListType(ARTIFACT),
}
WANTED |= {cel.show(type_): type_ for type_ in (INT, DOUBLE, STRING, BOOL, ListType(STRING))}
WANTED |= {cel.show(type_): type_ for type_ in (MapType(STRING, value) for value in (INT, STRING, DYN))}
WANTED |= {
    f"{{{name}: {cel.show(type_)}}}": ObjectType({name: Field(type_)})
    for name, type_ in (("k", INT), ("coverage", DOUBLE), ("nope", DOUBLE))
}


@pytest.mark.parametrize(("case", "faults"), blocks("wanted.txt"))
def test_what_a_place_wants_is_checked_as_deep_as_the_text_shows(case, faults):
    wanted, _, text = case.partition(" <- ")
    assert (show_faults(text, WANTED[wanted]) or ["fits"]) == faults


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("stpes.test.covrage > 0.5", "steps.test.coverage > 0.5"),
        ('steps["tset"].count', 'steps["test"].count'),
        ("i + d", "double(i) + d"),
        ("(i + 1) * d", "double(i + 1) * d"),
        ("d == 1", "d == 1.0"),
        ('"n" + i', '"n" + string(i)'),
        ('"a" in s', 's.contains("a")'),
        ("steps.modules.name", "steps.modules.map(x, x.name)"),
        ("contains(s, s)", "s.contains(s)"),
        ("s.int()", "int(s)"),
        ("b ? 1 : d", "b ? 1.0 : d"),
    ],
)
def test_a_suggested_edit_mends_the_expression(text, mended):
    while faults := check(text).diagnostics:
        edit = faults[0].edit
        if edit is None:
            break
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    assert text == mended


def test_a_key_written_twice_points_at_the_first():
    text = '{"a": 1, "a": 2}'
    (fault,) = check(text).diagnostics
    assert [(text[slice(*label.span)], label.span.start, label.text) for label in fault.labels] == [
        ('"a"', 1, "first written here")
    ]


def test_types_are_values():
    one = ObjectType({"a": Field(INT), "b": Field(STRING)})
    assert one == ObjectType({"b": Field(STRING), "a": Field(INT)})
    assert hash(one) == hash(ObjectType({"b": Field(STRING), "a": Field(INT)}))
    assert one != ObjectType({"a": Field(INT), "b": Field(INT)})
    assert len({ListType(one), ListType(one), MapType(STRING, one)}) == 2
    fields = {"a": Field(INT)}
    kept = ObjectType(fields)
    fields["b"] = Field(INT)
    assert set(kept.fields) == {"a"}


def test_many_types_have_a_short_name():
    assert cel.show(ObjectType({name: Field(INT) for name in "abcdef"})) == "{a: int, b: int, c: int, d: int, ...}"
    assert cel.show(MapType(STRING, ListType(ARTIFACT))) == "map(string, list(artifact))"


NEAR = {
    "steps": ObjectType(
        {
            "test": Field(
                ObjectType(
                    {"coverag": Field(STRING), "coverages": Field(ListType(DOUBLE)), "coverage_": Field(DOUBLE)},
                    "step `test`",
                    "output",
                    "unknown-output",
                )
            ),
            "text": Field(ObjectType({"words": Field(INT)}, "step `text`", "output", "unknown-output")),
        },
        "the capsule",
        "step",
        "unknown-step",
    ),
    "named": STRING,
    "names": ListType(STRING),
}


@pytest.mark.parametrize(
    ("text", "wanted", "near"),
    [
        ("steps.test.coverage >= 0.7", None, "coverage_"),
        ("steps.test.coverage == 'full'", None, "coverag"),
        ("size(steps.test.coverage) > 1", None, "coverag"),
        ("steps.test.coverage.all(x, x > 0.5)", None, "coverages"),
        ("steps.test['coverage'] + 1.0", None, "coverage_"),
        ("steps.test.coverage", DOUBLE, "coverage_"),
        ("true ? steps.test.coverage : 1.0", None, "coverage_"),
        ("[1.0].filter(x, x > steps.test.coverage)", None, "coverage_"),
        ("steps.tet.words > 1", None, "text"),
        ("steps.tet.coverag == 'x'", None, "test"),
        ("name.startsWith('a')", None, "named"),
        ("name.exists(x, x == 'a')", None, "names"),
        ("has(steps.test.coverage)", None, "coverag"),  # every type does
        ("steps.test.coverage + true", None, "coverag"),  # no type does: the nearest
    ],
)
def test_of_names_that_are_near_the_one_of_the_right_type_is_suggested(
    text: str, wanted: cel.Type | None, near: str
) -> None:
    checked = cel.check(cel.parse(text), NEAR, wanted=wanted)
    one = checked.diagnostics[0]
    assert one.note == f"did you mean `{near}`?"
    assert one.edit is not None
    assert one.edit.text.strip('"') == near


def test_each_of_several_unknown_names_has_its_own_suggestion() -> None:
    found = cel.check(cel.parse("steps.test.coverage > 0.5 && steps.test.coverage == 'x'"), NEAR).diagnostics
    assert [one.note for one in found] == ["did you mean `coverage_`?", "did you mean `coverag`?"]
