"""Scripts that count on what GitHub Actions gives them would end at a variable that nobody has set."""

from __future__ import annotations

import re
from collections.abc import Iterator

from somagent.capsule_compiler.catalogue import SCRIPT
from somagent.capsule_compiler.draft import Draft, StepDraft
from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Edit, Path, ScalarNode, Span, in_document, node_at

_READ = re.compile(
    r"""\$\{?(?P<shell>(?:GITHUB|RUNNER)_[A-Z_]+)(?!:?-)\b"""
    r"""|environ(?:\.get\(|\[)\s*["'](?P<python>(?:GITHUB|RUNNER)_[A-Z_]+)"""
    r"""|::(?P<command>set-output|set-env|add-path)\b"""
)
_OUTPUT = (
    'a script gives its outputs as lines `name=value` in the file $SOMAGENT_OUTPUT: `echo "size=3" >> '
    '"$SOMAGENT_OUTPUT"`, and the step declares them: `outputs: { size: { type: integer } }`'
)
_ENV = 'a step hands values on as outputs; another step reads them: `env: { SIZE: "${{ steps.STEP.size }}" }`'
_WAYS_OUT = {
    "GITHUB_OUTPUT": _OUTPUT,
    "set-output": _OUTPUT,
    "GITHUB_ENV": _ENV,
    "set-env": _ENV,
    "GITHUB_PATH": "each step begins anew: set PATH in the script that needs it",
    "add-path": "each step begins anew: set PATH in the script that needs it",
    "GITHUB_STEP_SUMMARY": "what a script prints stands in its log; a report is an output of type `artifact`",
    "GITHUB_WORKSPACE": "a step begins in an empty folder of its own; files come in as artifacts or by `include`",
    "GITHUB_TOKEN": "declare it under `spec.uses.secrets`, grant it to the step, and hand it over in `env`",
    "GITHUB_RUN_ID": 'hand it over: `env: { RUN: "${{ run.id }}" }`',
    "GITHUB_ACTOR": 'hand it over: `env: { WHO: "${{ run.submitter }}" }`',
}
_OTHERWISE = 'hand the value over: declare an input, and write `env: { NAME: "${{ inputs.name }}" }`'


def check_scripts(draft: Draft) -> Draft:
    """Warns of every such place in a script's text."""
    found: list[Diagnostic] = []
    for step in draft.steps.values():
        for argument, environment in draft.hinted(step, SCRIPT):
            text = step.operation.arguments.get(argument)
            if isinstance(text, str) and not ("GITHUB_" in text or "RUNNER_" in text or "::" in text):
                continue  # as almost always
            if len(found) < MAX_MISTAKES:  # a text with another mistake is looked at as well
                found += _mistakes(draft, step, argument, environment)
    return draft.reporting(found)


def _mistakes(draft: Draft, step: StepDraft, argument: str, environment: str) -> Iterator[Diagnostic]:
    at: Path = (*step.path, *step.operation.at)
    node = node_at(draft.root, (*at, argument)) if draft.root is not None else None
    if not isinstance(node, ScalarNode):
        return
    given = draft.written((*at, environment))
    for match in _READ.finditer(node.text):
        group = str(match.lastgroup)
        name = match[group]
        if name in given or re.search(rf"(?m)(?:^|[\s;]){name}=", node.text):
            continue
        span = Span(*match.span(group))
        shown = f"`::{name}`" if group == "command" else f"`{name}`"
        edit = Edit(span, "SOMAGENT_OUTPUT", "write to $SOMAGENT_OUTPUT") if name == "GITHUB_OUTPUT" else None
        what = "means nothing here" if group == "command" else "is not set here"
        mistake = Diagnostic(
            "github-variable",
            f"{shown} is GitHub Actions' own and {what}",
            span,
            help=_WAYS_OUT.get(name, _OTHERWISE),
            edit=edit,
        )
        yield from in_document(draft.source, node, [mistake])
