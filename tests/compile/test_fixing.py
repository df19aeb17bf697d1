"""Fixes are applied until nothing changes, and never change what a capsule means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somagent.capsule_compiler.diagnostics import CODES, Code, is_error
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.capsule_compiler.diagnostics.fix import Checked, Mended, fix, offers
from somagent.capsule_compiler.plan import plan_digest
from somagent.governance.constitution import load_constitution
from somagent.governance.documents import Diagnostic, Edit, Source, Span, decode_source, read_yaml

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n"
Compile = Callable[..., Any]
HAVE_SAFE_EDITS = {"CAP011", "CAP103", "CAP017", "CAP214", "CAP308", "CAP333", "CAP801"}


def checker(compiled: Compile, beside: dict[str, bytes] | None = None) -> Callable[[str], Checked]:
    def check(text: str) -> Checked:
        one = compiled(text, beside=beside)
        return Checked(one.source, one.diagnostics, plan_digest(one.plan) if one.plan else None)

    return check


def mend(compiled: Compile, text: str, *, unsafe: bool = False) -> Mended:
    check = checker(compiled)
    return fix(check(text), check, unsafe=unsafe)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.number)
def test_the_safe_edits_of_an_example_take_its_mistakes_away(code: Code, compiled: Compile) -> None:
    example = example_of(code)
    if example.kind == "constitution":
        source = decode_source("a.yaml", example.document("fails"))[0]
        assert offers(load_constitution(source)[1], unsafe=False) == 0
        return
    content = example.document("fails")
    check = checker(compiled, {path.name: path.read_bytes() for path in example.beside("fails")})
    first = compiled(content)
    had = [one for one in first.diagnostics if one.name == code.name and one.edit and one.edit.safe]
    assert bool(had) == (code.number in HAVE_SAFE_EDITS)
    if had:
        before = check(content.decode())
        mended = fix(before, check)
        assert read_yaml(mended.checked.source)[0] is not None
        assert code.name not in {one.name for one in mended.checked.diagnostics}
        assert mended.checked.meaning == before.meaning or before.meaning is None


@pytest.mark.parametrize("unsafe", [False, True])
def test_fixing_a_fixed_text_changes_nothing(compiled: Compile, unsafe: bool) -> None:
    text = Path(__file__).with_name("forty_mistakes.capsule.yaml").read_text(encoding="utf-8")
    once = mend(compiled, text, unsafe=unsafe)
    assert once.applied
    twice = mend(compiled, once.checked.source.text, unsafe=unsafe)
    assert (twice.applied, twice.checked.source) == ((), once.checked.source)


def test_guesses_are_taken_only_when_asked_for(compiled: Compile) -> None:
    text = HEAD + "  steps:\n    a: { script: { run: x }, outputs: { coverage: { type: number } } }\n"
    text += "    b: { require: steps.a.covrage > 0.5, script: { rum: x } }\n"
    assert mend(compiled, text).applied == ()
    guessed = mend(compiled, text, unsafe=True)
    assert [one.code for one in guessed.applied] == ["CAP203", "CAP101"]
    assert guessed.checked.diagnostics == ()


def test_an_edit_can_make_room_for_the_next(compiled: Compile) -> None:
    text = HEAD + "  steps:\n    a: { if: '${{ run.id = \"x\" and true }}', script: { run: x } }\n"
    mended = mend(compiled, text)
    assert [one.code for one in mended.applied] == ["CAP301", "CAP301", "CAP308"]
    assert 'if: run.id == "x" && true' in mended.checked.source.text
    assert mended.checked.diagnostics == ()


def simple(text: str, edits: list[Edit]) -> Checked:
    """Says of each edit whose old text is still at its place that it is wanted."""
    found = [
        Diagnostic("need-twice", one.title, one.span, edit=one)
        for one in edits
        if text[one.span.start : one.span.end] == one.title
    ]
    return Checked(Source("a", text), found)


def test_of_edits_that_overlap_the_first_in_the_text_is_made() -> None:
    edits = [Edit(Span(4, 7), "X", "456", safe=True), Edit(Span(2, 5), "Y", "234", safe=True)]
    mended = fix(simple("0123456789", edits), lambda text: simple(text, edits))
    assert mended.checked.source.text == "01Y56789"
    reversed_order = fix(simple("0123456789", edits[::-1]), lambda text: simple(text, edits[::-1]))
    assert reversed_order.checked.source.text == "01Y56789"


def test_an_edit_after_which_the_mistake_is_still_there_is_left_out() -> None:
    def check(text: str) -> Checked:
        edit = Edit(Span(0, 1), "b", "t", safe=True)
        return Checked(Source("a", text), [Diagnostic("need-twice", "always", Span(0, 1), edit=edit)])

    assert fix(check("a"), check).applied == ()


def test_an_edit_that_leaves_another_mistake_at_its_place_is_left_out() -> None:
    def check(text: str) -> Checked:
        edit = Edit(Span(1, 2), "==", "t")
        now = Diagnostic("unknown-step", "once", Span(1, 2), edit=edit)
        return Checked(Source("a", text), [now if text == "a=>1" else Diagnostic("unknown-need", "new", Span(3, 4))])

    assert fix(check("a=>1"), check, unsafe=True).applied == ()


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("${{ inputs.name == 'python' }}", "inputs.name == 'python'"),
        ("\"${{ inputs.name == 'a' && [1] == [2] }}\"", "\"inputs.name == 'a' && [1] == [2]\""),
        ("${{ [1] == [2] }}", '"[1] == [2]"'),
        ("${{ size([1]) == 2 }}", "size([1]) == 2"),
        ("${{ !has(inputs.name) }}", '"!has(inputs.name)"'),
        ("${{ true }}", '"true"'),
        ("'${{ inputs.name == \"a: #b\" }}'", "'inputs.name == \"a: #b\"'"),
        ("${{ always() }}", "${{ always() }}"),
    ],
)
def test_an_expression_out_of_its_braces_has_no_more_quotes_than_it_needs(
    written: str, mended: str, compiled: Compile
) -> None:
    head = HEAD + "  inputs:\n    name: { type: string }\n  steps:\n    a:\n      script: { run: x }\n      if: "
    text = mend(compiled, f"{head}{written}\n").checked.source.text
    assert text == f"{head}{mended}\n"


def test_a_plain_scalar_that_cannot_hold_an_edit_gets_quotes(compiled: Compile) -> None:
    head = HEAD + "  inputs:\n    a: { type: boolean }\n  steps:\n    a:\n      script:\n        run: x\n        env:\n"
    text = head + "          A: ${{ inputs.a && 'x' || 'y' }}\n"
    mended = mend(compiled, text).checked
    assert mended.source.text == head + "          A: \"${{ inputs.a ? 'x' : 'y' }}\"\n"
    assert mended.diagnostics == ()
    (mistake,) = compiled(text).diagnostics
    assert mistake.help == "write \"${{ inputs.a ? 'x' : 'y' }}\""


def test_a_safe_edit_that_would_change_the_meaning_is_left_out() -> None:
    def check(text: str) -> Checked:
        edit = Edit(Span(0, 1), "b", "t", safe=True)
        found = [Diagnostic("need-twice", "once", Span(0, 1), edit=edit)] if text == "a" else []
        return Checked(Source("a", text), found, meaning=text)

    assert fix(check("a"), check).applied == ()
    assert fix(check("a"), check).checked.source.text == "a"


NEEDS = st.lists(st.sampled_from(["a", "b", "'a'", '"b"']), min_size=1, max_size=5)
LAYOUTS = st.sampled_from(["flow", "flow in lines", "block", "block with comments"])
ALLOWED = st.sampled_from(["", "  # somagent: allow CAP403 why", "  # somagent: allow CAP214 why", "  # a word"])


def needs(names: list[str], layout: str, comment: str) -> str:
    if layout == "flow":
        return f"[{', '.join(names)}]{comment}\n"
    if layout == "flow in lines":
        return "[\n        " + ",\n        ".join(names) + f"\n      ]{comment}\n"
    end = " # why" if layout == "block with comments" else ""
    return comment + "\n" + "".join(f"        - {name}{end}\n" for name in names)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.builds(needs, NEEDS, LAYOUTS, ALLOWED), above=ALLOWED, ends=st.sampled_from(["\n", "\r\n"]))
def test_a_capsule_with_warnings_only_keeps_its_meaning(written: str, above: str, ends: str, compiled: Compile) -> None:
    text = HEAD + "  steps:\n    a: { script: { run: x } }\n    b: { script: { run: x } }\n    c:\n"
    text += f"    {above}\n      needs: {written}      script: {{ run: x }}\n"
    text = text.replace("\n", ends)
    check = checker(compiled)
    before = check(text)
    assert before.meaning is not None
    assert not any(map(is_error, before.diagnostics))
    mended = fix(before, check)
    assert mended.checked.meaning == before.meaning
    assert offers(mended.checked.diagnostics, unsafe=False) == 0
    if "# why" not in text.replace("CAP214 why", ""):
        assert mended.checked.diagnostics == ()


@pytest.mark.parametrize(
    ("written", "safe"), [("n", True), ("1:30", True), ("yes", False), ("on", False), ("010", False), ("1_000", False)]
)
def test_quotes_are_sure_only_where_nobody_can_have_meant_another_type(
    compiled: Compile, written: str, safe: bool
) -> None:
    found = compiled(HEAD + f"  steps:\n    a: {{ script: {{ run: x, env: {{ A: {written} }} }} }}\n").diagnostics
    assert [(one.name, one.edit.safe) for one in found if one.name == "yaml-ambiguous"] == [("yaml-ambiguous", safe)]


def test_hundreds_of_edits_of_which_half_leave_a_mistake_cost_a_few_checks(compiled: Compile) -> None:
    step = '    s{}: {{ if: "${{{{ inputs.size == 1 }}}}", script: {{ run: x }}, needs: a{} }}\n'
    steps = "".join(step.format(number, number) for number in range(300))
    text = HEAD + "  inputs: { size: { type: integer } }\n  steps:\n" + steps
    check, texts = checker(compiled), []

    def counted(text: str) -> Checked:
        texts.append(text)
        return check(text)

    done = fix(check(text), counted, unsafe=True)
    assert len(done.applied) == 300
    assert done.checked.source.text == text.replace('"${{ inputs.size == 1 }}"', "inputs.size == 1")
    assert len(texts) < 10
