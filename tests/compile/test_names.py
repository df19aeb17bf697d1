"""Every name that is used exists, and a wrong one is said with what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Mistakes = Callable[..., list[tuple[str, str]]]


def capsule(more: str, head: str = "", tail: str = "") -> str:
    return (
        f"{head}  steps:\n    first: {{ script: {{ run: a }}, outputs: {{ v: {{ type: integer }} }} }}\n"
        f"    second: {{ script: {{ run: a, env: {{ {more} }} }} }}\n{tail}"
    )


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("steps.first.v", None),
        ("steps['first'].v", None),
        ('steps["first"]["v"]', None),
        ("steps.frist.v", ("unknown-step", "frist")),
        ("steps['frist'].v", ("unknown-step", "'frist'")),
        ("steps.first.m", ("unknown-output", "m")),
        ("steps.first['m']", ("unknown-output", "'m'")),
        ("steps.first.v.x", ("unknown-member", "x")),
        ("inputs.a", ("unknown-input", "a")),
        ("input.a", ("unknown-name", "input")),
        ("run.id", None),
        ("run.submitter", None),
        ("run.phase", ("unknown-run-field", "phase")),
        ("run.now", ("unknown-run-field", "now")),
        ("item", ("unknown-name", "item")),
        ("[1].map(x, x + steps.first.v)", None),
        ("[1].map(x, y)", ("unknown-name", "y")),
        ("steps", ("steps-as-value", "steps")),
        ("size(steps)", ("steps-as-value", "steps")),
        ("steps.second", ("cycle", "second")),
    ],
)
def test_names_in_expressions(expression: str, found: tuple[str, str] | None, mistakes: Mistakes) -> None:
    quoted = expression.replace("'", "''")
    written = [(name, text.replace("''", "'")) for name, text in mistakes(capsule(f"A: '${{{{ {quoted} }}}}'"))]
    assert written == ([found] if found else [])


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ("[a]", []),
        ("[aa]", [("unknown-need", "aa")]),
        ("[a, a]", [("need-twice", "a")]),
        ("[b]", [("need-itself", "b")]),
        ("[b, c, c]", [("need-itself", "b"), ("need-of-finally", "c"), ("need-twice", "c")]),
        ("[broken]", []),
    ],
)
def test_needs_name_other_steps_that_run_before(needs: str, found: list[tuple[str, str]], mistakes: Mistakes) -> None:
    spec = f"""\
  steps:
    a: {{ script: {{ run: x }} }}
    b: {{ needs: {needs}, script: {{ run: x }} }}
    broken: {{ script: x }}
  finally: {{ c: {{ script: {{ run: x }} }} }}
"""
    assert [one for one in mistakes(spec) if one[0] != "wrong-type"] == found


def test_an_unknown_need_lists_what_there_is(shown: Callable[[str], str], compiled: Callable[..., Any]) -> None:
    text = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n  steps:\n"
    text += "".join(f"    s{n}: {{ script: {{ run: a }} }}\n" for n in range(12))
    (mistake,) = compiled(text + "    z: { needs: [elsewhere], script: { run: a } }\n").diagnostics
    assert mistake.help.startswith("steps: `s0`, `s1`")
    assert "s11" not in mistake.help


@pytest.mark.parametrize("name", ["inputs", "steps", "run", "in", "if", "package", "true", "for"])
def test_an_item_cannot_have_the_name_of_something_else(name: str, mistakes: Mistakes) -> None:
    spec = f"  steps: {{ a: {{ forEach: '${{{{ [1] }}}}', as: \"{name}\", script: {{ run: b }} }} }}\n"
    assert mistakes(spec) == [("reserved-name", f'"{name}"')]


def test_an_item_is_known_in_the_arguments_only(mistakes: Mistakes) -> None:
    spec = """\
  steps:
    a:
      forEach: ${{ [1, 2] }}
      as: number
      if: number > 1
      require: number > 0
      script: { run: b, env: { V: "${{ number + 1 }}" } }
    b: { script: { run: b, env: { V: "${{ number }}" } } }
