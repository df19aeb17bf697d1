"""A capsule's graph says what its plan says, and nothing in a capsule is more than text there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from somagent_shell import Shell

from somagent.capsule_compiler.plan import Plan
from somagent.governance.constitution import default_constitution
from somagent.workflows import capsules
from somagent.workflows.graph import FORMATS, graph_of, render_graph
from somagent.workflows.graph.boxes import LONGEST, Box, Graph, shown

SVG = "{http://www.w3.org/2000/svg}"
FULL = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: full }
spec:
  version: 1.2.0
  inputs: { paths: { type: array, items: { type: string }, maxItems: 9 } }
  steps:
    look: { forEach: "${{ inputs.paths }}", as: path, maxParallel: 3, script: { run: ls } }
    end: { if: size(inputs.paths) > 1, needs: [look], script: { run: ls } }
    agree: { require: size(steps.look) > 0, review: { title: "Go on?" } }
    after: { needs: [agree, end], script: { run: "true" } }
  finally:
    tell: { script: { run: "true" } }
    clean: { script: { run: "true" } }
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = tmp_path / "full.capsule.yaml"
    path.write_text(FULL)
    compilation = capsules.compile_file(path, capsules.this_installation(), default_constitution())
    assert compilation.plan is not None, compilation.diagnostics
    return compilation.plan


def test_the_graph_has_every_step_edge_fan_out_gate_and_condition(plan: Plan) -> None:
    graph = graph_of(plan)
    assert [(box.id, box.shape, box.guarded, box.final, *box.lines) for box in graph.boxes] == [
        ("look", "fan-out", False, False, "script · for each path, 3 at once"),
        ("end", "step", True, False, "script", "if size(inputs.paths) > 1"),
        ("agree", "gate", False, False, "review", "requires size(steps.look) > 0"),
        ("after", "step", False, False, "script"),
        ("tell", "step", False, True, "script"),
        ("clean", "step", False, True, "script"),
    ]
    assert graph.edges == {
        ("look", "end"): "order",
        ("look", "agree"): "data",
        ("agree", "after"): "order",
        ("end", "after"): "order",
    }


INNER = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: inner }
spec:
  inputs: { path: { type: string } }
  steps:
    look: { script: { run: ls } }
    again: { needs: [look], script: { run: ls } }
"""
OUTER = """\
  uses: { capsules: { scan: ./inner.capsule.yaml } }
  steps:
    once: { capsule: { use: scan, with: { path: src } } }
    often:
      forEach: ${{ ["src", "docs"] }}
      as: path
      needs: [once]
      capsule: { use: scan, with: { path: "${{ path }}" } }
"""


@pytest.mark.parametrize("format_", FORMATS)
def test_a_step_that_runs_a_capsule_says_which(format_: str, somagent: Shell) -> None:
    somagent.write("inner.capsule.yaml", INNER)
    drawn = somagent("graph", somagent.capsule("outer", OUTER), "--format", format_)
    assert (drawn.code, drawn.err) == (0, "")
    assert "capsule inner, 2 steps" in drawn.out
    assert drawn.out.count("for each path") >= 1
    assert {"mermaid": 'step_once[["', "dot": "shape=component", "svg": 'class="capsule"'}[format_] in drawn.out


@pytest.mark.parametrize("format_", FORMATS)
def test_each_format_looks_as_its_golden_file(format_: str, plan: Plan, golden: Callable[[Path, str], None]) -> None:
    drawn = render_graph(plan, format_)
    assert drawn == render_graph(plan, format_)
    golden(Path(__file__).with_name(f"full.{format_}"), drawn)


TEXTS = st.text(
    st.one_of(st.sampled_from("\"\\<>&#;`%{}[]()|'\n\t\x00\x1b\u202e\u2028é漢end-->"), st.characters()), max_size=50
)


def hostile(text: str) -> Graph:
    """A graph with one text in all places."""
    box = Box("end", "gate", [text, text], guarded=True, final=False)
    return Graph("a", [box, Box("style", "fan-out", [text], guarded=False, final=True)], {})


@given(TEXTS)
def test_any_text_is_text_in_svg(text: str) -> None:
    text = shown(text, LONGEST)
    root = ET.fromstring(FORMATS["svg"](hostile(text)))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "style", "defs", "marker", "path", "line", "text", "g", "rect", "polygon")
    }
    titles = [element.text for element in root.iter(f"{SVG}title")]
    assert f"end; {text}; {text}" in titles


@given(TEXTS)
def test_any_text_is_text_in_mermaid(text: str) -> None:
    text = shown(text, LONGEST)
    drawn = FORMATS["mermaid"](hostile(text))
    (line,) = (line for line in drawn.split("\n") if line.strip().startswith("step_end{{"))
    label = re.fullmatch(r' +step_end\{\{"<b>end</b><br/>([^"<>]*)<br/>[^"<>]*"\}\}', line)
    assert label
    assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label[1]) == text
    assert not re.search(r"[;`%{}&|\\]", re.sub(r"#\d+;", "", label[1]))


