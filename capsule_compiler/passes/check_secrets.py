"""A secret goes straight from where it is declared to what was granted it, and nowhere else.

Expressions carry the names of secrets, never values, so a value can only come out where an operator reads it: at an
argument that its catalogue entry says takes secrets. That place must be the whole value, in a step, tool or capsule
that `grantTo` names. Everything else (a prompt, a title, a bundle's name, an output, a decision, a part of a text, the
operand of anything) is a mistake that shows the way from the declaration to the place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from typing import NamedTuple

from msgspec import structs
from msgspec.structs import replace

from somagent.capsule_compiler.catalogue import SECRETS
from somagent.capsule_compiler.draft import Draft, Expression, StepDraft
from somagent.governance.cel import FAULTS, Expr, Reference, references
from somagent.governance.cel.syntax import Conditional
from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Label, Path, nearest

_WAY_OUT = "a secret goes whole into the `env` of a script, or into `with` of a tool or capsule, that `grantTo` names"
_WHOLE = 2  # parts of the place of a whole value: `env.NAME`, `with.NAME`
_DECIDES = {"if": "decide whether the step runs", "require": "decide whether the step runs", "forEach": "be a list"}


class _Source(NamedTuple):
    """A secret as expressions name it: `secrets.NAME`, or `inputs.NAME` of type secret."""

    name: str
    path: Path  # of its declaration
    granted: tuple[str, ...]


class _Reading(NamedTuple):
    """Where an expression reads a secret."""

    draft: Draft
    one: Expression
    reference: Reference
    source: _Source


def check_secrets(draft: Draft) -> Draft:
    """Lets through the expressions that hand a secret to who was granted it; each step learns which those are."""
    if draft.capsule is None:
        return draft
    spec = draft.capsule.spec
    sources = {source.name: source for source in _sources(draft)}
    found = list(_grants(draft, sources))
    if not sources:
        return draft.reporting(found)
    roots = frozenset(name.partition(".")[0] for name in sources)
    tools = [source for source in sources.values() if not spec.uses.tools.keys().isdisjoint(source.granted)]
    steps, used = {}, set()
    for step in draft.steps.values():
        sound, secrets = [], set()
        for one in step.expressions:
            read = _read(one, sources, roots)
            if not read:
                sound.append(one)
                continue
            mistakes = list(_misuse(draft, step, one, read, sources))
            if mistakes and len(found) < MAX_MISTAKES:
                found += mistakes
                continue
            sound.append(one)
            secrets |= {_named(reference) for reference in read}
            used |= {(_named(reference), _taker(draft, step, one)) for reference in read}
        secrets |= {source.name for source in tools if _uses(draft, step, source.granted)}
        if len(sound) != len(step.expressions) or secrets:
            step = structs.replace(step, expressions=tuple(sound), secrets=tuple(sorted(secrets)))  # noqa: PLW2901
        steps[step.id] = step
    outputs = []
    for one in draft.output_expressions:
        read = _read(one, sources, roots)
        if read:
            what = f"would become the output `{one.at[-1]}` of the run, which everybody who may see the run can read"
            found.append(_fault("secret-exposed", what, _Reading(draft, one, read[0], _source(read[0], sources))))
        else:
            outputs.append(one)
    if not found and not _unknown(draft, sources):
        found += _unused(draft, sources, used)
    return replace(draft.reporting(found), steps=steps, output_expressions=tuple(outputs))


def _sources(draft: Draft) -> Iterator[_Source]:
    assert draft.capsule is not None  # noqa: S101 - asked by the pass
    spec = draft.capsule.spec
    for name, use in spec.uses.secrets.items():
        yield _Source(f"secrets.{name}", ("spec", "uses", "secrets", name), tuple(use.grant_to))
    for name, schema in spec.inputs.items():
        if schema.type == "secret":
            granted = tuple(schema.grant_to) if isinstance(schema.grant_to, list) else ()
            yield _Source(f"inputs.{name}", ("spec", "inputs", name), granted)


def _read(one: Expression, sources: Mapping[str, _Source], roots: Set[str]) -> list[Reference]:
    """Where an expression reads a secret, or all of them at once by reading `secrets` or `inputs` as a whole."""
    return [
        reference
        for reference in one.reads
        if reference.names[0] in roots and (len(reference.names) == 1 or _named(reference) in sources)
    ]


def _named(reference: Reference) -> str:
    return ".".join(reference.names[:2])


def _source(reference: Reference, sources: Mapping[str, _Source]) -> _Source:
    name = _named(reference)
    return sources.get(name) or next(one for one in sources.values() if one.name.startswith(f"{name}."))


def _uses(draft: Draft, step: StepDraft, granted: tuple[str, ...]) -> bool:
    """Whether a step uses a tool that was granted a secret: such a tool reads it by itself."""
    tools = _tools(draft)
    asked = {step.operation.arguments.get(says) for _, says in draft.hinted(step, SECRETS) if says is not True}
    return any(name in tools and name in asked for name in granted)


def _tools(draft: Draft) -> Collection[str]:
    """The tools under `uses`; what such a thing takes is its own, so a secret may stand anywhere in it."""
    return draft.capsule.spec.uses.tools if draft.capsule is not None else ()


def _misuse(
    draft: Draft, step: StepDraft, one: Expression, read: list[Reference], sources: Mapping[str, _Source]
) -> Iterator[Diagnostic]:
    """What is wrong with an expression that reads secrets; nothing when it hands them to who was granted them."""
    first = read[0]
    if one.use != "argument":
        what = f"cannot {_DECIDES[one.use]}: what decides is shown to everybody who may see the run"
        yield _fault("secret-decides", what, _Reading(draft, one, first, _source(first, sources)))
        return
    place = ".".join(str(part) for part in one.at)
    if one.in_text:
        what = f"would become a part of the text `{place}` of step `{step.id}`"
        yield _fault("secret-in-text", what, _Reading(draft, one, first, _source(first, sources)))
        return
    whole = {reference.span for reference in _handed_on(one.expr)}
    for reference in read:
        if reference.span not in whole or len(reference.names) != 2 or reference.guarded:
            what = "cannot be computed with: it can only be handed on as it is"
            yield _fault("secret-computed", what, _Reading(draft, one, reference, _source(reference, sources)))
            return
    taker = _taker(draft, step, one)
    if taker and taker not in _tools(draft) and len(one.at) - len(step.operation.at) > _WHOLE:
        around = ".".join(str(part) for part in one.at[: len(step.operation.at) + _WHOLE])
        what = (
            f"would become a part of the value `{around}` of step `{step.id}`, which has names in it only, never values"
        )
        yield _fault("secret-in-text", what, _Reading(draft, one, first, _source(first, sources)))
        return
    if not taker:
        what = f"would reach `{place}` of step `{step.id}`, which is recorded with the run and shown to people"
        yield _fault("secret-exposed", what, _Reading(draft, one, first, _source(first, sources)))
        return
    for reference in read:
        source = _source(reference, sources)
        if taker not in source.granted:
            yield _not_granted(draft, one, reference, source, taker)


def _handed_on(expr: Expr) -> Iterator[Reference]:
    """The references that an expression is, whichever way its conditions decide."""
    if isinstance(expr, Conditional):
        yield from _handed_on(expr.yes)
        yield from _handed_on(expr.no)
        return
    found = references(expr)
    if len(found) == 1 and found[0].span == expr.span:
        yield found[0]


def _taker(draft: Draft, step: StepDraft, one: Expression) -> str:
    """Who would read a secret at the expression's place: a step, or what it uses; empty when nobody may there."""
    inside = one.at[len(step.operation.at) :] if one.use == "argument" else ()
    if len(inside) < _WHOLE:
        return ""
    for argument, says in draft.hinted(step, SECRETS):
        if argument == inside[0]:
            return step.id if says is True else str(step.operation.arguments.get(says, ""))
    return ""


