"""Nothing in a capsule makes the compiler fail or take long: bytes, damaged examples, trees that nobody would write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somagent.capsule_compiler.diagnostics import CODES, render_all, to_record
from somagent.capsule_compiler.diagnostics.examples import example_of
from somagent.capsule_compiler.plan import decode_plan, encode_plan, plan_digest
from somagent.governance.documents import MAX_MISTAKES

SECONDS = 2.0
SLOW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

EXAMPLES = [
    example_of(code).document(which)
    for code in CODES
    if example_of(code).kind == "capsule" and example_of(code).growth is None
    for which in ("fails", "fixed")
]


def hold(compiled: Callable[..., Any], content: bytes) -> None:
    """It ends in time, with a plan or with errors, all of which can be shown."""
    times = []
    while len(times) < 2 and min(times, default=SECONDS) >= SECONDS:  # a second try, should the collector cut in
        start = time.process_time()
        compilation = compiled(content, beside={"release.yaml": b"kind: Nothing\n"})
        times.append(time.process_time() - start)
    assert min(times) < SECONDS
    records = [to_record(compilation.source, one) for one in compilation.diagnostics]
    assert len(records) <= MAX_MISTAKES
    assert all(record["message"] for record in records)
    assert render_all(compilation.source, compilation.diagnostics).count("\x1b") == 0
    errors = [record for record in records if record["severity"] == "error"]
    assert (compilation.plan is None) == bool(errors)
    if compilation.plan is not None:
        encoded = encode_plan(compilation.plan)
        assert decode_plan(encoded) == compilation.plan
        assert plan_digest(decode_plan(encoded)) == plan_digest(compilation.plan)


@given(content=st.binary(max_size=300))
@SLOW
def test_bytes(compiled: Callable[..., Any], content: bytes) -> None:
    hold(compiled, content)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An example with pieces taken out, doubled, moved, or replaced by pieces of another one."""
    content = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        other = draw(st.sampled_from(EXAMPLES))
        at = draw(st.integers(0, len(other)))
        pieces = [b"", content[start:end] * 2, other[at : at + 30], b"${{", b"}}", b"\n", b"'", b": ", b"- "]
        piece = draw(st.sampled_from(pieces))
        content = content[:start] + piece + content[end:]
    return content


@given(content=damaged())
@SLOW
def test_damaged_examples(compiled: Callable[..., Any], content: bytes) -> None:
    hold(compiled, content)


VOCABULARY = (
    "apiVersion kind metadata name spec steps finally inputs outputs types uses policies budget defaults timeout retry "
    "attempts needs if require forEach as maxParallel script run env include shell policy set input review title "
    "reviewers count verdict bundle operator with type properties required items $ref default enum pattern path a b"
)
WORDS = VOCABULARY.split()
SCALARS = [
    "somagent.io/v1alpha1", "Capsule", "a", "b", "string", "integer", "array", "object", "artifact", "1m", "0s", "400k",
    "6.00 USD", "#/types/a", "#/types/b", "./a.yaml", "${{ inputs.a }}", "${{ steps.a.b }}", "${{ steps.a }} and",
    "${{ [1, 2] }}", "${{", "has(steps.a.b)", "steps.a.b > 1", "inputs.b", "run.phase", "item", "$${{ x }}", "",
]  # fmt: skip
scalars = st.one_of(st.sampled_from(SCALARS), st.integers(-5, 2**70), st.booleans(), st.none(), st.floats(-1e9, 1e9))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)),
    max_leaves=40,
)


@given(tree=trees)
@SLOW
def test_trees_of_the_languages_own_words(compiled: Callable[..., Any], tree: Any) -> None:
    hold(compiled, json.dumps(tree).encode())


parts = ("inputs", "outputs", "types", "finally", "uses", "budget")
specs = st.fixed_dictionaries(
    {"steps": st.dictionaries(st.sampled_from(["a", "b", "c"]), trees, min_size=1)},
    optional=dict.fromkeys(parts, trees),
)


@given(spec=specs)
@SLOW
def test_capsules_with_such_parts(compiled: Callable[..., Any], spec: Any) -> None:
    head = {"apiVersion": "somagent.io/v1alpha1", "kind": "Capsule", "metadata": {"name": "a"}}
    hold(compiled, json.dumps({**head, "spec": spec}).encode())


schemas = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "array", "artifact", "object"])},
    optional={"items": trees, "path": st.just("x"), "minimum": st.integers(0, 3), "required": st.just(["a"])},
)
scripts = st.fixed_dictionaries({"run": st.just("a"), "env": st.dictionaries(st.sampled_from(["A", "B"]), scalars)})
steps = st.fixed_dictionaries(
    {"script": scripts},
    optional={
        **dict.fromkeys(("if", "require", "forEach"), st.sampled_from(SCALARS)),
        "outputs": st.dictionaries(st.sampled_from(["a", "b"]), schemas),
        "needs": st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3),
    },
)


@given(
    ordinary=st.dictionaries(st.sampled_from(["a", "b", "c"]), steps, min_size=1),
    final=st.dictionaries(st.sampled_from(["d", "e"]), steps),
    outputs=st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(SCALARS)),
)
@SLOW
def test_capsules_that_are_nearly_right(compiled: Callable[..., Any], ordinary: Any, final: Any, outputs: Any) -> None:
    head = {"apiVersion": "somagent.io/v1alpha1", "kind": "Capsule", "metadata": {"name": "a"}}
    inputs = {"a": {"type": "array", "items": {"$ref": "#/types/a"}}, "b": {"type": "boolean"}}
    types = {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}
    spec = {"inputs": inputs, "types": types, "steps": ordinary, "finally": final, "outputs": outputs}
    hold(compiled, json.dumps({**head, "spec": spec}).encode())
