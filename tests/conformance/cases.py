"""Cases as data: `cases/GRAPH/FEATURE[.VARIANT].yaml`, one a file, and the compiled capsule of each.

A case says what the capsule is, what is done from outside, and how the run must look then. It is written by hand from
the contract (docs/reference/execution.md), never taken from what an engine printed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct, field

from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.diagnostics import render_all
from somagent.capsule_compiler.language import prepare_language
from somagent.governance.constitution import Constitution, constitution_from_document, default_constitution
from somagent.operators.operator import Operator
from somagent.operators.registry import load_operators
from somagent.workflows.capsules import Installation, compile_content

from .probe import OPERATOR as PROBE

HERE = Path(__file__).parent
FOLDER = HERE / "cases"
GRAPHS = {
    "single": "one step",
    "chain": "steps one after the other",
    "fan-out": "one step, then several",
    "fan-in": "several steps, then one",
    "diamond": "out and in again",
    "nested-for-each": "a fan-out of capsules that fan out",
    "sub-capsule": "a step that is a capsule",
    "wide": "200 items or steps at once",
    "long": "1,000 steps",
}
FEATURES = {
    "order": "who comes after whom, and what travels between them",
    "key": "idempotency keys",
    "verdict": "what the constitution says",
    "if": "`if`",
    "require": "`require`",
    "skip": "what a skipped step does to those after it",
    "retry": "classes of failure, and further attempts",
    "timeout": "`timeout`",
    "gate-approve": "people approve",
    "gate-reject": "people reject",
    "gate-timeout": "nobody decides in time",
    "collect": "`forEach` with `onItemFailure`",
    "artifacts": "files and folders",
    "large-values": "values above 64 KiB",
    "secrets": "secrets",
    "budget": "budgets",
    "finally": "`finally`",
    "cancel": "somebody cancels",
    "resume": "killed, and gone on with",
    "retry-from": "a new run from a step on",
}
_NUMBER = re.compile(r'"<n(?P<alone>[+-]1|)>"(?!:)|<n(?P<more>[+-]1|)>')  # a number, where it stands alone
DIFFERENCES: Mapping[str, Mapping[str, str]] = yaml.safe_load((HERE / "differences.yaml").read_text(encoding="utf-8"))
SEEN: Mapping[str, Sequence[str]] = yaml.safe_load((HERE / "seen.yaml").read_text(encoding="utf-8"))
NO_CASE: Mapping[str, Mapping[str, str]] = yaml.safe_load((HERE / "no_case.yaml").read_text(encoding="utf-8"))
_HEAD = {"apiVersion": "somagent.io/v1alpha1"}


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """One case; `graph` and `feature` are where it lies."""

    title: str
    spec: dict[str, Any]
    files: dict[str, Any] = {}  # beside the capsule: `{spec}` is a capsule, a text is a file as it stands
    constitution: dict[str, Any] | None = None  # its spec
    secrets: dict[str, str] = {}
    inputs: dict[str, Any] = {}
    submitter: str = "ada"
    times: int = 0  # what `<n>` in the names of steps counts up to; see `_written_out`
    do: list[Any] = field(default_factory=lambda: ["run"])
    expect: dict[str, Any]
    graph: str = ""
    feature: str = ""
    name: str = ""


def read_case(path: Path) -> Case:
    """The case in a file; raises `msgspec.ValidationError` for what no case may have."""
    case = msgspec.convert(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader), Case)
    spec, inputs, expect = (_written_out(part, case.times) for part in (case.spec, case.inputs, case.expect))
    name = f"{path.parent.name}/{path.stem}"
    feature = path.stem.partition(".")[0]
    place = {"graph": path.parent.name, "feature": feature, "name": name}
    return msgspec.structs.replace(case, spec=spec, inputs=inputs, expect=expect, **place)


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case, in the order of graphs and features."""
    graphs, features = list(GRAPHS), list(FEATURES)
    found = [read_case(path) for path in FOLDER.glob("*/*.yaml")]
    return tuple(sorted(found, key=lambda case: (graphs.index(case.graph), features.index(case.feature), case.name)))


@cache
def cases_for(engine: str) -> tuple[Case, ...]:
    """Those that are run on an engine: all, or where it needs servers, those of which it is known how they come out."""
    known = {*SEEN.get(engine, ()), *DIFFERENCES[engine]}
    return tuple(case for case in all_cases() if engine not in SEEN or case.name in known)


@cache
def installation() -> Installation:
    """What is installed here, and `probe`."""
    registry = load_operators()
    operators: Mapping[str, Operator] = {**registry.operators, "probe": PROBE}
    catalogue = msgspec.structs.replace(
        registry.catalogue, operators={name: one.entry for name, one in operators.items()}
    )
    return Installation(operators, prepare_language(catalogue), registry.faults)


def compiled(case: Case, folder: Path) -> Compilation:
    """The case's capsule, compiled in `folder`, where its files are written; it must be one without mistakes."""
    for name, content in case.files.items():
        text = content if isinstance(content, str) else _document(name.partition(".")[0], content)
        (folder / name).write_text(text, encoding="utf-8")
    text = _document("case", {"spec": case.spec}).encode()
    done = compile_content(folder / "case.capsule.yaml", text, installation(), _constitution(case))
    assert done.plan is not None, "\n" + render_all(done.source, done.diagnostics)
    return done


def _document(name: str, content: Mapping[str, Any]) -> str:
    """JSON is YAML."""
    document = {**_HEAD, "kind": "Capsule", "metadata": {"name": name}, **content}
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode()


def _constitution(case: Case) -> Constitution:
    if case.constitution is None:
        return default_constitution()
    head = {**_HEAD, "kind": "Constitution", "metadata": {"name": "house"}}
    return constitution_from_document({**head, "spec": case.constitution})


def _written_out(value: Any, times: int) -> Any:
    """Each key with `<n>` once for every n from 1 to `times`; `<n>`, `<n-1>` and `<n+1>` below it are the numbers.

    A mapping with the key `<n>` alone becomes the list of what is below.
    """
    if isinstance(value, list):
        return [_written_out(one, times) for one in value]
    if not isinstance(value, dict):
        return value
    written = dict(_pairs(value, times))
    return list(written.values()) if value.keys() == {"<n>"} else written


def _pairs(value: dict[str, Any], times: int) -> Iterator[tuple[str, Any]]:
    for key, below in value.items():
        if "<n>" not in str(key):
            yield key, _written_out(below, times)
            continue
        text = json.dumps({key: below})
        for number in range(1, times + 1):
            yield from json.loads(_NUMBER.sub(partial(_numbered, number), text)).items()


def _numbered(number: int, found: re.Match[str]) -> str:
    return str(number + int(found["alone"] or found["more"] or 0))
