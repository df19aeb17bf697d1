"""The evidence: digests of all that the run was made of, and what was decided about every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from somagent.capsule_compiler.plan import RuleBook, plan_digest
from somagent.operators.runner.records import NO_ITEM
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.report.icons import effect, phase
from somagent.workflows.report.markup import Html, code, facts, join, said, table, tag, tall
from somagent.workflows.report.steps import reasons
from somagent.workflows.report.words import counted, size

_HEADS = ("Step", "Ended as", "Verdict", "Attempts", "Input digest", "Output digest")


def evidence(view: RunView) -> Html:
    """What the run was made of, its rules, and a row for every step and item."""
    return join([_made_of(view), _rule_books(view), _steps(view)])


def _made_of(view: RunView) -> Html:
    plan, run = view.plan, view.run
    computed = plan_digest(plan)
    agrees = (
        tag("span", "computed again for this page: the same", class_="note p-ok")
        if computed == run.plan_digest
        else join([tag("b", "computed again for this page: NOT the same ", class_="p-bad"), _digest(computed)])
    )
    source = join([said(plan.source.file, 200), " ", _digest(plan.source.digest)]) if plan.source.digest else ""
    pairs = [
        ("Run", code(run.id)),
        ("Capsule text", source),
        ("Plan", join([_digest(run.plan_digest), " ", agrees])),
        ("Constitution", _book(plan.constitution)),
        *((f"Policy set {name[:60]}", _book(book)) for name, book in plan.policies.items()),
        ("Operator catalogue", _digest(plan.catalogue)),
    ]
    files = [
        tag("tr", tag("td", code(file.path, 300)), tag("td", size(file.size)), tag("td", _digest(file.digest)))
        for file in plan.files
    ]
    taken = table("Files that the capsule took along", ("File", "Size", "Digest"), files, "data") if files else ""
    fold = tag("details", tag("summary", counted(len(files), "file"), " taken along"), taken) if files else ""
    return tag("div", facts(pairs, "terms"), fold, class_="card")


def _rule_books(view: RunView) -> Html:
    """The rules that were asked, as their documents have them."""
    folds = []
    for book in (view.plan.constitution, *view.plan.policies.values()):
        rows = [
            tag("tr", tag("td", code(name)), tag("td", code(does)), tag("td", code(when, 600)), tag("td", said(why)))
            for name, does, when, why in _rules(book)
        ]
        title = join(["The rules of ", said(book.name, 80), f" ({len(rows)})"])
        body = table("Rules", ("Rule", "Verdict", "When", "Because"), rows, "data") if rows else "It has no rules."
        folds.append(tag("details", tag("summary", title), body))
    return tag("div", *folds, class_="card folds plain")


def _rules(book: RuleBook) -> Iterator[tuple[str, str, str, str]]:
    spec = book.document.get("spec")
    rules = spec.get("rules") if isinstance(spec, Mapping) else None
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, Mapping):
            yield tuple(str(rule.get(name, "")) for name in ("id", "effect", "when", "because"))  # type: ignore[misc]


def _steps(view: RunView) -> Html:
    books = {book.digest: book.name for book in view.plan.policies.values()}
    books[view.plan.constitution.digest] = view.plan.constitution.name
    rows = []
    for number, step in enumerate(view.steps):
        rows.append(_row(step, f"#s{number}", books))
        if step.items:
            inner = table(
                f"Items of {step.id[:60]}", ("Item", *_HEADS[1:]), [_row(i, "", books) for i in step.items], "proof"
            )
            fold = tag("details", tag("summary", counted(len(step.items), "item"), " of ", code(step.id, 60)), inner)
            rows.append(tag("tr", tag("td", fold, colspan=len(_HEADS)), class_="inner"))
    return tall(tag("div", table("Every step", _HEADS, rows, "proof"), class_="card"), len(rows), "Evidence of steps")


def _row(step: StepView, href: str, books: Mapping[str, str]) -> Html:
    name = str(step.item) if step.item != NO_ITEM else code(step.id, 80)
    return tag(
        "tr",
        tag("th", tag("a", name, href=href) if href else name, scope="row"),
        tag("td", phase(step.phase)),
        tag("td", _verdicts(step, books)),
        tag("td", str(step.attempts), class_="number"),
        tag("td", _digest(step.input_digest)),
        tag("td", _digest(step.output_digest)),
    )


def _verdicts(step: StepView, books: Mapping[str, str]) -> Html:
    """The recorded verdict; when that is about the step's own matter, also the constitution's on the step itself."""
    if step.verdict is None:
        return tag("span", "none", class_="note")
    parts = [
        effect(step.verdict),
        tag("span", " by ", said(books.get(step.verdict.constitution, "unknown rules"), 60), class_="note"),
        reasons(step.verdict),
    ]
    on_step = step.history[-1].verdict if step.history else None
    if on_step is not None and on_step != step.verdict:
        parts += [tag("span", "on the step itself ", class_="note"), effect(on_step), reasons(on_step)]
    return join(parts)


def _book(book: RuleBook) -> Html:
    return join([said(book.name, 100), " ", said(book.version, 40), " ", _digest(book.digest)])


def _digest(value: str) -> Html:
    return code(value, class_="digest") if value else tag("span", "none", class_="note")