"""
    assert mistakes(spec) == [("unknown-name", "number")] * 3


def test_an_item_is_called_item_when_nothing_else_is_said(mistakes: Mistakes) -> None:
    assert mistakes("  steps: { a: { forEach: '${{ [1] }}', script: { run: b, env: { V: '${{ item }}' } } } }\n") == []


def test_steps_of_finally_see_all_steps_and_those_of_finally_before_them(mistakes: Mistakes) -> None:
    spec = """\
  steps: { a: { script: { run: x }, outputs: { v: { type: integer } } } }
  finally:
    b: { script: { run: x, env: { A: "${{ has(steps.c.v) ? steps.c.v : 0 }}" } }, outputs: { v: { type: integer } } }
    c: { script: { run: x, env: { A: "${{ has(steps.b.v) ? steps.b.v : 0 }}" } }, outputs: { v: { type: integer } } }
    d: { script: { run: x, env: { A: "${{ run.phase }} ${{ has(steps.d) }}" } } }
"""
    assert mistakes(spec) == [("need-of-finally", "c"), ("need-of-finally", "c"), ("need-of-finally", "d")]


def test_other_steps_and_the_end_see_none_of_finally_that_runs_later(mistakes: Mistakes) -> None:
    spec = """\
  steps: { a: { script: { run: x, env: { A: "${{ steps.b.v }}" } } } }
  finally: { b: { script: { run: x }, outputs: { v: { type: integer } } } }
  outputs: { v: "${{ steps.b.v }}" }
"""
    assert mistakes(spec) == [("need-of-finally", "b")]


def test_references_between_types_are_followed(mistakes: Mistakes) -> None:
    spec = """\
  types:
    A: { type: object, properties: { b: { $ref: "#/types/B" }, c: { type: array, items: { $ref: "#/types/C" } } } }
  inputs: { a: { $ref: "#/types/A" }, d: { $ref: "#/types/D" } }
  steps: { s: { script: { run: x }, outputs: { e: { $ref: "#/types/E" } } } }
"""
    assert mistakes(spec) == [("unknown-type", f'"#/types/{name}"') for name in "BCDE"]


def test_files_beside_are_read_once_and_their_faults_said_at_the_path(mistakes: Mistakes) -> None:
    spec = """\
  uses: { policies: { one: ./one.yaml, two: ./two.yaml, three: ./folder.yaml } }
  steps:
    a: { script: { run: x, include: [data, ./data/a.txt, missing, ../up, /etc/passwd, "data/../..", ., "a\\0"] } }
"""
    beside = {
        "one.yaml": b"kind: Nothing\n",
        "data/a.txt": b"a",
        "data/b.txt": b"b",
        "folder.yaml/a": b"",
        "folder.yaml/b": b"",
    }
    assert mistakes(spec, beside=beside) == [
        ("policy-set-wrong", "./one.yaml"),
        ("file-beside-missing", "./two.yaml"),
        ("file-beside-missing", "./folder.yaml"),
        ("file-beside-missing", "missing"),
        ("file-not-beside", "../up"),
        ("file-not-beside", "/etc/passwd"),
        ("file-not-beside", '"data/../.."'),
        ("file-not-beside", "."),
        ("file-not-beside", '"a\\0"'),
    ]


def test_included_files_are_pinned_by_digest_in_the_order_of_their_paths(compiled: Callable[..., Any]) -> None:
    text = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: a }
spec:
  steps:
    a: { script: { run: x, include: [z.txt, data] } }
    b: { script: { run: x, include: [data/a.txt] } }
"""
    beside = {"z.txt": b"z", "data/a.txt": b"a", "data/b.txt": b"a"}
    compilation = compiled(text, beside=beside)
    assert [(file.path, file.size) for file in compilation.plan.files] == [
        ("data/a.txt", 1), ("data/b.txt", 1), ("z.txt", 1),
    ]  # fmt: skip
    assert compilation.plan.files[0].digest == compilation.plan.files[1].digest
    assert compilation.contents == beside