@given(TEXTS)
def test_any_text_is_text_in_dot(text: str) -> None:
    text = shown(text, LONGEST)
    drawn = FORMATS["dot"](hostile(text))
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', drawn)
    label = next(one for one in strings if one.startswith("end\\n"))
    plain = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], label).replace("&amp;", "&")
    assert plain == "\n".join(["end", text, text])


LONG = [
    ("size(steps.fetch.tickets) <= 20", ["requires size(steps.fetch.tickets)", "<= 20"]),
    ("inputs.a_name_that_is_longer_than_a_box_is_wide", ["requires inputs.a_name_that_is_long…"]),
    (
        "inputs.names.all(x, size(x) > 0) && inputs.names[0] > 5",
        ["requires inputs.names.all(x, size(x)", "> 0) && inputs.names[0] > 5"],
    ),
    ('"' + "漢" * 30 + '" in inputs.names', ['requires "' + "漢" * 12 + "…", "in inputs.names"]),
]


@pytest.mark.parametrize(("condition", "lines"), LONG)
def test_a_long_condition_takes_two_lines_in_svg_and_stays_whole_in_its_title(condition: str, lines: list[str]) -> None:
    box = Box("a", "step", ["script", f"requires {condition}"], guarded=False, final=False)
    root = ET.fromstring(FORMATS["svg"](Graph("a", [box], {})))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts == ["a", "script", *lines]
    assert f"a; script; requires {condition}" in [element.text for element in root.iter(f"{SVG}title")]
    (rect,) = root.iter(f"{SVG}rect")
    assert float(rect.attrib["height"]) == 56 + 20 * len(lines)


def test_graphviz_reads_what_is_meant(plan: Plan) -> None:
    """Where Graphviz is installed; the form is held by the golden file elsewhere, too."""
    dot = shutil.which("dot")
    if dot is None:
        return
    text = 'a "quote", a \\N, &lt; and <b>é</b>'
    drawn = FORMATS["dot"](hostile(text))
    done = subprocess.run([dot, "-Tsvg"], input=drawn, capture_output=True, text=True, check=True)
    texts = [element.text for element in ET.fromstring(done.stdout).iter(f"{SVG}text")]
    assert texts.count(text) == 3
    read = subprocess.run([dot, "-Tjson"], input=render_graph(plan, "dot"), capture_output=True, text=True, check=True)
    found = json.loads(read.stdout)
    names = {one["_gvid"]: one["name"] for one in found["objects"]}
    edges = {(names[one["tail"]], names[one["head"]]) for one in found["edges"] if one.get("style") != "invis"}
    assert edges == {*graph_of(plan).edges, ("tell", "clean")}


def test_the_command_prints_writes_and_takes_the_format_from_the_name(somagent: Shell) -> None:
    somagent.write("full.capsule.yaml", FULL)
    assert somagent("graph", "full.capsule.yaml").out.startswith('---\ntitle: "full 1.2.0"\n---\nflowchart TD\n')
    assert somagent("graph", "full.capsule.yaml", "--format", "dot").out.startswith('digraph "full 1.2.0" {\n')
    done = somagent("graph", "full.capsule.yaml", "-o", "full.svg")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (somagent.folder / "full.svg").read_text().startswith("<svg ")
    lost = somagent("graph", "full.capsule.yaml", "-o", "no/full.svg")
    assert (lost.code, lost.err) == (2, "error: cannot write `no/full.svg`: no such file or directory\n")


def test_a_capsule_with_mistakes_has_no_graph(somagent: Shell) -> None:
    somagent.write("full.capsule.yaml", FULL.replace("needs: [look]", "needs: [lok]"))
    done = somagent("graph", "full.capsule.yaml")
    assert (done.code, done.out) == (1, "")
    assert "did you mean `look`?" in done.err
    assert done.err.endswith("`full.capsule.yaml` has mistakes and has no graph\n")


def test_what_is_too_large_to_draw_is_said(somagent: Shell) -> None:
    steps = "".join(
        f'    s{number}: {{ needs: [{f"s{number - 1}" if number else ""}], script: {{ run: "true" }} }}\n'
        for number in range(1001)
    )
    capsule = somagent.capsule("many", f"  steps:\n{steps}")
    svg = somagent("graph", capsule, "--format", "svg")
    assert (svg.code, svg.out) == (2, "")
    assert "a drawing of 1,001 steps shows nothing" in svg.err
    mermaid = somagent("graph", capsule)
    assert mermaid.code == 0
    assert "this graph has 1,000" in mermaid.err
    assert somagent("graph", capsule, "--format", "dot").out.count("->") == 1000
