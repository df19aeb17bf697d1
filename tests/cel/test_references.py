"""What an expression reads decides which steps it waits for."""

from __future__ import annotations

import pytest

from somagent.governance import cel


def found(text: str) -> list[str]:
    """Each reference: names joined by `/`, `?` behind one that `has` asks for."""
    return ["/".join(ref.names) + "?" * ref.guarded for ref in cel.references(cel.parse(text))]


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("1 + 2", []),
        ("a", ["a"]),
        ("steps.plan.risk > inputs.limit", ["steps/plan/risk", "inputs/limit"]),
        ('steps.plan["risk"] + steps["plan"].risk', ["steps/plan/risk", "steps/plan/risk"]),
        ("steps.plan.`risk-level`", ["steps/plan/risk-level"]),
        ("has(steps.plan.risk) && steps.plan.risk > 1", ["steps/plan/risk?", "steps/plan/risk"]),
        ('has(steps["plan"].risk)', ["steps/plan/risk?"]),
        ("has(steps.plan[i].risk)", ["steps/plan", "i"]),
        ("steps[name].risk", ["steps", "name"]),
        ("steps.plan.modules[0].name", ["steps/plan/modules"]),
        ("steps.plan.modules[steps.pick.index].name", ["steps/plan/modules", "steps/pick/index"]),
        ("steps.implement.map(i, i.commit + suffix)", ["steps/implement", "suffix"]),
        ("a.filter(b, b.c && d.e).map(d, d.b)", ["a", "d/e"]),
        ("a.map(a, a.b, a.c)", ["a"]),
        ("[a].exists(b, [b].all(c, c == b.x && d))", ["a", "d"]),
        ("[1].map(x, has(x.y) && has(z.y))", ["z/y?"]),
        ("size(a.b) + a.c.size()", ["a/b", "a/c"]),
        ('{a.b: c.d, "e": [f.g]}', ["a/b", "c/d", "f/g"]),
        ("!a ? -b : c ? d : e", ["a", "b", "c", "d", "e"]),
        ("a.b.startsWith(c.d)", ["a/b", "c/d"]),
        ("(a).b", ["a/b"]),
        ("(a ? b : c).d", ["a", "b", "c"]),
    ],
)
def test_references_are_chains_of_constant_names(text, references):
    assert found(text) == references


def test_every_name_has_its_place():
    text = 'x + steps.plan["risk"] + has(a.b)'
    _, chain, guarded = cel.references(cel.parse(text))
    assert [text[slice(*span)] for span in chain.spans] == ["steps", "plan", '"risk"']
    assert text[slice(*chain.span)] == 'steps.plan["risk"]'
    assert [text[slice(*span)] for span in guarded.spans] == ["a", "b"]
    assert text[slice(*guarded.span)] == "has(a.b)"