def _not_granted(draft: Draft, one: Expression, reference: Reference, source: _Source, taker: str) -> Diagnostic:
    """Said without an edit: who gets a secret is decided by a person, never mended."""
    mistake = Diagnostic(
        "secret-not-granted",
        f"`{source.name}` is not granted to `{taker}`",
        reference.span,
        note=f"it would reach `{taker}` here",
        help=f"add `{taker}` to its `grantTo` if `{taker}` shall have it",
    )
    granted = " and ".join(f"`{name}`" for name in source.granted) or "nobody"
    label = Label(draft.key_span(source.path), f"it is declared here, for {granted}")
    (placed,) = draft.in_document(one, [mistake])
    return replace(placed, labels=(label,))


def _fault(name: str, what: str, at: _Reading) -> Diagnostic:
    message = f"`{at.source.name}` {what}"
    mistake = Diagnostic(name, message, at.reference.span, note="it gets here", help=_WAY_OUT)
    (placed,) = at.draft.in_document(at.one, [mistake])
    return replace(placed, labels=(Label(at.draft.key_span(at.source.path), "the secret is declared here"),))


def _grants(draft: Draft, sources: Mapping[str, _Source]) -> Iterator[Diagnostic]:
    """`grantTo` names what can take a secret."""
    assert draft.capsule is not None  # noqa: S101 - asked by the pass
    uses = draft.capsule.spec.uses
    scripts = [step.id for step in draft.steps.values() if any(says is True for _, says in draft.hinted(step, SECRETS))]
    takers = {*uses.tools, *uses.capsules, *scripts}
    for source in sources.values():
        for index, name in enumerate(source.granted):
            if name in takers or name in draft.broken:
                continue
            span = draft.span((*source.path, "grantTo", index))
            near = nearest(name, takers)
            known = ", ".join(f"`{one}`" for one in sorted(takers)) or "none here"
            reason = (
                f"step `{name}` cannot take a secret" if name in draft.steps else f"nothing here is called `{name}`"
            )
            yield Diagnostic(
                "unknown-grant",
                reason,
                span,
                note=f"did you mean `{near}`?" if near else "",
                help=f"`grantTo` names tools and capsules under `uses`, and script steps: {known}",
            )


def _unknown(draft: Draft, sources: Mapping[str, _Source]) -> bool:
    """Whether an expression names a secret that is not declared, or an expression or a step could not be read."""
    if any(one.name in FAULTS for one in draft.diagnostics):
        return True
    reads = (reference for step in draft.steps.values() for one in step.expressions for reference in one.reads)
    names = {_named(reference) for reference in reads if reference.names[0] == "secrets"}
    return bool(draft.broken) or any(name.startswith("secrets.") and name not in sources for name in names)


def _unused(draft: Draft, sources: Mapping[str, _Source], used: set[tuple[str, str]]) -> Iterator[Diagnostic]:
    """Least privilege: what is granted and never handed over need not be granted."""
    for source in sources.values():
        for index, name in enumerate(source.granted):
            if name in draft.steps and (source.name, name) not in used:
                span = draft.span((*source.path, "grantTo", index))
                message = f"`{source.name}` is granted to `{name}`, which is never given it"
                yield Diagnostic("unused-grant", message, span, help="take it away: what is not granted cannot leak")
