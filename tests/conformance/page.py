"""The page on the suite, written from its cases: docs/reference/conformance.md."""

from __future__ import annotations

from collections.abc import Iterator

from .cases import DIFFERENCES, FEATURES, GRAPHS, NO_CASE, all_cases, cases_for
from .engines import ENGINES

_HEAD = """\
# Reference: what every engine must pass

> Truth only: no mocks, no imitations, no bypasses, no invented values. Real servers, real data, exact mathematics.

The same capsule, with the same inputs and the same things done to it from outside, must come out alike on every engine:
the same steps, phases, attempts, outputs, verdicts, failures and idempotency keys. What exactly holds is in
[Reference: the execution](execution.md). The cases below are data, one file each:
`tests/conformance/cases/GRAPH/FEATURE.yaml`. This page is written from them.

```
pytest tests/conformance
```

- A case does to a run what people and machines do: it lets the engine work, approves, rejects, cancels, lets time pass,
  kills whatever works (SIGKILL) and goes on, starts a new run from a step. Then the whole outcome is compared.
- `idle` looks at a run that nobody works on, before it begins or after a death. Argo and Airflow begin and go on by
  themselves, so on them there is no such moment, and only what comes after is compared.
- What is expected was written by hand from the contract. Scripts of cases share no folder, so they can run in pods.
- An engine joins by an adapter (`tests/conformance/adapter.py`) and a line in `tests/conformance/engines`.
- Where a graph and a feature have nothing to say to each other, the grid has `–`, and the graph's list the reason
  (`tests/conformance/no_case.yaml`).
- Where an engine cannot do what a case asks, `tests/conformance/differences.yaml` says why. Such a case must fail.
- `make conformance ENGINE=argo` runs those of an engine that needs servers. Of its cases, those seen to pass are
  in `tests/conformance/seen.yaml`, and the grid says of how many.

"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_matrix(engine) for engine in ENGINES) + "".join(_lists())


def _matrix(engine: str) -> str:
    differences = DIFFERENCES[engine]
    run, every = len(cases_for(engine)), len(all_cases())
    not_run = f" {every - run} were not run on it yet, or are known to fail." if run < every else ""
    passed = f"{run - len(differences)} of {run} cases pass.{not_run} A number is how many cases there are."
    lines = [
        f"## Engine {engine}\n\n{passed}\n\n",
        f"| | {' | '.join(f'[{graph}](#{graph})' for graph in GRAPHS)} |\n|---|{'---|' * len(GRAPHS)}\n",
    ]
    for feature, meaning in FEATURES.items():
        cells = [_cell(graph, feature, engine) for graph in GRAPHS]
        lines.append(f"| {meaning} | {' | '.join(cells)} |\n")
    reasons = [f"- `{name}`: {reason}\n" for name, reason in differences.items()]
    return "".join([*lines, *(["\nWhat it cannot do:\n\n"] if reasons else []), *reasons, "\n"])


def _cell(graph: str, feature: str, engine: str) -> str:
    cases = [one for one in all_cases() if (one.graph, one.feature) == (graph, feature)]
    run = [one for one in cases_for(engine) if one in cases]
    failing = sum(case.name in DIFFERENCES[engine] for case in run)
    passed = f"{len(run) - failing}" + (f", not {failing}" if failing else "")
    return "–" if not cases else passed + (f" of {len(cases)}" if len(run) < len(cases) else "")


def _lists() -> Iterator[str]:
    for graph, meaning in GRAPHS.items():
        yield f"\n## {graph}\n\n{meaning[0].upper()}{meaning[1:]}.\n\n"
        for case in all_cases():
            if case.graph == graph:
                yield f"- `{case.name}`: {case.title}.\n"
        if graph in NO_CASE:
            yield "\nNo case:\n\n"
            yield from (f"- {FEATURES[feature]}: {reason}.\n" for feature, reason in NO_CASE[graph].items())
