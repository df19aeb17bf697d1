"""Mistakes that can be made in several parts of a case."""

from __future__ import annotations

from collections.abc import Iterable

from somagent.capsule_compiler.plan import Plan
from somagent.governance.documents import Diagnostic, Edit, nearest
from somagent.governance.documents import Path as Place
from somagent.workflows.testing.reading import Text
from somagent.workflows.testing.subject import Subject


def unknown(text: Text, place: Place, name: str, known: Iterable[str], what: str) -> Diagnostic:
    """A name that nothing has; `what` is a step, an output or input of something, or a code."""
    known = list(known)
    near = nearest(name, known)
    kind, _, owner = what.partition(" ")
    listed = ", ".join(f"`{one}`" for one in known[:20])
    span = text.key(place) if isinstance(place[-1], str) and place[-1] == name else text.span(place)
    return Diagnostic(
        f"test-unknown-{kind}",
        f"there is no {kind} `{name}`{owner and f' {owner}'}",
        span,
        edit=Edit(span, near, f"write `{near}`") if near else None,
        note=f"did you mean `{near}`?" if near else "",
        help="" if near or kind == "code" else f"{kind}s: {listed}" if listed else f"it has no {kind}s",
    )


def _ids(plan: Plan) -> list[str]:
    """The ids of all steps of a plan."""
    return [node.id for node in (*plan.nodes, *plan.finals)]


def known_beside(address: str, subject: Subject) -> list[str]:
    """What the address may have meant: steps beside the one named."""
    outer, slash, _ = address.rpartition("/")
    if not slash or subject.plan is None:
        return _ids(subject.plan) if subject.plan is not None else []
    node = subject.node(outer)
    inner = subject.plan.capsules.get(node.capsule) if node is not None else None
    return [f"{outer}/{one}" for one in _ids(inner)] if inner is not None else _ids(subject.plan)


def misplaced(text: Text, place: Place, message: str, help_: str = "") -> Diagnostic:
    """Something that does not fit where it stands."""
    return Diagnostic("test-answer-misplaced", message, text.key(place), help=help_)
