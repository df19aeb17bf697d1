"""A sound draft becomes plan/v1, with every default written out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET

from somagent.capsule_compiler.diagnostics.codes import is_error
from somagent.capsule_compiler.draft import Draft, StepDraft, Use
from somagent.capsule_compiler.model.capsule import BudgetSpec, Capsule, RetrySpec
from somagent.capsule_compiler.model.quantities import count, duration_ms, money
from somagent.capsule_compiler.passes.check_types import step_outputs
from somagent.capsule_compiler.plan import (
    Budget,
    CapsuleInfo,
    Edge,
    Node,
    Plan,
    Retry,
    RuleBook,
    SecretUse,
    SourceInfo,
    digest_of,
)
from somagent.governance.constitution import Constitution

DEFAULT_TIMEOUT_MS = 3_600_000
DEFAULT_BACKOFF_MS = 1_000
DEFAULT_FAILURES = ["transient", "rate_limit", "timeout"]


def digest(draft: Draft) -> Draft:
    """Builds the plan; a draft with errors stays without one."""
    capsule = draft.capsule
    if capsule is None or any(is_error(one) for one in draft.diagnostics):
        return draft
    spec = capsule.spec
    nodes = [_node(draft, capsule, draft.steps[name]) for name in draft.order]
    finals = [_node(draft, capsule, step) for step in draft.steps.values() if step.final]
    plan = Plan(
        format="plan/v1",
        capsule=CapsuleInfo(
            name=capsule.metadata.name,
            package=spec.package or "",
            version=spec.version or "",
            description=spec.description,
        ),
        constitution=_rule_book(draft.given.constitution),
        policies={name: _rule_book(book) for name, book in draft.policies.items()},
        inputs={name: msgspec.to_builtins(schema) for name, schema in spec.inputs.items()},
        types={name: msgspec.to_builtins(schema) for name, schema in spec.types.items()},
        nodes=nodes,
        finals=finals,
        outputs=dict(draft.outputs),
        output_schemas={name: dict(schema) for name, schema in draft.output_schemas.items()},
        budget=_budget(spec.budget),
        files=list(draft.files),
        secrets={
            name: SecretUse(secret=use.secret, key=use.key, grant_to=list(use.grant_to))
            for name, use in spec.uses.secrets.items()
        },
        catalogue=draft.given.language.digest,
        source=SourceInfo(
            file=draft.source.name.rsplit("/", 1)[-1],
            digest=digest_of(draft.source.text.encode()),
            lines={
                step.id: draft.source.position(draft.key_span(step.path).start).line for step in draft.steps.values()
            },
        ),
    )
    return replace(draft, plan=plan)


def _node(draft: Draft, capsule: Capsule, step: StepDraft) -> Node:
    spec, defaults = step.spec, capsule.spec.defaults
    entry = draft.entry(step)
    timeout = spec.timeout or defaults.timeout
    return Node(
        id=step.id,
        operator=step.operation.operator,
        arguments=step.arguments,
        needs=[Edge(step=name, kind=kind) for name, kind in sorted(step.needs.items())],
        guard=_text(step, "if"),
        require=_text(step, "require"),
        fan_out=step.fan_out,
        outputs=step_outputs(entry, step),
        gate=entry.gate,
        retry=_retry(spec.retry, defaults.retry),
        timeout_ms=duration_ms(timeout) if timeout else DEFAULT_TIMEOUT_MS,
        budget=_budget(spec.budget),
        secrets=list(step.secrets),
        verdict=step.verdict,
    )


def _text(step: StepDraft, use: Use) -> str:
    return next((one.text for one in step.expressions if one.use == use), "")


def _retry(own: RetrySpec | Any, default: RetrySpec | Any) -> Retry:
    def choose(name: str, otherwise: Any) -> Any:
        for spec in (own, default):
            if spec is not UNSET and getattr(spec, name) is not UNSET:
                return getattr(spec, name)
        return otherwise

    backoff = choose("backoff", None)
    return Retry(
        attempts=choose("attempts", 1),
        backoff_ms=duration_ms(backoff) if backoff else DEFAULT_BACKOFF_MS,
        failures=list(choose("failures", DEFAULT_FAILURES)),
    )


def _budget(spec: BudgetSpec | Any) -> Budget | None:
    if spec is UNSET:
        return None
    cost = money(spec.cost) if spec.cost else None
    return Budget(
        tokens=count(spec.tokens) if spec.tokens else None,
        cost_micros=cost.micros if cost else None,
        currency=cost.currency if cost else "",
        wall_clock_ms=duration_ms(spec.wall_clock) if spec.wall_clock else None,
    )


def _rule_book(constitution: Constitution) -> RuleBook:
    return RuleBook(
        name=constitution.name,
        version=constitution.version,
        digest=constitution.digest,
        document=dict(constitution.document),
    )
