"""A plan carries its rule books whole; here they become constitutions again, with the digest that the plan promised."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from somagent.capsule_compiler.plan import Node, Plan, RuleBook
from somagent.governance.constitution import (
    Circumstances,
    Constitution,
    ConstitutionRefused,
    constitution_from_document,
)
from somagent.operators.runner.records import RunRecord


@dataclass(frozen=True, slots=True)
class _ByDigest:
    """A rule book as a cache key: its digest says what is in it."""

    digest: str
    book: RuleBook = field(compare=False)


def constitution_of(book: RuleBook) -> Constitution:
    """The book's constitution, made once in a process.

    Raises `ConstitutionRefused` when the book is unsound or is not the one that its digest names.
    """
    return _constitution_of(_ByDigest(book.digest, book))


@lru_cache(maxsize=64)
def _constitution_of(key: _ByDigest) -> Constitution:
    constitution = constitution_from_document(key.book.document)
    if constitution.digest != key.digest:
        raise ConstitutionRefused(
            f"rule book `{key.book.name}` is not what the plan was checked against: "
            f"its digest is {constitution.digest}, the plan says {key.digest}"
        )
    return constitution


def circumstances_of(plan: Plan, node: Node, run: RunRecord) -> Circumstances:
    """What rules may know of a step in a run."""
    return Circumstances(
        step=node.id,
        operator=node.operator,
        gate=node.gate,
        capsule=plan.capsule.name,
        package=plan.capsule.package,
        version=plan.capsule.version,
        run=run.id,
        submitter=run.submitter,
    )
