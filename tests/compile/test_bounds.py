"""What is large or tangled is compiled in bounded time, or refused: nothing grows faster than the text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from somagent.governance.documents import MAX_MISTAKES

SECONDS = 10.0  # far above what is measured (benchmarks/compile.py), far below what a quadratic walk would take

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: big }\nspec:\n"


def names(compilation: Any) -> set[str]:
    return {one.name for one in compilation.diagnostics}


@pytest.fixture
def quick(compiled: Callable[..., Any]) -> Callable[[str], Any]:
    """Compiles a specification, within the time."""

    def compile_spec(spec: str) -> Any:
        start = time.process_time()
        compilation = compiled(HEAD + spec)
        assert time.process_time() - start < SECONDS
        return compilation

    return compile_spec


def step(name: str, env: str = "", more: str = "") -> str:
    return f"    {name}: {{ script: {{ run: a, env: {{ {env} }} }}, outputs: {{ v: {{ type: integer }} }}{more} }}\n"


def read(name: str, key: str = "V") -> str:
    return f"{key}: '${{{{ steps.{name}.v }}}}'"


def test_five_thousand_steps_in_a_chain(quick: Callable[[str], Any]) -> None:
    text = "  steps:\n" + step("s0") + "".join(step(f"s{n}", read(f"s{n - 1}")) for n in range(1, 5000))
    plan = quick(text).plan
    assert [node.id for node in plan.nodes] == [f"s{n}" for n in range(5000)]


def test_a_step_that_reads_from_five_thousand_others(quick: Callable[[str], Any]) -> None:
    steps = "".join(step(f"s{n}") for n in range(4999))
    reads = ", ".join(read(f"s{n}", f"V{n}") for n in range(4999))
    plan = quick("  steps:\n" + steps + step("last", reads)).plan
    assert len(plan.nodes[-1].needs) == 4999


def test_twenty_four_stacked_diamonds(quick: Callable[[str], Any]) -> None:
    text = step("top0")
    for n in range(24):
        text += step(f"left{n}", read(f"top{n}")) + step(f"right{n}", read(f"top{n}"))
        text += step(f"top{n + 1}", f"{read(f'left{n}', 'A')}, {read(f'right{n}', 'B')}")
    assert len(quick("  steps:\n" + text).plan.nodes) == 73


def test_stacked_diamonds_of_types_stay_as_small_as_their_text(quick: Callable[[str], Any]) -> None:
    types = "".join(
        f'    T{n}: {{ type: object, required: [a, b], properties: {{ a: {{ $ref: "#/types/T{n + 1}" }}, '
        f'b: {{ $ref: "#/types/T{n + 1}" }} }} }}\n'
        for n in range(60)
    )
    compilation = quick(
        "  types:\n" + types + "    T60: { type: string }\n"
        '  inputs: { top: { $ref: "#/types/T0" }, all: { type: array, maxItems: 9, items: { $ref: "#/types/T0" } } }\n'
        "  steps:\n    a: { forEach: '${{ inputs.all }}', script: { run: a, env: { A: '${{ item"
        + ".a" * 60
        + " + inputs.top"
        + ".b" * 60
        + " }}' } } }\n"
        "  outputs: { top: '${{ inputs.top }}' }\n"
    )
    assert compilation.diagnostics == ()
    assert compilation.plan.output_schemas == {"top": {"$ref": "#/types/T0"}}
    assert compilation.plan.nodes[0].fan_out.item_schema == {"$ref": "#/types/T0"}


def test_a_chain_of_thousands_of_types_needs_no_deep_stack(quick: Callable[[str], Any]) -> None:
    types = "".join(
        f'    T{n}: {{ type: array, maxItems: 9, items: {{ $ref: "#/types/T{n + 1}" }} }}\n' for n in range(5000)
    )
    compilation = quick(
        "  types:\n" + types + "    T5000: { type: string }\n"
        '  inputs: { a: { $ref: "#/types/T0" } }\n'
        "  steps:\n    a: { script: { run: a, env: { A: '${{ inputs.a[0][0] }}' } } }\n"
    )
    assert compilation.diagnostics == ()


def test_a_circle_of_five_thousand_steps_is_shown_by_its_ends(quick: Callable[[str], Any]) -> None:
    text = "".join(step(f"s{n}", read(f"s{(n + 1) % 5000}")) for n in range(5000))
    (mistake,) = quick("  steps:\n" + text).diagnostics
    assert mistake.name == "cycle"
    assert mistake.message.startswith("steps wait for each other: `s0` -> `s1` -> ")
    assert mistake.message.endswith(" -> ... -> `s4999` -> `s0`")


def test_thousands_of_circles_are_not_all_shown(quick: Callable[[str], Any]) -> None:
    text = "".join(step(f"a{n}", read(f"b{n}")) + step(f"b{n}", read(f"a{n}")) for n in range(2500))
    assert len(quick("  steps:\n" + text).diagnostics) == 20


def test_thousands_of_unknown_names_among_thousands_of_known_ones(quick: Callable[[str], Any]) -> None:
    text = "".join(step(f"step_{n}", read(f"stpe_{n}")) for n in range(2000))
    compilation = quick("  steps:\n" + text)
    assert len(compilation.diagnostics) == MAX_MISTAKES
    assert names(compilation) == {"unknown-step", "too-many-mistakes"}


def test_thousands_of_unknown_needs(quick: Callable[[str], Any]) -> None:
    text = "".join(step(f"step_{n}", more=f", needs: [stpe_{n}]") for n in range(2000))
    assert names(quick("  steps:\n" + text)) == {"unknown-need", "too-many-mistakes"}


def test_thousands_of_unknown_fields(quick: Callable[[str], Any]) -> None:
    text = "  steps: { a: { script: { run: a }, " + ", ".join(f"timeuot{n}: 1" for n in range(40_000)) + " } }\n"
    assert names(quick(text)) == {"unknown-field", "too-many-mistakes"}


def test_thousands_of_steps_that_do_nothing(quick: Callable[[str], Any]) -> None:
    text = "  steps:\n" + "".join(f"    s{n}: {{ }}\n" for n in range(5000))
    assert names(quick(text)) == {"no-operator", "too-many-mistakes"}


def test_a_text_of_a_hundred_thousand_holes_that_are_empty(quick: Callable[[str], Any]) -> None:
    text = "  steps: { a: { script: { run: a, env: { A: '" + "${{ }}" * 100_000 + "' } } } }\n"
    assert names(quick(text)) == {"empty-hole", "too-many-mistakes"}


def test_a_text_of_thousands_of_holes(quick: Callable[[str], Any]) -> None:
    text = "  steps: { a: { script: { run: a, env: { A: '" + "x ${{ run.id }}" * 20_000 + "' } } } }\n"
    assert quick(text).diagnostics == ()


def test_thousands_of_guarded_steps(quick: Callable[[str], Any]) -> None:
    steps = step("s0", more=", if: inputs.deep") + "".join(
        step(f"s{n}", read(f"s{n - 1}"), ", if: inputs.deep") for n in range(1, 4000)
    )
    assert quick("  inputs: { deep: { type: boolean } }\n  steps:\n" + steps).diagnostics == ()


def test_thousands_of_final_steps_that_read_each_other(quick: Callable[[str], Any]) -> None:
    finals = step("f0") + "".join(
        f"    f{n}: {{ script: {{ run: a, env: {{ V: '${{{{ has(steps.f{n - 1}.v) ? steps.f{n - 1}.v : 0 }}}}' }} }}, "
        "outputs: { v: { type: integer } } }\n"
        for n in range(1, 4000)
    )
    assert quick("  steps:\n" + step("a") + "  finally:\n" + finals).diagnostics == ()


def test_thousands_of_declared_properties_that_every_step_uses(quick: Callable[[str], Any]) -> None:
    properties = ", ".join(f"p{n}: {{ type: string }}" for n in range(2000))
    steps = "".join(
        f"    s{n}: {{ script: {{ run: a }}, outputs: {{ v: {{ $ref: '#/types/T' }} }} }}\n" for n in range(3000)
    )
    text = f"  types: {{ T: {{ type: object, properties: {{ {properties} }} }} }}\n  steps:\n{steps}"
    assert quick(text).diagnostics == ()


def test_steps_beyond_the_limit_are_refused_with_the_way_out(quick: Callable[[str], Any]) -> None:
    text = "  steps:\n" + "".join(step(f"s{n}") for n in range(4000))
    finals = "  finally:\n" + "".join(step(f"f{n}") for n in range(1001))
    (mistake,) = quick(text + finals).diagnostics
    assert (mistake.name, mistake.message) == ("too-many-steps", "5,001 steps; a capsule may have 5,000")


def test_very_many_mistakes_in_one_text_are_found_in_time(compiled):
    holes = "${{ secrets.x }} " * 5000
    spec = f"  steps:\n    s:\n      script:\n        run: 'true'\n        env:\n          A: {holes}\n            b\n"
    start = time.process_time()
    done = compiled(HEAD + spec)
    assert time.process_time() - start < 2.0
    assert len(done.diagnostics) == MAX_MISTAKES
