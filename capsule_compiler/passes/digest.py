"""A sound draft becomes plan/v1, with every default written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from somagent.capsule_compiler.border import child_of, types_across, used_alias
from somagent.capsule_compiler.diagnostics.codes import is_error
from somagent.capsule_compiler.draft import FINALLY, STEPS, Child, Draft, StepDraft, Use, UsedFile
from somagent.capsule_compiler.model.capsule import (
    DEFAULT_ATTEMPTS,
    DEFAULT_BACKOFF,
    DEFAULT_FAILURES,
    DEFAULT_ON_EXCEED,
    DEFAULT_TIMEOUT,
    BudgetSpec,
    Capsule,
    RetrySpec,
)
from somagent.capsule_compiler.model.quantities import count, duration_ms, money
from somagent.capsule_compiler.packages.use import uses_of
from somagent.capsule_compiler.plan import (
    Budget,
    CapsuleInfo,
    Edge,
    Node,
    PackagePin,
    Plan,
    Retry,
    RuleBook,
    SecretUse,
    SourceInfo,
    UsedDocument,
    digest_of,
)
from somagent.capsule_compiler.sub_capsules import contents_of, sub_plan
from somagent.governance.constitution import Constitution
from somagent.governance.documents import MappingNode, node_at


def digest(draft: Draft) -> Draft:
    """Builds the plan; a draft with errors stays without one."""
    capsule = draft.capsule
    if capsule is None or any(is_error(one) for one in draft.diagnostics):
        return draft
    spec = capsule.spec
    usual = _Usual(_retry(UNSET, spec.defaults.retry), duration_ms(spec.defaults.timeout or DEFAULT_TIMEOUT))
    nodes = [_node(draft, capsule, draft.steps[name], usual) for name in draft.order]
    finals = [_node(draft, capsule, step, usual) for step in draft.steps.values() if step.final]
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
        personas=_used(draft.personas),
        tools=_used(draft.tools),
        packages=_packages(draft),
        inputs={name: msgspec.to_builtins(schema) for name, schema in spec.inputs.items()},
        types=_types(draft, spec.types),
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
        capsules=_capsules(draft),
        catalogue=draft.given.language.digest,
        source=SourceInfo(
            file=draft.source.name.rsplit("/", 1)[-1],
            digest=digest_of(draft.source.text.encode()),
            lines=_lines(draft),
        ),
    )
    return replace(draft, plan=plan, contents={**_inner_contents(draft), **draft.contents})


def _lines(draft: Draft) -> dict[str, int]:
    sections = [node_at(draft.root, section) for section in (STEPS, FINALLY)] if draft.root is not None else []
    keys = [entry.key for node in sections if isinstance(node, MappingNode) for entry in node.entries.values()]
    return {key.text: draft.source.position(key.span.start).line for key in keys}


def _capsules(draft: Draft) -> dict[str, Plan]:
    """The plans of all capsules that steps run, directly or not, by digest."""
    found: dict[str, Plan] = {}
    for child in _children(draft):
        digest, plan = sub_plan(child)
        found |= {digest: plan, **(child.plan.capsules if child.plan is not None else {})}
    return dict(sorted(found.items()))


def _children(draft: Draft) -> list[Child]:
    children = [child_of(draft, step) for step in draft.steps.values()]
    return [child for child in children if child is not None]


def _inner_contents(draft: Draft) -> dict[str, bytes]:
    return {digest: content for child in _children(draft) for digest, content in contents_of(child).items()}


def _types(draft: Draft, own: Mapping[str, Any]) -> dict[str, Any]:
    run = {used_alias(draft, step, "capsules") for step in draft.steps.values()}
    across = {name: schema for name, schema in types_across(draft).items() if name.partition(".")[0] in run}
    return {name: msgspec.to_builtins(schema) for name, schema in own.items()} | across


def _packages(draft: Draft) -> dict[str, PackagePin]:
    """The packages that the capsule itself uses; those of the capsules that it uses are in their plans."""
    if draft.family is None or draft.capsule is None:
        return {}
    used = sorted({use.package for use in uses_of(draft.capsule.spec.uses) if use.package})
    packages = [draft.family.packages[name] for name in used]
    return {one.manifest.package: PackagePin(version=str(one.manifest.version), digest=one.digest) for one in packages}


def _used(files: Mapping[str, UsedFile]) -> dict[str, UsedDocument]:
    return {
        alias: UsedDocument(name=file.name, digest=file.digest, document=dict(file.document))
        for alias, file in files.items()
    }


class _Usual(NamedTuple):
    """What holds for steps that say nothing else."""

    retry: Retry
    timeout_ms: int


def _node(draft: Draft, capsule: Capsule, step: StepDraft, usual: _Usual) -> Node:
    spec = step.spec
    entry, child = draft.entry(step), child_of(draft, step)
    return Node(
        id=step.id,
        operator=step.operation.operator,
        arguments=step.arguments,
        needs=[Edge(step=name, kind=kind) for name, kind in sorted(step.needs.items())],
        guard=_text(step, "if"),
        require=_text(step, "require"),
        fan_out=step.fan_out,
        outputs=step.outputs,
        gate=entry.gate,
        retry=usual.retry if spec.retry is UNSET else _retry(spec.retry, capsule.spec.defaults.retry),
        timeout_ms=duration_ms(spec.timeout) if spec.timeout else usual.timeout_ms,
        budget=_budget(spec.budget),
        total_budget=_budget(spec.total_budget),
        secrets=list(step.secrets),
        capsule=sub_plan(child)[0] if child is not None else "",
        verdict=step.verdict,
    )


def _text(step: StepDraft, use: Use) -> str:
    for one in step.expressions:
        if one.use == use:
            return one.text
    return ""


def _retry(own: RetrySpec | Any, default: RetrySpec | Any) -> Retry:
    def choose(name: str, otherwise: Any) -> Any:
        for spec in (own, default):
            if spec is not UNSET and getattr(spec, name) is not UNSET:
                return getattr(spec, name)
        return otherwise

    return Retry(
        attempts=choose("attempts", DEFAULT_ATTEMPTS),
        backoff_ms=duration_ms(choose("backoff", DEFAULT_BACKOFF)),
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
        on_exceed=DEFAULT_ON_EXCEED if spec.on_exceed is UNSET else spec.on_exceed,
    )


def _rule_book(constitution: Constitution) -> RuleBook:
    return RuleBook(
        name=constitution.name,
        version=constitution.version,
        digest=constitution.digest,
        document=dict(constitution.document),
    )
