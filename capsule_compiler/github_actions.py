"""What people write here who know GitHub Actions (or GitLab, or Kubernetes), and what it is called in a capsule.

A field of a workflow is no field of ours; what it is for mostly has another place. Where nothing but that can be
meant, the way out is an edit as well. One line for each field: nothing else knows of them.
"""

from __future__ import annotations

import re

from somagent.governance.documents import Edit, MappingNode, ScalarNode, Source, Span, WayOut

_SCRIPT = ("run", "env", "shell")  # of a step there, of `script` here
_STEP = {
    "name": "a step is called by its id, the key that it stands under; more can be said in a comment",
    "id": "the key that a step stands under is its id",
    "run": "a script stands under `script`: `script: { run: ... }`",
    "env": "variables are given to a script: `script: { run: ..., env: { NAME: value } }`",
    "shell": "what reads a script stands beside it: `script: { run: ..., shell: bash }`",
    "working-directory": "each attempt begins in an empty folder of its own; write `cd FOLDER` in the script",
    "uses": "an action is a tool, a capsule or a script here: name what comes from outside under `spec.uses`, and "
    "write `tool: { use: NAME }` or `capsule: { use: NAME }`",
    "with": "inputs stand beside what they are for: `tool: { use: NAME, with: { ... } }`",
    "runs-on": "leave it out: where steps run is not said in a capsule; `script: { run: ..., image: python }` names a "
    "container image",
    "container": "an image stands beside the script: `script: { run: ..., image: python }`",
    "image": "an image stands beside the script: `script: { run: ..., image: python }`",
    "resources": "limits stand beside the script: `script: { run: ..., resources: { memory: 512Mi } }`",
    "services": "leave it out: start what a script needs in the script itself",
    "strategy": "a step runs once for each item of a list: `forEach: ${{ ['a', 'b'] }}`, with `as:` and `maxParallel:`",
    "matrix": "a step runs once for each item of a list: `forEach: ${{ ['a', 'b'] }}`, with `as:`",
    "continue-on-error": "leave it out: a failed step stops only the steps that need it; `onItemFailure: collect` goes "
    "on after a failed item of a `forEach`, and what must run in any case stands under `finally`",
    "timeout-minutes": "write `timeout: 15m`",
    "permissions": "leave it out: who gets a secret is said by `grantTo` under `spec.uses.secrets`",
    "secrets": "a secret is declared under `spec.uses.secrets`, and read as `${{ secrets.NAME }}` in `env`",
    "environment": "people are asked by a step of their own: `review: { title: ..., reviewers: { groups: [...] } }`",
    "steps": "there is one level: each step of a job stands under `spec.steps`, and `needs` says what waits for what",
    "concurrency": "leave it out; `maxParallel` bounds how many items of a `forEach` are at work at once",
    "defaults": "what all steps have in common stands under `spec.defaults`",
}
_TOP = {
    "name": "a capsule is called by `metadata.name`",
    "run-name": "a capsule is called by `metadata.name`; each run has an id of its own",
    "on": "what starts a run is not said in a capsule: `somagent run` does; what a run is given is declared under "
    "`spec.inputs`",
    "jobs": "there is one level: the steps of all jobs stand under `spec.steps`, and `needs` says what waits for what",
    "env": "variables are given to each script: `script: { run: ..., env: { NAME: value } }`",
    "permissions": "leave it out: who gets a secret is said by `grantTo` under `spec.uses.secrets`",
    "concurrency": "leave it out; `maxParallel` bounds how many items of a `forEach` are at work at once",
    "secrets": "secrets are declared under `spec.uses.secrets`",
    "runs-on": _STEP["runs-on"],
    "strategy": _STEP["strategy"],
}
_RESOURCES = {
    "limits": "what is written is the limit, without a level of its own: `resources: { memory: 512Mi }`",
    "requests": "leave it out: nothing is reserved; what is written is the limit: `resources: { memory: 512Mi }`",
}
_SCHEMA = {
    "options": "the values that are allowed stand under `enum`",
    "deprecationMessage": "leave it out, or say it in `description`",
    "value": "a step writes its outputs to $SOMAGENT_OUTPUT; here is said of which type they are",
}
_FIELDS = {
    "step": _STEP,
    "script step": {
        "name": _STEP["name"],
        "working-directory": _STEP["working-directory"],
        "timeout-minutes": "it stands beside `script`: `timeout: 15m`",
    },
    "resources": _RESOURCES,
    "capsule": _TOP,
    "spec": _TOP,
    "value schema": _SCHEMA,
}
_MINUTES = re.compile(r"[1-9][0-9]{0,4}")


def from_github_actions(title: str, name: str, node: MappingNode, source: Source) -> WayOut | None:
    """The way out for a field that is one of GitHub Actions; None when it is not."""
    help_ = _FIELDS.get(title, {}).get(name)
    if help_ is None:
        return None
    if title == "step" and name == "timeout-minutes":
        return _timeout(help_, node)
    if title == "step" and name in _SCRIPT:
        return WayOut(help_, _script(name, node, source))
    if name == "options":
        edit = (
            None if "enum" in node.entries else Edit(node.entries[name].key.span, "enum", "call it `enum`", safe=True)
        )
        return WayOut(help_, edit)
    return WayOut(help_)


def _timeout(help_: str, node: MappingNode) -> WayOut:
    entry = node.entries["timeout-minutes"]
    minutes = entry.value.text if isinstance(entry.value, ScalarNode) else ""
    if not _MINUTES.fullmatch(minutes):
        return WayOut(help_)
    whole = f"timeout: {minutes}m"
    span = Span(entry.key.span.start, entry.value.span.end)
    edit = None if "timeout" in node.entries else Edit(span, whole, f"write `{whole}`", safe=True)
    return WayOut(f"write `{whole}`", edit)


def _script(name: str, node: MappingNode, source: Source) -> Edit | None:
    """Puts `run`, and what belongs to it and stands next to it, under `script`; said once, at the first of them."""
    names = list(node.entries)
    mine = [one for one in names if one in _SCRIPT]
    first, last = names.index(mine[0]), names.index(mine[-1])
    if name != mine[0] or "run" not in mine or "script" in names or names[first : last + 1] != mine:
        return None
    start, end = node.entries[mine[0]].key.span.start, node.entries[mine[-1]].value.span.end
    body = source.text[start:end]
    title = "put it under `script`"
    if source.text[node.span.start] == "{":
        return Edit(Span(start, end), f"script: {{ {body} }}", title, safe=True) if "\n" not in body else None
    indent = " " * (source.position(start).column - 1)
    lines = [f"  {line}" if line.strip() else line for line in body.split("\n")]
    return Edit(Span(start, end), f"script:\n{indent}  " + "\n".join(lines).lstrip(), title, safe=True)
