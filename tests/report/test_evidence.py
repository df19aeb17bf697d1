"""The evidence names what the run was made of and what was decided about each step, so that others can check it."""

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Budget, plan_digest
from somagent.workflows.report import render_report

SPEC = """
uses: { policies: { release: ./release.yaml } }
steps:
  each:
    forEach: "${{ [1, 2, 3] }}"
    as: number
    script: { run: 'echo "double=$((NUMBER * 2))" >> $SOMAGENT_OUTPUT', env: { NUMBER: "${{ number }}" } }
    outputs: { double: { type: integer } }
  tree:
    script: { run: 'mkdir t; echo 1 > t/a.txt; echo 2 > "t/b c.txt"' }
    outputs: { tree: { type: artifact, path: t } }
  gate:
    policy: { set: release, input: { score: 91 } }
outputs:
  tree: ${{ steps.tree.tree }}
  doubles: ${{ steps.each.map(one, one.double) }}
"""

RELEASE = """
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: release-rules }
spec:
  version: 4.2.0
  principles: [{ id: care, text: Nothing goes out unseen. }]
  input: { score: { type: integer } }
  otherwise: allow
  rules:
    - { id: noted, effect: audit, when: input.score > 90, because: good work is remembered, principle: care }
"""


def test_every_digest_of_the_plan_and_of_each_step_is_there_in_full(ran: Callable[..., Any]) -> None:
    done = ran(SPEC, beside={"release.yaml": RELEASE})
    section = done.page.section("evidence")
    plan = done.view.plan
    assert done.view.run.plan_digest == plan_digest(plan)
    digests = [done.view.run.plan_digest, plan.constitution.digest, plan.policies["release"].digest, plan.catalogue]
    digests += [plan.source.digest]
    for step in done.view.steps:
        for one in (step, *step.items):
            digests += [one.input_digest, one.output_digest]
    assert len(set(digests)) > 10
    assert [digest for digest in digests if digest and digest not in section] == []
    assert "release-rules 4.2.0" in section
    assert "computed again for this page: the same" in section


def test_a_plan_that_is_not_the_recorded_one_is_called_out(ran: Callable[..., Any]) -> None:
    view = ran("steps: { work: { script: { run: 'true' } } }").view
    altered = replace(view, plan=replace(view.plan, catalogue="sha256:" + "0" * 64))
    assert "computed again for this page: NOT the same" in render_report(altered)


def test_each_step_has_its_verdict_the_rules_and_their_reasons(ran: Callable[..., Any]) -> None:
    page = ran(SPEC, beside={"release.yaml": RELEASE}).page
    verdict = page.row("evidence", "gate")[1]
    assert "audit by release-rules" in verdict
    assert "noted: good work is remembered" in verdict
    assert "on the step itself allow" in verdict
    heads = [head.text for head in page.ids["evidence"].all("th") if head.attributes["scope"] == "row"]
    assert [head for head in heads if head.isdigit()] == ["0", "1", "2"]


def test_artifacts_show_what_is_in_them(ran: Callable[..., Any]) -> None:
    page = ran(SPEC, beside={"release.yaml": RELEASE}).page
    results = page.section("results")
    assert "2 entries" in results
    assert "b c.txt" in results
    assert "folder, 4 bytes" in results


def test_the_page_needs_nothing_from_anywhere_and_its_policy_forbids_it(ran: Callable[..., Any]) -> None:
    page = ran(SPEC, beside={"release.yaml": RELEASE}).page
    metas = {meta.attributes.get("http-equiv"): meta.attributes["content"] for meta in page.root.all("meta")[1:]}
    policy = metas["Content-Security-Policy"]
    style = re.search("<style>(.*?)</style>", page.html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\((?!#)|@import|://", style[1])
    assert "</style" not in style[1]
    for element in page.root.all():
        for name in ("href", "src", "xlink:href", "marker-end"):
            assert element.attributes.get(name, "#").replace("url(", "").startswith("#"), element.attributes


def test_every_link_leads_somewhere_and_no_id_is_used_twice(ran: Callable[..., Any]) -> None:
    page = ran(SPEC, beside={"release.yaml": RELEASE}).page
    ids = [e.attributes["id"] for e in page.root.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    targets = {e.attributes["href"].removeprefix("#") for e in page.root.all() if "href" in e.attributes}
    assert targets <= set(ids)
    described = {e.attributes[n] for e in page.root.all() for n in ("aria-labelledby", "for") if n in e.attributes}
    assert {name for names in described for name in names.split()} <= set(ids)


def test_the_same_run_gives_the_same_bytes(ran: Callable[..., Any]) -> None:
    view = ran(SPEC, beside={"release.yaml": RELEASE}).view
    now = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    assert render_report(view, now=now) == render_report(view, now=now)


def test_without_the_content_store_the_page_says_what_is_missing(ran: Callable[..., Any]) -> None:
    view = ran(
        """
        steps:
          big:
            script: { run: 'echo "text=$(printf %090000d 1)" >> "$SOMAGENT_OUTPUT"' }
            outputs: { text: { type: string } }
        """
    ).view
    assert "which this report was made without" in render_report(view)


def test_a_budget_stands_beside_what_was_spent_and_who_spent_it(
    ran: Callable[..., Any], read_page: Callable[[str], Any]
) -> None:
    view = ran("steps: { one: { script: { run: 'true' } }, two: { script: { run: 'true' } } }").view
    plan = replace(
        view.plan, budget=Budget(tokens=400_000, cost_micros=6_000_000, currency="USD", wall_clock_ms=7_200_000)
    )
    spent = replace(view.steps[0], spent=Amounts(tokens=1_200, cost_micros=31_250))
    page = read_page(render_report(replace(view, plan=plan, steps=[spent, view.steps[1]])))
    section = page.section("spending")
    assert "1,200 of 400,000" in section
    assert "0.03125 USD of 6.00 USD" in section
    assert "of 2 h 00 min" in section
    assert page.row("spending", "one") == ["1,200 tokens, 0.03125 USD", "no limit"]


def test_a_run_without_budget_and_spending_says_nothing_of_money(ran: Callable[..., Any]) -> None:
    assert not ran("steps: { one: { script: { run: 'true' } } }").page.has("spending")
