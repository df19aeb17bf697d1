"""What other languages write in another way is one mistake, and its edit leaves an expression without any."""

from __future__ import annotations

import pytest

from somagent.governance import cel
from somagent.governance.cel import Field, ListType, MapType, ObjectType
from somagent.governance.documents import Diagnostic

GATE = ObjectType({"because": Field(cel.STRING), "over-all": Field(cel.INT)}, "step `plan_gate`", "output")
STEPS = ObjectType(
    {"plan_gate": Field(GATE), "plan": Field(GATE), "a_b_c": Field(cel.INT), "bad-id": Field(cel.DYN)},
    "the capsule",
    "step",
    "unknown-step",
)
SCOPE = {
    "steps": STEPS,
    "flag": cel.BOOL,
    "other": cel.BOOL,
    "text": cel.STRING,
    "count": cel.INT,
    "ratio": cel.DOUBLE,
    "texts": ListType(cel.STRING),
    "items": ListType(ObjectType({"commit": Field(cel.STRING), "in": Field(ObjectType({"b": Field(cel.INT)}))})),
    "data": MapType(cel.STRING, cel.DYN),
}


def diagnose(text: str) -> tuple[Diagnostic, ...]:
    try:
        return cel.check(cel.parse(text), SCOPE).diagnostics
    except cel.SyntaxFault as fault:
        return fault.diagnostics


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("flag && 'x' || 'y'", "flag ? 'x' : 'y'"),
        ("(flag && 'x') || 'y'", "flag ? 'x' : 'y'"),
        ("flag && other && 'x' || 'y'", "flag && other ? 'x' : 'y'"),
        ("(flag || other) && count || 2", "flag || other ? count : 2"),
        ("flag && 'x' || other && 'y' || 'z'", "flag ? 'x' : other ? 'y' : 'z'"),
        ("flag && 1 || other && 2 || !flag && 3 || 4", "flag ? 1 : other ? 2 : !flag ? 3 : 4"),
        ("text && 'x' || 'y'", "text != '' ? 'x' : 'y'"),
        ("text == 'a' && texts || ['b']", "text == 'a' ? texts : ['b']"),
        ("(flag && 'x' || 'y') == 'x'", "(flag ? 'x' : 'y') == 'x'"),
        ("flag && (other && 'x' || 'y') == 'x'", "flag && (other ? 'x' : 'y') == 'x'"),
        ("steps.plan-gate.because", "steps.plan_gate.because"),
        ("steps.a-b-c + 1", "steps.a_b_c + 1"),
        ("steps.bad-id.x", None),
        ("steps.plan.over-all > 1", 'steps.plan["over-all"] > 1'),
        ("data.some-key", 'data["some-key"]'),
        ("ratio >= '0.7'", "ratio >= 0.7"),
        ("'7' == count", "7 == count"),
        ('ratio > "1"', "ratio > 1.0"),
        ("flag == 'true'", "flag == true"),
        ("ratio => 0.7", "ratio >= 0.7"),
        ("texts.length > 1", "size(texts) > 1"),
        ("len(text) > 1", "size(text) > 1"),
        ("texts.some(x, x == 'a')", "texts.exists(x, x == 'a')"),
        ("text.includes('a')", "text.contains('a')"),
        ("texts.filter(x => x != 'a')", "texts.filter(x, x != 'a')"),
        ("texts.map((x) => x + 'a')", "texts.map(x, x + 'a')"),
        ("ratio =< 0.7", "ratio <= 0.7"),
        ("count === 1", "count == 1"),
        ("count !== 1", "count != 1"),
        ("items.*.commit", "items.map(i, i.commit)"),
        ("size(data.list.*)", "size(data.list)"),
        ("contains(texts, 'a')", "'a' in texts"),
        ("!contains(texts, 'a')", "!('a' in texts)"),
        ("texts.contains('a') && flag", "('a' in texts) && flag"),
        ("contains(text, 'a')", "text.contains('a')"),
    ],
)
def test_a_habit_is_one_mistake_and_its_edit_mends_it(wrong: str, right: str | None) -> None:
    (one,) = diagnose(wrong)
    assert one.edit is not None
    mended = wrong[: one.edit.span.start] + one.edit.text + wrong[one.edit.span.end :]
    if right is not None:
        assert (mended, diagnose(mended)) == (right, ())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("flag && 'x'", ["no-matching-overload"]),
        ("flag && 'x' || other", ["no-matching-overload"]),
        ("flag && 'x' || 3", ["no-matching-overload"]),
        ("unknown && 'x' || 'y'", ["unknown-name", "no-matching-overload"]),
        ("steps.plan-missing", ["unknown-name"]),
        ("steps.plan - gate", ["unknown-name"]),
        ("steps.plan.because-text", ["no-matching-overload"]),
        ("ratio >= 'a'", ["no-matching-overload"]),
        ("count >= '0.7'", ["no-matching-overload"]),
        ("items.*.missing", ["expression-unsupported"]),
        ("steps.*.x", ["expression-unsupported"]),
        ("count => == 1", ["expression-syntax"]),
    ],
)
def test_what_is_no_habit_keeps_its_own_mistakes(text: str, names: list[str]) -> None:
    assert [one.name for one in diagnose(text)] == names


@pytest.mark.parametrize("text", ["flag && other || flag", "count-count", "steps.a_b_c-count", "count -1", "count-1"])
def test_what_is_right_is_not_looked_at(text: str) -> None:
    assert diagnose(text) == ()


def test_a_number_in_quotes_is_told_where_a_number_is_wanted() -> None:
    (one,) = cel.check(cel.parse("'3'"), SCOPE, wanted=cel.INT).diagnostics
    assert (one.help, one.edit.text if one.edit else "") == ("take the quotes off: 3", "3")
